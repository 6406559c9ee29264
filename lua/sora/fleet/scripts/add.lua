-- Runs in Redis. Has a task watched, however often that is asked for.
--
-- KEYS  the prefix        ARGV  the clock ("": that of Redis), id, seconds for which the task is
--   wanted, seconds for which what is known of it is kept, the poller's state, the caller's data
-- Returns "added" or "watched", or "ended" and how: what the fleet gave up is watched anew.

local prefix, id, seconds, ttl = KEYS[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call("TIME")
local now = tonumber(ARGV[1]) or time[1] + time[2] / 1e6

local outcome = redis.call("GET", prefix .. "end:" .. id)
if outcome and not outcome:find "^gave_up\n" then return { "ended", outcome } end

local task, wanted = prefix .. "task:" .. id, now + seconds
redis.call("ZADD", prefix .. "due", "NX", now, id)
local before = tonumber(redis.call("HGET", task, "wanted") or nil)
if before then
  wanted = math.max(wanted, before)
  redis.call("HSET", task, "wanted", wanted)
else
  redis.call("HSET", task, "added", now, "at", now, "wanted", wanted,
    "state", ARGV[5], "data", ARGV[6])
  redis.call("DEL", prefix .. "end:" .. id)
  redis.call("HINCRBY", prefix .. "counts", "added", 1)
end
redis.call("PEXPIRE", task, math.ceil((wanted - now + ttl) * 1000))
return { before and "watched" or "added" }

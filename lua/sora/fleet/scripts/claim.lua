-- Runs in Redis. Hands out tasks that are due, with a permit to ask the service for each.
--
-- A claimed task is due again when the lease is over: whoever holds it until then reports with its
-- token; a worker that was killed needs nobody to clean up. The rate is GCRA (ITU-T I.371): permits
-- are one interval apart, and those of the next `horizon` seconds are given, with their times. The
-- key `tat` (GCRA's "theoretical arrival time") is the time of the next permit.
--
-- KEYS  the prefix        ARGV  the clock ("": that of Redis), the worker's name, how many tasks it
--   holds, the most to claim, seconds of the lease, seconds between two permits (0: no rate), the
--   horizon in seconds
-- Returns the seconds after which there may be more, then a list for each claim: id, token, how
-- often it was claimed without a report, seconds that are left until the task's deadline, seconds
-- since it was added and since the last report, seconds until the permit, state, last answer

local prefix, worker, held, most = KEYS[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local lease, interval, horizon = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local time = redis.call("TIME")
local now = tonumber(ARGV[1]) or time[1] + time[2] / 1e6
local due = prefix .. "due"

local hold = tonumber(redis.call("GET", prefix .. "hold") or 0)
local tat = math.max(now, tonumber(redis.call("GET", prefix .. "tat") or 0))
local ids = {}
if hold <= now then ids = redis.call("ZRANGEBYSCORE", due, "-inf", now, "LIMIT", 0, most) end

-- A full Redis refuses whatever might need memory, unless the script has begun with a write that
-- does not: the tasks that are there have to go on, or nothing would ever be freed.
redis.call("HDEL", prefix .. "workers", worker)

local function seconds(value) return ("%.6f"):format(value) end

local claims = {}
for _, id in ipairs(ids) do
  if interval > 0 and tat > now + horizon then break end
  local task = prefix .. "task:" .. id
  local token, tries, wanted, added, at, state, answer = unpack(redis.call("HMGET", task, "token",
    "tries", "wanted", "added", "at", "state", "answer"))
  if not wanted then
    redis.call("ZREM", due, id) -- nobody has wanted it for long, and what was known has expired
  else
    token = ("%.0f"):format(math.max(now * 1e6, tonumber(token or 0) + 1)) -- grows with each claim
    tries = tonumber(tries or 0) + 1
    redis.call("ZADD", due, now + lease, id)
    redis.call("HSET", task, "token", token, "tries", tries)
    claims[#claims + 1] = {
      id, token, tries, seconds(wanted - now), seconds(now - added), seconds(now - at),
      seconds(tat - now), state, answer or "",
    }
    tat = tat + interval
  end
end
if #claims > 0 and interval > 0 then
  redis.call("SET", prefix .. "tat", tat, "PX", math.ceil((tat - now) * 1000) + 1000)
end
redis.call("HSET", prefix .. "workers", worker, ("%d %.3f"):format(held + #claims, now))

local first = redis.call("ZRANGE", due, 0, 0, "WITHSCORES")[2]
local permit_at = interval > 0 and tat - horizon or now
local next_at = math.max(hold, permit_at, tonumber(first or now + lease))
return { seconds(math.max(0, next_at - now)), claims }

-- Runs in Redis. Takes what became of claimed tasks; of one that was claimed by another worker
-- meanwhile, or reported before, nothing.
--
-- KEYS  the prefix        ARGV  the clock ("": that of Redis), seconds for which an end is kept,
--   then for each task: id, token, word, seconds until it is due, state, text. The words:
--     next  it was asked about; text: the answer, where that brought anything new, or ""
--     back  it was not asked about
--     succeeded, failed, gave_up  it has ended; text: how
-- Returns for each task "ok" or "stale".

local prefix, ttl = KEYS[1], tonumber(ARGV[2])
local time = redis.call("TIME")
local now = tonumber(ARGV[1]) or time[1] + time[2] / 1e6
local due, ends, counts = prefix .. "due", prefix .. "ends", prefix .. "counts"

local function finish(id, task, word, text)
  local data = redis.call("HGET", task, "data") or ""
  redis.call("ZREM", due, id)
  redis.call("DEL", task)
  redis.call("SET", prefix .. "end:" .. id, word .. "\n" .. data .. "\n" .. text, "EX", ttl)
  redis.call("XADD", ends, "MINID", "~", ("%.0f"):format(math.max(0, now - ttl) * 1000), "*",
    "id", id)
  redis.call("PUBLISH", ends, id)
end

local function follow(id, task, delay, state, text)
  redis.call("HSET", task, "state", state, "at", now)
  if text ~= "" then redis.call("HSET", task, "answer", text) end
  redis.call("ZADD", due, now + delay, id)
end

local results = {}
for i = 3, #ARGV, 6 do
  local id, token, word, delay, state, text = unpack(ARGV, i, i + 5)
  local task = prefix .. "task:" .. id
  local is_current = redis.call("HGET", task, "token") == token
  if is_current then
    redis.call("HDEL", task, "token", "tries") -- first: see claim.lua on a full Redis
    if word == "back" then
      redis.call("ZADD", due, now + delay, id)
    elseif word == "next" then
      follow(id, task, delay, state, text)
    else
      finish(id, task, word, text)
    end
    if text ~= "" then redis.call("PUBLISH", prefix .. "news:" .. id, word) end
    redis.call("HINCRBY", counts, word, 1)
  else
    redis.call("HINCRBY", counts, "stale", 1)
  end
  results[#results + 1] = is_current and "ok" or "stale"
end
return results

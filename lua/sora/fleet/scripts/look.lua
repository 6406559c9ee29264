-- Runs in Redis. What is known of a task. Reads only.
--
-- KEYS  the prefix        ARGV  the clock (not used), id
-- Returns "ended" and how, "watched" and the last answer ("": none yet), or "unknown".

local prefix, id = KEYS[1], ARGV[2]

local outcome = redis.call("GET", prefix .. "end:" .. id)
if outcome then return { "ended", outcome } end
if not redis.call("ZSCORE", prefix .. "due", id) then return { "unknown" } end
return { "watched", redis.call("HGET", prefix .. "task:" .. id, "answer") or "" }

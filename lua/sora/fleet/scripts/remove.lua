-- Runs in Redis. Forgets a task: it is not watched any more, and how it ended is not known.
--
-- KEYS  the prefix        ARGV  the clock (not used), id
-- Returns 1 where anything was known of it, else 0.

local prefix, id = KEYS[1], ARGV[2]

local known = redis.call("DEL", prefix .. "task:" .. id, prefix .. "end:" .. id)
  + redis.call("ZREM", prefix .. "due", id)
if known > 0 then redis.call("PUBLISH", prefix .. "news:" .. id, "removed") end
return math.min(1, known)

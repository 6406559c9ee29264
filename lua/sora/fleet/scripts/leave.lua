-- Runs in Redis. Forgets a worker that has ended in order, so that it is not counted as dead; and
-- those that have been dead for long.
--
-- KEYS  the prefix        ARGV  the clock ("": that of Redis), the worker's name, seconds after
--   which a dead worker is forgotten
-- Returns how many workers were forgotten.

local workers, patience = KEYS[1] .. "workers", tonumber(ARGV[3])
local time = redis.call("TIME")
local now = tonumber(ARGV[1]) or time[1] + time[2] / 1e6

local forgotten = redis.call("HDEL", workers, ARGV[2])
local said = redis.call("HGETALL", workers)
for i = 1, #said, 2 do
  if now - said[i + 1]:match " (.*)$" > patience then
    forgotten = forgotten + redis.call("HDEL", workers, said[i])
  end
end
return forgotten

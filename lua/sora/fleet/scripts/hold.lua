-- Runs in Redis. The service wants to be left alone: nothing is handed out until the time is over.
--
-- KEYS  the prefix        ARGV  the clock ("": that of Redis), seconds
-- Returns for how many seconds the fleet is silent.

local hold = KEYS[1] .. "hold"
local time = redis.call("TIME")
local now = tonumber(ARGV[1]) or time[1] + time[2] / 1e6

local silent = math.max(tonumber(redis.call("GET", hold) or 0), now + ARGV[2])
redis.call("DEL", hold) -- first: see claim.lua on a full Redis
redis.call("SET", hold, silent, "PX", math.ceil((silent - now) * 1000) + 1)
redis.call("HINCRBY", KEYS[1] .. "counts", "held", 1)
return ("%.6f"):format(silent - now)

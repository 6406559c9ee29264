-- Runs in Redis. What the fleet does, in figures.
--
-- KEYS  the prefix        ARGV  the clock ("": that of Redis), seconds after which a worker that
--   said nothing is taken for dead
-- Returns a list: a name, its value, the next name …

local prefix, patience = KEYS[1], tonumber(ARGV[2])
local time = redis.call("TIME")
local now = tonumber(ARGV[1]) or time[1] + time[2] / 1e6
local due = prefix .. "due"

local workers, dead, in_flight = 0, 0, 0
local said = redis.call("HGETALL", prefix .. "workers")
for i = 2, #said, 2 do
  local held, at = said[i]:match "^(%d+) (.*)$"
  if now - at <= patience then
    workers, in_flight = workers + 1, in_flight + held
  else
    dead = dead + 1
  end
end

local function left(name)
  local at = tonumber(redis.call("GET", prefix .. name) or 0)
  return ("%.3f"):format(math.max(0, at - now))
end

local stats = {
  "watched", redis.call("ZCARD", due), "due", redis.call("ZCOUNT", due, "-inf", now),
  "workers", workers, "dead", dead, "in_flight", in_flight,
  "held_back", left "hold", "kept", redis.call("XLEN", prefix .. "ends"),
}
for _, value in ipairs(redis.call("HGETALL", prefix .. "counts")) do
  stats[#stats + 1] = value
end
return stats

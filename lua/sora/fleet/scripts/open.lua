-- Runs in Redis. Whether the keys under the name are a fleet's, and of the format that the caller
-- knows; marks them as such.
--
-- KEYS  the prefix        ARGV  the clock (not used), the format
-- Returns "ok", or what is wrong.

local prefix, format = KEYS[1], ARGV[2]

local TYPES = {
  format = "string", due = "zset", ends = "stream", counts = "hash", workers = "hash",
  tat = "string", hold = "string",
}

for name, expected in pairs(TYPES) do
  local kind = redis.call("TYPE", prefix .. name).ok
  if kind ~= "none" and kind ~= expected then
    return ("the key %s%s is somebody else's: a %s"):format(prefix, name, kind)
  end
end
local found = redis.call("GET", prefix .. "format")
if not found then redis.call("SET", prefix .. "format", format) end
if found and found ~= format then
  return ("the keys %s* are of the format '%s', this version knows '%s'"):format(prefix,
    found:sub(1, 40), format)
end
return "ok"

-- Runs in Redis. Forgets the readers of a group that are gone and owe nothing.
--
-- KEYS  the prefix        ARGV  the clock (not used), the group, the reader that ends or "",
--   milliseconds after which another one that said nothing is taken for gone
-- Returns how many were forgotten.

local ends, group = KEYS[1] .. "ends", ARGV[2]

local forgotten = 0
for _, reply in ipairs(redis.call("XINFO", "CONSUMERS", ends, group)) do
  local reader = {}
  for i = 1, #reply, 2 do reader[reply[i]] = reply[i + 1] end
  if reader.pending == 0 and (reader.name == ARGV[3] or reader.idle > tonumber(ARGV[4])) then
    redis.call("XGROUP", "DELCONSUMER", ends, group, reader.name)
    forgotten = forgotten + 1
  end
end
return forgotten

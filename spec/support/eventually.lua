--- Waits for what another process does.

local system = require "system"

--- Waits until the condition holds.
---@param condition fun(): any
---@param seconds number?  at most, 5 by default
---@param pause number?  seconds between two looks, 0.01 by default
---@return boolean  whether it holds
return function(condition, seconds, pause)
  local deadline = system.monotime() + (seconds or 5)
  while not condition() do
    if system.monotime() > deadline then return false end
    system.sleep(pause or 0.01)
  end
  return true
end

--- Runs libuv's loop, as a spec does that must end.

local uv = require "luv"

--- Runs the loop until it is stopped, has nothing left to wait for, or the time is over.
---@param seconds number
return function(seconds)
  local watchdog = uv.new_timer()
  uv.update_time() -- the loop may have stood still since other specs
  watchdog:start(seconds * 1000, 0, uv.stop)
  watchdog:unref()
  uv.run()
  watchdog:close()
  -- in these turns closes what the collector has ended: a program that ends before crashes in luv
  for _ = 1, 3 do uv.run "nowait" end
end

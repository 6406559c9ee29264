-- Asks about whatever is due. Start as many of these as you like, on as many machines.

package.path = (arg[0]:match "^(.*)/" or ".") .. "/?.lua;" .. package.path

local fleet = require "fleet" (require "sora")

while true do
  local ok, err = fleet:work { concurrency = 100 }
  if ok then break end
  io.stderr:write(tostring(err), "\n")
  if not err.retryable then os.exit(1) end
  os.execute "sleep 1" -- Redis is away
end

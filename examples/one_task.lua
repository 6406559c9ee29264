-- One task: waits for its end and says what became of it.
-- lua one_task.lua ID

local sora = require "sora"

local task, err = sora.wait(assert(arg[1], "an id expected"), { timeout = 3600 })
if task then
  print(task)            -- in one line
  print(task.status)     -- a field as the service sent it; sora.status says what it means
elseif err.kind == "failed" then
  print("no video: " .. sora.failure(err.task))
  os.exit(1)
else
  print(err)
  os.exit(err.retryable and 75 or 1) -- EX_TEMPFAIL: the same call may go well later
end

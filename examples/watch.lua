-- Each change of a task, as it comes.
-- lua watch.lua ID

local sora = require "sora"

local id = assert(arg[1], "an id expected")

for task in sora.watch(id) do
  local progress = sora.progress(task)
  local percent = progress and ("%.0f %%"):format(progress * 100) or ""
  print(os.date "%H:%M:%S", sora.status(task), percent)
end

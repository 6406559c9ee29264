-- Many tasks at once, and their videos, four at a time, while the others are still waited for.
-- lua many.lua FOLDER < ids.txt

local sora = require "sora"

local ids = {}
for id in io.lines() do ids[#ids + 1] = id end

local bar = sora.progress_bar { tasks = #ids }
local _, errs = sora.wait_all(ids, {
  download = assert(arg[1], "a folder expected"), downloads = 4, timeout = 7200,
  on_update = bar.on_update,
  on_result = function(id, task, err, path)
    bar.on_result(id, task, err)
    bar.print(path or tostring(err), io.stdout)
  end,
})
bar.finish()
os.exit(next(errs) == nil and 0 or 1)

-- A job for cron, that never waits: asks once about each task of a list, fetches what is finished,
-- and leaves in the list what still runs. A run that is killed loses nothing.
-- */5 * * * *  lua cron.lua ids.txt /srv/videos

local sora = require "sora"

local list, folder = arg[1], arg[2]
local ids, left = {}, {}
for id in io.lines(list) do ids[#ids + 1] = id end

local tasks, errs = sora.query_all(ids, { timeout = 240 })
for _, id in ipairs(ids) do
  local task, err = tasks[id], errs[id]
  local status = task and sora.status(task)
  if status == "succeeded" then
    local _
    _, err = sora.download(task, folder .. "/" .. id:gsub("[^%w.-]", "_") .. ".mp4")
  end
  if status == "running" or err and err.retryable then left[#left + 1] = id .. "\n" end
  if err or status == "failed" then print(err or task) end -- cron mails what is printed
end

local file = assert(io.open(list .. ".new", "w"))
assert(file:write(table.concat(left)))
assert(file:close())
assert(os.rename(list .. ".new", list))

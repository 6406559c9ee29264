--- Tasks to their ends, and their videos to files: what `wait` and `create --out` have in common.

local exits = require "sora.command.exits"
local service = require "sora.command.service"

local M = {}

local UNITS = { "B", "KiB", "MiB", "GiB" }

local function size(bytes)
  local unit = 1
  while bytes >= 1000 and unit < #UNITS do bytes, unit = bytes / 1024, unit + 1 end
  return (unit == 1 and "%d %s" or "%.1f %s"):format(bytes, UNITS[unit])
end

local function bytes_of(path)
  local file = io.open(path, "rb")
  local bytes = file and file:seek "end" or 0
  if file then file:close() end
  return bytes
end

--- Whether a path is that of a folder: only there is a `.` in it.
---@param path string
---@return boolean
function M.is_folder(path)
  local file = io.open(path .. "/.")
  if file then file:close() end
  return file ~= nil
end

--- Ends the run where a path cannot be that of a file, before anything is asked or paid for.
---@param path string
function M.check_file(path)
  local folder = path:match "^(.*)/[^/]*$"
  if folder and folder ~= "" and not M.is_folder(folder) then
    exits.stop(exits.USAGE, "there is no folder " .. folder)
  end
  if path:find "/$" then exits.stop(exits.USAGE, path .. " is a folder, not a file") end
end

--- Tells how a task, or a download, has ended.
---@param run sora.run
---@param id string  or a URL
---@param task sora.task?
---@param err sora.error?
---@param path string?  of the video
---@return integer code
function M.ended(run, id, task, err, path)
  local report = run.report
  if err then
    local code = report:failed(err, id)
    local word = ({ [exits.FAILED] = "failed", [exits.TIMEOUT] = "timeout" })[code] or "error"
    report:result(("%-8s %s"):format(word, id))
    return code
  end
  local bytes = path and bytes_of(path)
  report:event("result", { id = id, task = task, path = path, bytes = bytes })
  report:result(path and ("saved    %s  %s (%s)"):format(id, path, size(bytes))
    or "ended    " .. tostring(task))
  return exits.OK
end

--- Tells once more what a former run has noted as the end of a task. Returns its exit code; nil
-- where something is left to do.
---@param run sora.run
---@param id string
---@param wants_video boolean
---@return integer? code
function M.remembered(run, id, wants_video)
  local event = run.journal and run.journal:ending(id)
  if not event or wants_video and event.event == "result" and not event.path then return nil end
  run.report:say(event)
  run.report:result(("%-8s %s  %s"):format(event.event == "result" and "here" or "failed", id,
    event.path or event.message or ""))
  return event.exit or exits.OK
end

--- One task, whose video goes to a file; its bytes are shown as they come.
local function to_file(run, client, id, path)
  local options, callbacks = run.options, run.report:callbacks(id)
  local deadline = options.timeout and os.time() + options.timeout
  local task, err = client:wait(id, {
    timeout = options.timeout, interval = options.interval, on_update = callbacks.on_update,
  })
  local bytes
  if task or err.kind == "no_video" then
    bytes, err = client:download(task or err.task, path, { -- the relay may have a copy of its own
      timeout = deadline and math.max(1, deadline - os.time()),
      on_progress = callbacks.on_progress,
    })
  end
  run.report.bar.finish()
  return M.ended(run, id, task, err, bytes and path)
end

--- Any number of tasks, whose videos go into a folder, if one is given.
local function to_folder(run, client, ids, folder)
  local options, exit = run.options, exits.OK
  client:wait_all(ids, {
    timeout = options.timeout, interval = options.interval, concurrency = options.concurrency,
    download = folder, downloads = options.downloads,
    on_update = run.report:callbacks().on_update,
    on_result = function(id, task, err, path)
      if #ids == 1 then run.report.bar.finish() end
      exit = math.max(exit, M.ended(run, id, task, err, path))
      run.report.bar.on_result(id, task, err)
    end,
  })
  return exit
end

--- Follows tasks to their ends.
---@param run sora.run
---@param ids string[]
---@param client sora.client?  nil: a new one
---@return integer code  the highest of theirs
function M.follow(run, ids, client)
  local out, exit, left = run.options.out, exits.OK, {}
  local file = out and not M.is_folder(out) and out
  if file and #ids > 1 then exits.stop(exits.USAGE, "of several tasks --out must be a folder") end
  if file then M.check_file(file) end
  for _, id in ipairs(ids) do
    local code = M.remembered(run, id, out ~= nil)
    if not code then left[#left + 1] = id end
    exit = math.max(exit, code or exits.OK)
  end
  if #left == 0 then return exit end
  client = client or service.client(run)
  run.report:progress(#left)
  service.announce(run, #left)
  local code = file and to_file(run, client, left[1], file) or to_folder(run, client, left, out)
  return math.max(exit, code)
end

return M

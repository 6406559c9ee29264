--- What a run tells: results on standard output, all else on standard error; with --json events,
-- one object a line, on standard output, and nothing else.

local sora = require "sora"
local exits = require "sora.command.exits"

local M = {}

local KEPT = { begin = true, made = true, unmade = true, result = true } -- by the journal

local REMINDER = 30 -- seconds

local Report = {}
Report.__index = Report

---@param options table  of the command line
---@param journal table?
---@return table report
function M.new(options, journal)
  return setmetatable({
    json = options.json, quiet = options.quiet or options.json, journal = journal,
    bar = sora.progress_bar { quiet = true }, -- until there is progress
  }, Report)
end

--- From now on progress is shown, of so many tasks.
---@param tasks integer
function Report:progress(tasks)
  self.bar = sora.progress_bar { quiet = self.quiet, tasks = tasks > 1 and tasks or nil }
end

--- Something has happened: noted, and printed with --json.
---@param name string  of the event
---@param event table
---@param keep boolean?  also in the journal, where the name does not say so
function Report:event(name, event, keep)
  event.event = name
  if self.journal and (KEPT[name] or keep) then self.journal:note(event) end
  self:say(event)
end

--- Prints an event, with --json.
function Report:say(event)
  if not self.json then return end
  io.stdout:write(assert(sora.encode(event)), "\n")
  io.stdout:flush()
end

--- A line for people about what is being done.
function Report:remark(text)
  if not self.quiet then self.bar.print("sora: " .. text) end
end

--- A line of the result.
function Report:result(text)
  if not self.json then self.bar.print(text, io.stdout) end
end

--- A line about what went wrong, for people.
function Report:complain(text)
  if self.json then return end
  self.bar.print("sora: " .. tostring(text):gsub("^sora: ", ""))
end

--- An error is an end. What will be the same at the next run is noted.
---@param err sora.error
---@param id string?
---@param code integer?
---@return integer code  to exit with
function Report:failed(err, id, code)
  code = code or exits.of(err)
  self:event("error", {
    id = id, kind = err.kind, message = err.message, status = err.status, code = err.code,
    retryable = err.retryable, task = err.task, exit = code,
  }, code == exits.FAILED and id ~= nil)
  self:complain(err)
  if err.status == 401 and not os.getenv "SORA_API_KEY" then
    self:complain "the service wants a key: set SORA_API_KEY, or give --key-file"
  end
  return code
end

--- An attempt is over: one that went wrong and is not the last is told; for people, of the same
-- reason, once in a while.
---@param info sora.attempt
function Report:attempt(info)
  if not info.kind or not info.next_in then return end
  self:event("attempt", {
    id = info.id, kind = info.kind, status = info.status, next_in = info.next_in,
  })
  local reason = info.status and "HTTP " .. info.status or info.kind
  if reason == self.reason and os.time() - self.told < REMINDER then return end
  self.reason, self.told = reason, os.time()
  self:remark(("%s: again in %.0f s"):format(reason, math.max(1, info.next_in)))
end

--- The callbacks of a wait and of a download.
---@return table options  on_update, on_progress
function Report:callbacks(id)
  if not self.json then
    return { on_update = self.bar.on_update, on_progress = self.bar.on_progress }
  end
  local told = os.time()
  return {
    on_update = function(task, info)
      self:event("update", {
        id = info.id, status = sora.status(task), progress = sora.progress(task),
        elapsed = math.floor(info.elapsed * 1000 + 0.5) / 1000,
      })
    end,
    on_progress = function(received, total)
      if os.time() == told then return end
      told = os.time()
      self:event("progress", { id = id, received = received, total = total })
    end,
  }
end

return M

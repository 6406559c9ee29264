--- What a run tells: results on standard output, all else on standard error; with --json events,
-- one object a line, on standard output, and nothing else.

local sora = require "sora"
local exits = require "sora.command.exits"

local M = {}

--- The events that the journal gets, beside errors that the next run would meet again.
local KEPT = { begin = true, made = true, unmade = true, result = true }

local REMINDER = 30 -- seconds after which people are told the same reason again

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

--- Has progress shown from now on.
---@param tasks integer
function Report:progress(tasks)
  self.bar = sora.progress_bar { quiet = self.quiet, tasks = tasks > 1 and tasks or nil }
end

--- Prints an event, with --json, and notes it in the journal.
---@param name string  of the event
---@param event table
---@param keep boolean?  note it, though it is none of KEPT
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

--- Tells of an error that ends a task, or the run. The journal notes that a task has failed: it
-- will have at the next run, too.
---@param err sora.error
---@param id string?  of the task
---@param code integer?  to exit with; by default that of the error
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

--- Tells of an attempt that went wrong and is not the last. People are told the same reason once in
-- REMINDER seconds.
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

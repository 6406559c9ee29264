--- What a fleet writes down of a task: its last answer, or how it ended, as one text.
--
-- Knows nothing of Redis. No key of the service is in it: a task is what the service answered, and
-- the texts of errors hold no secrets.

local core = require "sora.core"
local origin = require "sora.answers.origin"

local M = {}

--- Fields of an error that are kept, beside its task.
local FIELDS = { "kind", "message", "retryable", "status", "code", "request_id", "not_found",
  "elapsed", "polls" }

--- Ends for good: what the service said, and "cancelled" of a poisoned task (claimed.lua). At any
-- other the fleet gave up, and watches the task anew when it is added again.
local TOLD = { failed = true, cancelled = true, no_video = true }

local function fields_of(err)
  local kept = {}
  for _, name in ipairs(FIELDS) do kept[name] = err[name] end
  return kept
end

--- One text of a task's last answer and, where it ended without a video, of the error.
---@param task table?
---@param err sora.error?
---@return string
function M.encode(task, err)
  local record = { task = task, error = err and fields_of(err) }
  if task then record.relay, record.said = origin.relay(task), origin.said(task) end
  local text, fault = core.encode(record)
  if text then return text end
  record = { error = { kind = "decode", message = "the answer cannot be kept: " .. fault.message } }
  return (core.encode(record))
end

--- What `encode` was given.
---@param text string
---@param id string  the caller's
---@return sora.task? task
---@return sora.error? err
function M.decode(text, id)
  local record, fault = core.decode(text)
  if type(record) ~= "table" then
    return nil, fault or core.error { kind = "decode", message = "no record of a task", id = id }
  end
  local task, err = record.task, record.error
  if task then origin.restore(task, id, record.relay, record.said) end
  if not err then return task end
  err.id, err.task = id, task
  return nil, core.error(err)
end

--- The word for an end.
---@param err sora.error?
---@return "succeeded"|"failed"|"gave_up"
function M.word(err)
  if not err then return "succeeded" end
  return TOLD[err.kind] and "failed" or "gave_up"
end

--- An end as report.lua writes it: word, data, record; a line each.
---@param text string
---@param id string
---@return { task: sora.task?, err: sora.error?, data: any }
function M.outcome(text, id)
  local _, data, record = text:match "^([^\n]*)\n([^\n]*)\n(.*)$"
  local task, err = M.decode(record or "", id)
  return { task = task, err = err, data = data ~= "" and data and core.decode(data) or nil }
end

return M

--- What a decoded answer is: a task, in whatever envelope, an error of the service's own, or
-- neither. The core asks this about every answer that is not plainly a task, that is an object with
-- a word at `status` and no object or list at `data`.

local complaints = require "sora.answers.complaints"
local failures = require "sora.answers.failures"
local layers = require "sora.answers.layers"
local text = require "sora.answers.text"

local M = {}

local function say(complaint)
  local message, code = complaint.message, complaint.code
  if not message and code ~= nil then
    local shown = type(code) == "number" and (text.digits(code) or tostring(code)) or code
    message = "the service reports code " .. shown
  end
  return nil, message or "the service reports an error without a reason", code, complaint.final,
    complaint.missing
end

--- What the envelopes around a failed task say of it.
local function said_outside(view)
  if #view.outer == 0 then return nil end
  local outside = { null = view.null }
  for i, envelope in ipairs(view.outer) do outside[i] = envelope end
  return (failures.reason(outside))
end

---@param answer table
---@param status integer  of HTTP
---@param null any  what nulls have become; nil: they are absent
---@param id string?  that was asked for
---@return table? task  the innermost table that is the task
---@return string? said  of a task: what its envelopes say; else the message of the service's error;
---   neither: the answer is no task and says nothing
---@return string|number|nil code
---@return boolean? final  asking again is of no use
---@return boolean? missing  the service says that it has no such task
function M.read(answer, status, null, id)
  if status >= 300 then
    local complaint = complaints.of(answer, null)
    if not complaint.message and complaint.code == nil then return nil end
    return say(complaint)
  end
  local view = layers.of(answer, null, id)
  local task = view[1]
  if text.is_list(task) or (task == answer and getmetatable(task)) then -- `[]` has a metatable
    if text.is_list(task) and type(task[1]) ~= "table" then return nil end
    return say { message = complaints.NO_TASK, final = false, missing = false }
  end
  local complaint = not view.word and complaints.find(answer, null, view)
  if complaint then return say(complaint) end
  return task, said_outside(view)
end

--- The same for an answer that need not be about a task.
---@param answer table
---@param status integer
---@param null any
---@return nil
---@return string? said  the message of the service's error; nil: it is none
---@return string|number|nil code
---@return boolean? final
---@return boolean? missing
function M.read_call(answer, status, null)
  local task, said, code, final, missing = M.read(answer, status, null)
  if task or said == complaints.NO_TASK then return nil end
  return nil, said, code, final, missing
end

return M

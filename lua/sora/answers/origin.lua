--- What a task knows outside of its fields: the id that it was asked with, the relay that answered,
-- and what the envelope said that it came in. The core notes it down for each task that it hands
-- out; a table that somebody else has decoded knows nothing.

local core = require "sora.core"

local M = {}

local NAME = core.task.__name

---@type table<table, string>
local ids, said = core.task.ids, core.task.said -- weak

--- The caller's id, where the answer has none at `id`, or another.
---@param task table
---@return string?
function M.id(task) return ids[task] end

--- The base URL of the service, without a slash at its end.
---@param task table
---@return string?
function M.relay(task)
  local metatable = getmetatable(task)
  return type(metatable) == "table" and metatable.__name == NAME and metatable.relay or nil
end

--- What was said around the task, should it have failed.
---@param task table
---@return string?
function M.said(task) return said[task] end

--- Makes a task of a decoded answer that was written down elsewhere.
---@param task table
---@param id string  that it was asked with
---@param relay string?
---@param text string?  what was said around it
---@return sora.task
function M.restore(task, id, relay, text)
  if rawget(task, "id") ~= id then ids[task] = id end
  said[task] = text
  return setmetatable(task, { __name = NAME, __tostring = core.task.__tostring, relay = relay })
end

return M

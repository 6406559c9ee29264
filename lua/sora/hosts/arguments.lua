--- The arguments before the options. Misuse is raised where the public function was called.

local core = require "sora.core"
local task = require "sora.answers.task"

local M = {}

-- bad, the check, the function of call.lua that loads this module, prepare, the public function
local CALLER = 6

local function bad(call, position, what)
  error(("bad argument #%d to '%s' (%s)"):format(position, call, what), CALLER)
end

--- The id of a task; of a decoded one, the id to go on with.
local function as_id(value)
  if type(value) ~= "table" then return value, core.id_fault(value) end
  local id = task.asked_id(value)
  if not id then return nil, "task id expected, the task has none" end
  return id, core.id_fault(id)
end

---@param call string
---@param value any  a task or its id
---@return string id
function M.id(call, value)
  local id, what = as_id(value)
  if what then bad(call, 1, what) end
  return id
end

--- What is in no place of the list from 1 to `count`, and would not be asked.
---@return string? what
local function left_out(ids, count)
  local keys = 0
  for _ in pairs(ids) do keys = keys + 1 end
  if keys == count and #ids <= count then return nil end
  local hole = ("at position %d: task id (a string) expected, got nil"):format(count + 1)
  if #ids > count then return hole end
  for key in pairs(ids) do
    if type(key) ~= "number" then return "list of task ids expected, got named fields" end
    if key > count and key % 1 == 0 then return hole end
    if key < 1 or key % 1 ~= 0 then
      return ("list of task ids expected, got a value at %s"):format(tostring(key))
    end
  end
end

---@param call string
---@param ids any  a list of tasks and ids
---@return string[] ids  each of them once, in the order of the list
function M.ids(call, ids)
  if type(ids) ~= "table" then
    bad(call, 1, "table of task ids expected, got " .. type(ids))
  end
  local list, seen, count = {}, {}, 0
  local value = ids[1]
  while value ~= nil do
    count = count + 1
    local id, what = as_id(value)
    if what then bad(call, 1, ("at position %d: %s"):format(count, what)) end
    if not seen[id] then
      seen[id] = true
      list[#list + 1] = id
    end
    value = ids[count + 1]
  end
  local what = left_out(ids, count)
  if what then bad(call, 1, what) end
  return list
end

function M.body(call, body)
  if type(body) ~= "table" and type(body) ~= "string" then
    bad(call, 1, "table or JSON text expected, got " .. type(body))
  end
  return body
end

local function path_fault(path)
  if type(path) ~= "string" then return "path of a file expected, got " .. type(path) end
  return (path == "" or path:find "%z") and "path of a file expected" or nil
end

function M.generate(call, body, path)
  local what = path_fault(path)
  if what then bad(call, 2, what) end
  return M.body(call, body)
end

--- What a function of the service is called by: a method (RFC 9110, 9.1), a path and perhaps a
-- query.
function M.call(call, method, path)
  if type(method) ~= "string" or not method:find "^[A-Z]+$" or #method > 20 then
    bad(call, 1, "method such as \"GET\" expected")
  end
  if type(path) ~= "string" then bad(call, 2, "path expected, got " .. type(path)) end
  local what = core.path_fault(path)
  if what then bad(call, 2, "path " .. what) end
  return method
end

---@param call string
---@param source any  a task, a URL or a task's id
---@param path any
---@return table|string source
function M.download(call, source, path)
  if type(source) ~= "string" and type(source) ~= "table" then
    bad(call, 1, "task, URL or task id expected, got " .. type(source))
  end
  local what = type(source) == "string" and core.id_fault(source)
  if what then bad(call, 1, what) end
  if type(source) == "string" and source:find("://", 1, true)
      and not task.video_url { video_url = source } then
    bad(call, 1, "URL must begin with http:// or https:// and a host")
  end
  what = path_fault(path)
  if what then bad(call, 2, what) end
  return source
end

return M

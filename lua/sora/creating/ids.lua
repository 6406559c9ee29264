--- The id of a task that was just made, wherever a service puts it, and by what else it may have to
-- be asked for.

local core = require "sora.core"
local task = require "sora.answers.task"

local M = {}

local function as_id(value)
  if type(value) == "number" then return core.encode(value) end
  return type(value) == "string" and core.id_fault(value) == nil and value or nil
end

local function field(object, name)
  return type(object) == "table" and as_id(rawget(object, name)) or nil
end

--- Names of an id, the best first. One of the request is an id only where there is no other.
local NAMES = { "id", "task_id", "taskId", "video_id", "job_id", "generation_id" }
local LAST = { "request_id", "requestId" }

--- What may hold them, the innermost first.
local function places(answer)
  local data = rawget(answer, "data")
  local list = { answer }
  for _, name in ipairs { "data", "output", "result", "task" } do
    list[#list + 1] = rawget(answer, name)
  end
  if type(data) == "table" then
    list[#list + 1] = data[1]
    list[#list + 1] = data.data
  end
  return list
end

---@param answer table  decoded
---@return string?
function M.of(answer)
  local list = places(answer)
  local function find(names)
    for _, place in ipairs(list) do
      for _, name in ipairs(names) do
        local id = field(place, name)
        if id then return id end
      end
    end
  end
  return find(NAMES) or as_id(rawget(answer, "data")) or find(LAST) or as_id(task.id(answer))
end

--- Has a task know its id, where that is not in its field `id`.
---@param made table
---@param id string
function M.note(made, id)
  if rawget(made, "id") ~= id then core.task.ids[made] = id end
end

-- Some services give a bare id, and know it only with the model in front: "sora-2:task_…".

local MOST = 10000 -- that a client remembers, twice

---@class sora.names  of one client: id -> what else it may be called; kept: the service knows that
---@field young table<string, { name: string, kept: boolean? }>
---@field old table<string, { name: string, kept: boolean? }>
---@field count integer  in `young`

local names_of = setmetatable({}, { __mode = "k" }) -- client -> sora.names

--- Remembers what else an id may be called.
---@param client sora.client
---@param id string
---@param model string
function M.remember(client, id, model)
  if id:find(":", 1, true) or model:find(":", 1, true) then return end
  local names = names_of[client]
  if not names or names.count >= MOST then
    names = { young = {}, old = names and names.young or {}, count = 0 }
    names_of[client] = names
  end
  names.young[id] = { name = model .. ":" .. id }
  names.count = names.count + 1
end

local function entry_of(client, id)
  local names = names_of[client]
  return names and (names.young[id] or names.old[id])
end

--- What to call a task when the service is asked for it.
---@param client sora.client
---@param id string
---@return string asked
---@return string? other  its other name, while nobody knows which of the two the service knows
function M.names(client, id)
  local entry = entry_of(client, id)
  if not entry then return id, nil end
  if entry.kept then return entry.name, nil end
  return id, entry.name
end

--- The service knows the id by its other name.
---@param client sora.client
---@param id string
function M.keep(client, id)
  local entry = entry_of(client, id)
  if entry then entry.kept = true end
end

return M

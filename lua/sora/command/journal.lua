--- The journal of a run: a file of events, one JSON object a line, by which the next run goes on
-- where this one was killed.
--
-- It is only ever appended to, an event in one write(2) (POSIX: O_APPEND), so that a kill leaves
-- whole lines, and two processes may hold the same file. It holds no key of a service, and no task,
-- in which there would be signed URLs; but what a task was created with, as it was given.

local sora = require "sora"
local exits = require "sora.command.exits"

local M = {}

local Journal = {}
Journal.__index = Journal

--- Calls fn with each event, the oldest first. A line that is no JSON was cut off, by a full disk
-- for example, and is left out.
local function each(path, fn)
  local file, message = io.open(path, "r")
  if not file then exits.stop(exits.LASTING, "cannot read the journal: " .. message) end
  for line in file:lines() do
    local event = sora.decode(line)
    if type(event) == "table" then fn(event) end
  end
  file:close()
end

--- Whether the file ends in the middle of a line.
local function is_cut(path)
  local file = io.open(path, "rb")
  local size = file and file:seek "end" or 0
  local last = size > 0 and file:seek("set", size - 1) and file:read(1)
  if file then file:close() end
  return last and last ~= "\n"
end

--- Opens a journal, or makes one.
---@param path string
---@return table journal
function M.open(path)
  local file, message = io.open(path, "a")
  if not file then exits.stop(exits.LASTING, "cannot write the journal: " .. message) end
  local journal = setmetatable({ path = path, file = file, ended = {} }, Journal)
  if is_cut(path) then journal:put "\n" end
  each(path, function(event)
    if event.event == "result" or event.event == "error" then journal.ended[event.id] = event end
  end)
  return journal
end

--- Appends a text in one write(2): the buffer is larger than it.
function Journal:put(text)
  self.file:setvbuf("full", #text + 1)
  local ok, message = self.file:write(text)
  if ok then ok, message = self.file:flush() end
  if not ok then exits.stop(exits.LASTING, "cannot write the journal: " .. tostring(message)) end
end

--- Notes an event.
---@param event table
function Journal:note(event)
  local kept = {}
  for name, value in pairs(event) do
    if name ~= "task" then kept[name] = value end
  end
  self:put(assert(sora.encode(kept)) .. "\n")
end

--- What a former run has noted as the end of a task.
---@param id string
---@return table? event
function Journal:ending(id) return self.ended[id] end

--- The first create of this body at this service that has made a task, or may have: the oldest
-- `begin` without an `unmade` of the same key.
---@param body string
---@param service string
---@return table? event  the `begin`, with `id` where `made` follows
function Journal:create(body, service)
  local begun, order = {}, {}
  each(self.path, function(event)
    if event.event == "begin" and event.body == body and event.service == service then
      begun[event.key] = event
      order[#order + 1] = event.key
    elseif event.event == "made" and begun[event.key] then
      begun[event.key].id = event.id
    elseif event.event == "unmade" then
      begun[event.key] = nil
    end
  end)
  for _, key in ipairs(order) do
    if begun[key] then return begun[key] end
  end
end

return M

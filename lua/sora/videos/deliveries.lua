--- The downloads of `wait_all`: the videos of tasks that have succeeded, a few at a time, in the
-- loop that waits for the others.

local core = require "sora.core"
local downloads = require "sora.videos.download"
local inboxes = require "sora.hosts.inbox"

local M = {}

---@class sora.deliveries
---@field place string|fun(id: string, task: table): string?
---@field limit integer  of downloads at once
---@field spec table  what their transfers have in common: inbox, opts, retries, deadline
---@field tell fun(id: string, task: table?, err: sora.error?, path: string?)  told of each end
---@field queue table[]  those that have not begun: id, task; from `head` to `tail`
---@field active integer
---@field resting userdata  heap of those that sleep
---@field taken table<string, boolean>  paths of this call that a task has already
local Deliveries = {}
Deliveries.__index = Deliveries

---@return sora.deliveries
function M.new(place, limit, spec, tell)
  return setmetatable({
    place = place, limit = limit, spec = spec, tell = tell, queue = {}, head = 1, tail = 0,
    active = 0, resting = core.heap(), taken = {},
  }, Deliveries)
end

--- The name of a task's file in a folder: no two ids have the same, and none leaves the folder.
---@param id string
---@return string
function M.name(id)
  return (id:gsub("[^A-Za-z0-9._-]", function(byte) return ("%%%02X"):format(byte:byte()) end))
    .. ".mp4"
end

--- The path for a task, and whether its ending may follow what kind of video it is; nil: none is
-- wanted.
function Deliveries:path_of(id, task)
  local place = self.place
  if type(place) == "string" then
    return (place:find "/$" and place or place .. "/") .. M.name(id), true
  end
  local path = place(id, task)
  if not path then return nil end
  if type(path) ~= "string" or path == "" or path:find "%z" then
    error("option 'download' must return the path of a file, or nil", 0)
  end
  return path, false
end

--- Takes in a task that has succeeded.
function Deliveries:add(id, task)
  self.tail = self.tail + 1
  self.queue[self.tail] = { id, task }
end

function Deliveries:finish(delivery, err, path)
  self.active = self.active - 1
  delivery:close(err)
  if err then err.step = "download" end
  self.tell(delivery.transfer.id, not err and delivery.transfer.task or nil, err, path)
end

--- Goes on with what is due.
function Deliveries:advance(delivery, now)
  local action, value = delivery:due(now)
  local why = action ~= "done" and action ~= "error" and inboxes.stopped(self.spec.inbox)
  if why then action, value = "error", delivery:cancelled(why) end
  if action == "done" then
    self:finish(delivery, nil, delivery.path)
  elseif action == "error" then
    self:finish(delivery, value)
  elseif action == "sleep" then
    self.resting:push(now + value, delivery)
  else
    delivery:start(now, action, value, delivery)
  end
end

function Deliveries:refuse(id, task, message)
  local err = core.error { kind = "io", message = message, id = id, task = task }
  err.step = "download"
  self.tell(id, nil, err)
end

function Deliveries:begin(id, task)
  local path, any_kind = self:path_of(id, task)
  local now = self.spec.inbox.driver.now()
  if not path then return self.tell(id, task) end
  if self.taken[path] then return self:refuse(id, task, path .. ": is another task's") end
  self.taken[path] = true
  local spec = downloads.describe(task, now)
  for name, value in pairs(self.spec) do spec[name] = value end
  spec.id, spec.path, spec.any_kind, spec.beside = id, path, any_kind, true
  local delivery, err = downloads.open(spec)
  if not delivery then
    err.step = "download"
    return self.tell(id, nil, err)
  end
  self.active = self.active + 1
  self:advance(delivery, now)
end

--- Begins what may begin, and goes on with what has slept long enough. Each of them may call back,
-- and that may take any time: the clock is looked at for each.
function Deliveries:fill()
  local now = self.spec.inbox.driver.now
  local delivery = self.resting:pop(now())
  while delivery do
    self:advance(delivery, now())
    delivery = self.resting:pop(now())
  end
  while self.active < self.limit and self.head <= self.tail
    and not inboxes.stopped(self.spec.inbox) do
    local entry = self.queue[self.head]
    self.queue[self.head] = nil
    self.head = self.head + 1
    self:begin(entry[1], entry[2])
  end
end

--- Takes a request that has ended.
function Deliveries:take(delivery, request, now)
  delivery:take(now, request)
  self:advance(delivery, now)
end

--- When the next of them wants to go on.
---@return number?
function Deliveries:next_at() return self.resting:first() end

function Deliveries:is_over() return self.active == 0 and self.head > self.tail end

--- Ends those that have nothing in flight, when the whole call is to end.
function Deliveries:stop(why)
  local delivery = self.resting:pop()
  while delivery do
    self:finish(delivery, delivery:cancelled(why))
    delivery = self.resting:pop()
  end
  while self.head <= self.tail do
    local id, task = self.queue[self.head][1], self.queue[self.head][2]
    self.queue[self.head] = nil
    self.head = self.head + 1
    local err = core.error { kind = "cancelled", message = why, id = id, task = task }
    err.step = "download"
    self.tell(id, nil, err)
  end
end

return M

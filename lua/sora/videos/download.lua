--- The finished video, from its URL to a file.
--
-- The rules are transfer.lua's; the file is a part in C (core.part), and no byte of it passes
-- through Lua. Here they meet a driver.

local core = require "sora.core"
local inboxes = require "sora.hosts.inbox"
local quotes = require "sora.videos.quote"
local task = require "sora.answers.task"
local transfers = require "sora.videos.transfer"

local M = {}

local REPORT = 0.1                            -- seconds between two calls of on_progress
local FIRST_LOOK, LONGEST_LOOK = 0.002, 0.1   -- seconds between two looks at a disk that is slow

---@class sora.delivery  a transfer, its part, and the call that it belongs to
---@field transfer sora.transfer
---@field part userdata
---@field inbox sora.inbox
---@field opts table  of its requests
---@field beside boolean  whether a disk is waited for on a thread
---@field any_kind boolean?  ".mp4" at the end of the path becomes what the video is
---@field path string?  of the file, once it is there
local Delivery = {}
Delivery.__index = Delivery

--- Opens the part.
---@param spec table  of transfers.new, but for error and backoff; and: path, inbox, opts, beside,
---   any_kind
---@return sora.delivery?
---@return sora.error? err
function M.open(spec)
  local client = spec.inbox.client
  local self = setmetatable({
    inbox = spec.inbox, opts = spec.opts, beside = spec.beside, any_kind = spec.any_kind,
    look = FIRST_LOOK,
  }, Delivery)
  spec.error = function(fields) return core.error(fields, client, spec.opts) end
  spec.backoff = core.backoff
  spec.content = spec.id and core.content_url(client, spec.id, spec.opts)
  self.transfer = transfers.new(spec)
  local part, message = core.part(client, spec.path, spec.opts)
  if not part then return nil, self.transfer:make_error("io", message) end
  self.part = part
  inboxes.hold(self.inbox, part)
  return self
end

--- Closes the part, if that has not got its name.
---@param err sora.error?  how it has ended
function Delivery:close(err)
  self.part:abandon(err ~= nil and (err.kind == "too_large" or err.lost == true))
  if err then err.lost = nil end
  inboxes.release(self.inbox, self.part)
end

--- Seconds left for a request.
function Delivery:remaining(now)
  local deadline = self.transfer.deadline
  return deadline and math.max(1e-3, deadline - now) or nil
end

--- Starts what is due where that is a request. Returns true then.
---@param action string
---@param value any
---@return boolean
function Delivery:start(now, action, value, note)
  local transfer = self.transfer
  self.asks = action == "look_up"
  self.opts.timeout = self:remaining(now)
  if self.asks then
    inboxes.ask(self.inbox, transfer.id, self.opts, note)
  elseif action == "fetch" then
    transfer:began()
    inboxes.add(self.inbox, core.fetch(self.inbox.client, {
      id = transfer.id, url = value, video = transfer.url, part = self.part,
    }, self.opts, self.inbox), note)
  end
  return self.asks or action == "fetch"
end

--- Puts a video that its URL has held into the part.
function Delivery:put(bytes)
  local _, message, too_large = self.part:put(bytes)
  self.transfer:has_put(message, too_large)
end

--- Takes the request that was started, which has ended.
function Delivery:take(now, request)
  local transfer = self.transfer
  local result, err = request:result()
  if self.asks then
    transfer:looked_up(now, result, err)
    return inboxes.tell(self.inbox, request, err, transfer:next_in(now))
  end
  local bytes = self.part:progress()
  transfer:fetched(now, result, err and quotes.of(err), bytes, self.part:is_whole())
  inboxes.tell(self.inbox, request, err, transfer:next_in(now), transfer.attempts)
end

--- Gives the part, which is whole, its name.
---@return string action  "done", "error", or "sleep" while a disk takes its time
---@return any value
function Delivery:keep()
  local bytes = self.part:progress()
  local flushed, message = self.part:flush(self.beside)
  if flushed == false then
    local seconds = self.look
    self.look = math.min(LONGEST_LOOK, seconds * 2)
    return "sleep", seconds
  end
  local lost = not flushed
  if flushed then self.path, message = self.part:commit(self.beside, self.any_kind) end
  if self.path then return "done", bytes end
  local err = self.transfer:make_error("io", message)
  err.lost = lost -- what was written can't be relied on
  return "error", err
end

--- What is due: one of start's, or "sleep", "done", "error".
function Delivery:due(now)
  local action, value = self.transfer:due(now)
  if action == "put" then
    self:put(value)
    action, value = self.transfer:due(now)
  end
  if action == "keep" then return self:keep() end
  return action, value
end

function Delivery:cancelled(why) return self.transfer:make_error("cancelled", why) end

-- One download

local function report(delivery, on_progress)
  if not on_progress then return end
  local received, total = delivery.part:progress()
  if received ~= delivery.reported then
    delivery.reported = received
    on_progress(received, total)
  end
end

--- Waits for the request that was started.
local function await(delivery, on_progress)
  local inbox = delivery.inbox
  local request = inboxes.take(inbox)
  while not request do
    inbox.driver.park(inbox, on_progress and REPORT)
    if not delivery.asks then report(delivery, on_progress) end
    request = inboxes.take(inbox)
  end
  return request
end

---@return integer? bytes
---@return sora.error? err
local function follow(delivery, on_progress)
  local inbox = delivery.inbox
  local now = inbox.driver.now
  local action, value = delivery:due(now())
  while action ~= "done" and action ~= "error" do
    local why = inboxes.stopped(inbox)
    if why then
      action, value = "error", delivery:cancelled(why)
    else
      if action == "sleep" then
        inboxes.sleep(inbox, value)
      elseif delivery:start(now(), action, value) then
        local request = await(delivery, on_progress)
        delivery:take(now(), request)
        if not delivery.asks then report(delivery, on_progress) end
      end
      action, value = delivery:due(now())
    end
  end
  if action == "done" then
    delivery:close()
    return value
  end
  delivery:close(value)
  return nil, value
end

--- What a source says: the fields of a transfer.
---@param source table|string
---@param now number
---@return table
function M.describe(source, now)
  if type(source) == "string" then
    local url = task.video_url { video_url = source } -- trimmed, when it is one
    return { url = url, id = not url and source or nil }
  end
  local id = task.asked_id(source) -- the service may have given it: it need not be one
  return {
    task = source, url = task.video_url(source), seen = now,
    id = not core.id_fault(id) and id or nil,
  }
end

local function run(inbox, source, policy, opts, path)
  local now = inbox.driver.now()
  local spec = M.describe(source, now)
  spec.path, spec.inbox, spec.opts = path, inbox, opts
  spec.beside = core.driver(inbox.client) ~= nil -- a plain script waits for its disk
  spec.retries = opts.retries or core.retries(inbox.client)
  spec.deadline = policy.timeout and now + policy.timeout
  local delivery, err = M.open(spec)
  if not delivery then return nil, err end
  return follow(delivery, policy.on_progress)
end

--- client:download(source, path, opts), its arguments checked: `source` is a task, a URL or a
-- task's id.
---@return integer? bytes
---@return sora.error? err
function M.download(client, source, policy, given, path)
  local opts = {}
  for name, value in pairs(given or {}) do opts[name] = value end
  local inbox = inboxes.new(client, opts)
  return inboxes.guard(inbox, run, inbox, source, policy, opts, path)
end

return M

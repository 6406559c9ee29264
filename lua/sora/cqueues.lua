--- require "sora.cqueues": sora for programs on cqueues, lua-http among them. Whatever waits yields
-- to the controller that runs it; outside of every controller a call blocks, as lua-http's do.
--
-- A client is polled by the protocol of cqueues (pollfd, events, timeout). One coroutine, the pump,
-- does that for all who wait: one in each controller from which a client was asked, as long as the
-- client has something in flight. See inbox.lua for what a driver has to offer.

local condition = require "cqueues.condition"
local core = require "sora.core"
local cqueues = require "cqueues"
local host = require "sora.hosts.module"
local inboxes = require "sora.hosts.inbox"

local poll, running = cqueues.poll, cqueues.running

local PERIOD = 0.005 -- seconds between two looks at a client that has no descriptor to poll

---@type sora.driver
local M = { now = core.now }

-- controller -> client -> the condition that wakes its pump there
local pumped = setmetatable({}, { __mode = "k" })
local outside -- the controller of those who run in none

local function current()
  local controller = running()
  if controller then return controller end
  outside = outside or cqueues.new()
  return outside
end

--- Whether nothing is in flight, and every request that has ended was delivered (a cancelled one
-- may not have been).
local function is_idle(client) return client:in_flight() == 0 and client:timeout() ~= 0 end

--- Delivers what has ended. When nothing is left in flight, every pump is woken, and ends: the
-- descriptor has woken one of them at most.
local function look(client)
  inboxes.pump(client)
  if not is_idle(client) then return end
  for _, clients in pairs(pumped) do
    if clients[client] then clients[client]:signal() end
  end
end

local function pump(client, clients)
  while not is_idle(client) do
    poll(client, clients[client], not client:pollfd() and PERIOD or nil)
    look(client)
  end
  clients[client] = nil
end

function M.attach(client)
  local controller = current()
  local clients = pumped[controller] or {}
  pumped[controller] = clients
  if not clients[client] then
    clients[client] = condition.new()
    controller:wrap(pump, client, clients)
  end
  look(client) -- sends what was started
end

function M.wake(inbox)
  inbox.woken = true
  if inbox.condition then inbox.condition:signal() end
end

--- Waits outside of every controller.
local function block(inbox, seconds)
  local controller, deadline = current(), seconds and M.now() + seconds
  while not inbox.woken do
    local left = deadline and deadline - M.now()
    if left and left <= 0 then return end
    local ok, err = controller:step(left)
    if not ok then error(err, 0) end
  end
end

function M.park(inbox, seconds)
  if not running() then
    block(inbox, seconds)
  elseif not inbox.woken then
    inbox.condition = inbox.condition or condition.new()
    poll(inbox.condition, seconds)
  end
  inbox.woken = nil
end

function M.detach(client)
  for _, clients in pairs(pumped) do
    if clients[client] then
      return cqueues.cancel(client:pollfd() or -1) -- no controller may poll what is being closed
    end
  end
end

---@type sora.cqueues
local sora = host.module(M)

return sora

--- The driver of plain scripts, and the shortest: to wait blocks, and steps the client meanwhile.
-- See inbox.lua for what a driver has to offer.

local core = require "sora.core"
local inboxes = require "sora.hosts.inbox"

local PERIOD = 0.005 -- seconds between two looks at what has no descriptor to poll

-- The table is module.lua's: its functions load this file when one is called for the first time,
-- and those below take their place.
---@type sora.driver
local M = require("sora.hosts.module").plain

--- What is no client and has something in flight: it is stepped by whoever waits for anything.
local others = setmetatable({}, { __mode = "k" })
local alone = true -- nothing is in `others`

function M.attach(attached) -- a client is stepped by whoever waits for it
  if attached.finished then others[attached], alone = true, false end
end

function M.wake(inbox) inbox.woken = true end

local function is_idle(attached)
  return attached:closed() or attached:in_flight() == 0 and attached:timeout() ~= 0
end

--- Waits for all of them at once, and steps them.
---@param client sora.attached  of whoever waits
---@param seconds number?
local function wait_for_all(client, seconds)
  local busy, fds = { client }, {}
  for other in pairs(others) do
    if other ~= client then busy[#busy + 1] = other end
  end
  for _, attached in ipairs(busy) do
    local idle = is_idle(attached)
    local fd = not idle and attached:pollfd()
    local due = not idle and (attached:timeout() or not fd and PERIOD)
    if due and not fd then due = math.min(due, PERIOD) end
    if due and due < (seconds or math.huge) then seconds = due end
    if fd then fds[#fds + 1] = fd end
    if idle then others[attached] = nil end
  end
  core.poll(fds, seconds)
  for _, attached in ipairs(busy) do inboxes.pump(attached) end
end

function M.park(inbox, seconds)
  local deadline = seconds and M.now() + seconds
  while not inbox.woken do
    local left = deadline and deadline - M.now()
    if left and left <= 0 then return end
    if not alone or inbox.client.finished then
      wait_for_all(inbox.client, left)
      alone = next(others) == nil
    else
      core.step(inbox.client, left)
      inboxes.deliver(inbox.client)
    end
  end
  inbox.woken = nil
end

return M

--- The driver of plain scripts, and the shortest: to wait blocks, and steps the client meanwhile.
-- See inbox.lua for what a driver has to offer.

local core = require "sora.core"
local inboxes = require "sora.hosts.inbox"

---@type sora.driver
local M = { now = core.now }

function M.attach() end -- it is stepped by whoever waits

function M.wake(inbox) inbox.woken = true end

function M.park(inbox, seconds)
  local deadline = seconds and M.now() + seconds
  while not inbox.woken do
    local left = deadline and deadline - M.now()
    if left and left <= 0 then return end
    core.step(inbox.client, left)
    inboxes.deliver(inbox.client)
  end
  inbox.woken = nil
end

return M

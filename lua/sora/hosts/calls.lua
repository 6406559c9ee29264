--- What is done to the calls of a client from outside: ended, all of them; woken, those that wait
-- for one task.

local core = require "sora.core"
local inboxes = require "sora.hosts.inbox"

local M = {}

--- Wakes whoever sleeps; `known` is nil where the client had no call yet.
---@param known sora.calls?
local function wake_sleeping(known)
  for inbox in pairs(known and known.sleeping or {}) do inbox.driver.wake(inbox) end
end

--- client:cancel(). What is in flight has ended as cancelled, and the host finds that as it finds
-- every end.
---@param client sora.client
function M.cancel(client)
  local known = core.shared(client).calls
  if known then known.cancels = known.cancels + 1 end
  core.cancel(client)
  wake_sleeping(known)
end

--- client:close(). The driver lets go of the descriptor before it goes; whoever waits is told.
---@param client sora.client
---@param driver sora.driver?
function M.close(client, driver)
  if driver and driver.detach and not client:closed() then driver.detach(client) end
  core.close(client)
  wake_sleeping(core.shared(client).calls)
  inboxes.deliver(client)
end

--- From now on a wait can be woken by the ids of its tasks, until it is over or is cancelled.
---@param inbox sora.inbox
---@param waiter sora.waiter
function M.enter(inbox, waiter) inbox.calls.waits[inbox] = waiter end

---@param inbox sora.inbox
function M.leave(inbox) inbox.calls.waits[inbox] = nil end

--- client:wake(id): whatever sleeps on that task asks at once.
---@param client sora.client
---@param id string
---@return boolean woken
function M.wake(client, id)
  local known, woken = core.shared(client).calls, false
  for inbox, waiter in pairs(known and known.waits or {}) do
    if waiter:advance(id, inbox.driver.now()) then
      woken = true
      inbox.driver.wake(inbox)
    end
  end
  return woken
end

return M

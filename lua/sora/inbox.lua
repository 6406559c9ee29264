--- Inboxes: where a flow of control waits for the requests that it has started.
--
-- An inbox is a table with the requests in flight (`pending`, request -> whatever the owner wants
-- to remember with it), the ended ones in the order of their ending (`ended`, from `head` to
-- `tail`) and, while its owner is parked, whatever its driver keeps there. Each driver delivers
-- into inboxes and parks on them; what is here is the same for all.

local M = {}

---@class sora.inbox
---@field pending table<userdata, any>
---@field ended userdata[]
---@field head integer
---@field tail integer

---@param inbox table?  a table that is to become one
---@return sora.inbox
function M.new(inbox)
  inbox = inbox or {}
  inbox.pending, inbox.ended, inbox.head, inbox.tail = {}, {}, 1, 0
  return inbox
end

--- Starts a query whose end is delivered to the inbox.
---@param driver sora.driver
---@param inbox sora.inbox
---@param client sora.client
---@param id string
---@param opts table?  options of a request
---@param note any  remembered with the request; true by default
---@return userdata request
function M.query(driver, inbox, client, id, opts, note)
  local request = client:request(id, opts, inbox)
  inbox.pending[request] = note or true
  driver.attach(client)
  return request
end

--- The next request that has ended, taken out, and what was remembered with it; nil when there is
-- none.
---@param inbox sora.inbox
---@return userdata? request
---@return any note
function M.take(inbox)
  local head = inbox.head
  local request = inbox.ended[head]
  if not request then return nil end
  inbox.ended[head] = nil
  if head == inbox.tail then
    inbox.head, inbox.tail = 1, 0
  else
    inbox.head = head + 1
  end
  local note = inbox.pending[request]
  inbox.pending[request] = nil
  return request, note
end

--- Waits for the one request that is in flight.
---@param driver sora.driver
---@param inbox sora.inbox
---@return any? task
---@return sora.error? err
function M.result(driver, inbox)
  local request = M.take(inbox)
  while not request do
    driver.park(inbox)
    request = M.take(inbox)
  end
  return request:result()
end

--- For drivers: puts a request that has ended into its owner's inbox, and wakes the owner.
---@param driver sora.driver
---@param inbox sora.inbox
---@param request userdata
function M.deliver(driver, inbox, request)
  inbox.tail = inbox.tail + 1
  inbox.ended[inbox.tail] = request
  driver.wake(inbox)
end

--- For drivers: steps a client and delivers all that has ended.
---@param driver sora.driver
---@param client sora.client
function M.pump(driver, client)
  if not client:closed() then client:step() end
  for request, owner in client.finished, client do
    if owner then M.deliver(driver, owner, request) end
  end
end

--- Cancels what is in flight. Nothing of it will be delivered to anyone who waits.
---@param inbox sora.inbox
function M.cancel(inbox)
  for request in pairs(inbox.pending) do request:cancel() end
  inbox.pending = {}
end

return M

--- Inboxes: where a flow of control waits for the requests that it has started.
--
-- An inbox is a table with the requests in flight (`pending`, request -> whatever the owner wants
-- to remember with it), the ended ones in the order of their ending (`ended`, from `head` to
-- `tail`) and, while its owner is parked, whatever its driver keeps there. Each driver delivers
-- into inboxes and parks on them; what is here is the same for all.

local M = {}

local running = coroutine.running

---@class sora.inbox
---@field pending table<userdata, any>
---@field ended userdata[]
---@field head integer
---@field tail integer
---@field cancelled boolean?  the driver was told to end the call that waits here

--- What every host brings: how one waits there, in the flow of control that calls. docs/drivers.md
-- has a whole one.
---@class sora.driver
---@field now fun(): number  monotonic seconds
---@field park fun(inbox: sora.inbox, seconds: number?)  waits until the inbox is woken or the
---   time is over
---@field wake fun(inbox: sora.inbox)  also before its owner parks: that returns at once then
---@field attach fun(client: sora.client)  sees to it that the client is stepped while it has
---   requests

---@param inbox table?  a table that is to become one
---@return sora.inbox
function M.new(inbox)
  inbox = inbox or {}
  inbox.pending, inbox.ended, inbox.head, inbox.tail = {}, {}, 1, 0
  return inbox
end

--- Takes in a request that has been started with the inbox as its owner.
---@param driver sora.driver
---@param inbox sora.inbox
---@param client sora.client
---@param request userdata
---@param note any  remembered with the request; true by default
function M.add(driver, inbox, client, request, note)
  inbox.pending[request] = note or true
  driver.attach(client)
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

--- One query: starts it and waits for its end. Nothing else is in flight for this inbox.
---@param driver sora.driver
---@param inbox sora.inbox
---@param client sora.client
---@param id string
---@param opts table?  options of a request
---@return any? task
---@return sora.error? err
function M.query(driver, inbox, client, id, opts)
  M.add(driver, inbox, client, client:request(id, opts, inbox))
  local request = M.take(inbox)
  while not request do
    driver.park(inbox)
    request = M.take(inbox)
  end
  return request:result()
end

-- The end of a client, and of a call

local sleepers = setmetatable({}, { __mode = "k" }) -- client -> set of inboxes: inbox -> driver

local function sleepers_of(client)
  local set = sleepers[client]
  if not set then
    set = setmetatable({}, { __mode = "k" })
    sleepers[client] = set
    client:on_close(function()
      for inbox, driver in pairs(set) do driver.wake(inbox) end
    end)
  end
  return set
end

--- Waits until something is delivered, the time is over or the client is closed.
---@param driver sora.driver
---@param inbox sora.inbox
---@param client sora.client
---@param seconds number?  nil: no limit
function M.sleep(driver, inbox, client, seconds)
  local set = sleepers_of(client)
  set[inbox] = driver
  driver.park(inbox, seconds)
  set[inbox] = nil
end

--- Why a call that waits for the inbox must not go on, or nil.
---@param inbox sora.inbox
---@param client sora.client
---@return string?
function M.stopped(inbox, client)
  if inbox.cancelled then return "cancelled by the caller" end
  return client:closed() and "the client was closed" or nil
end

--- Cancels what is in flight. Nothing of it will be delivered to anyone who waits.
---@param inbox sora.inbox
function M.cancel(inbox)
  local pending = inbox.pending -- emptied in its place: memory may be what is short
  for request in pairs(pending) do
    request:cancel()
    pending[request] = nil
  end
end

--- Not in Lua 5.1; in LuaJIT a coroutine may yield inside pcall. (Trying it out would not do: in
-- nginx a module that is being loaded may not resume a coroutine.)
local yields_in_pcall = jit ~= nil or _VERSION ~= "Lua 5.1"

--- Where it may not: coroutine -> the inboxes of the calls that it is in. An error that passes
-- through such a call cannot be caught inside the coroutine, and ends it.
local guarded = setmetatable({}, { __mode = "k" })

local function leave(inboxes, ...)
  inboxes[#inboxes] = nil
  return ...
end

local function settle(inbox, ok, ...)
  if ok then return ... end
  M.cancel(inbox)
  error((...), 0)
end

--- Returns what fn(...) returns. When it raises (a callback's error, or Ctrl-C), what the inbox has
-- in flight is cancelled.
---@param inbox sora.inbox
---@param fn function
function M.guard(inbox, fn, ...)
  local co = not yields_in_pcall and running()
  if not co then return settle(inbox, pcall(fn, ...)) end
  local inboxes = guarded[co] or {}
  guarded[co] = inboxes
  inboxes[#inboxes + 1] = inbox
  return leave(inboxes, fn(...))
end

-- For drivers

--- Cancels what a coroutine left in flight that has ended with an error or was given up.
---@param co thread
function M.abandon(co)
  local inboxes = guarded[co]
  if not inboxes then return end
  for i = 1, #inboxes do M.cancel(inboxes[i]) end
  guarded[co] = nil -- Lua 5.1 would keep for ever what refers to its own key, as an inbox does
end

--- Puts a request that has ended into its owner's inbox, and wakes the owner.
---@param driver sora.driver
---@param inbox sora.inbox
---@param request userdata
function M.deliver(driver, inbox, request)
  inbox.ended[inbox.tail + 1] = request -- first: memory may run out here
  inbox.tail = inbox.tail + 1
  driver.wake(inbox)
end

--- Steps a client and delivers all that has ended.
---@param driver sora.driver
---@param client sora.client
function M.pump(driver, client)
  if not client:closed() then client:step() end
  for request, owner in client.finished, client do
    -- where the query in C could not yield (Lua 5.1, inside pcall), its owner is no inbox yet
    if owner and owner.ended then M.deliver(driver, owner, request) end
  end
end

return M

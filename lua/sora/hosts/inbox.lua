--- Inboxes: where a flow of control waits for the requests that it has started.
--
-- An inbox belongs to one call on one client. It is a table with the requests in flight (`pending`,
-- request -> whatever the owner wants to remember with it), the ended ones in the order of their
-- ending (those of `taken` from `at` on, then `ended`), those that go on and of which an attempt is
-- to be told (`attempted`), and, while its owner is parked, whatever its driver keeps there. Each
-- driver delivers into inboxes and parks on them; what is here is the same for all.
-- Longer than other files by the annotations of what a driver is.

local core = require "sora.core"
local guards = require "sora.hosts.guard"
local plain = require("sora.hosts.module").plain

local M = {}

local insert = table.insert

---@class sora.inbox
---@field client sora.attached
---@field driver sora.driver
---@field pending table<userdata, any>
---@field ended userdata[]
---@field taken userdata[]  a list that was `ended`, from `at` on
---@field at integer
---@field observed boolean?  somebody is told of each attempt
---@field attempted userdata[]?
---@field calls sora.calls  what it shares with the other inboxes of its client
---@field cancels integer  how often the client's calls had been cancelled when this one began
---@field parts table<userdata, boolean>?  the parts of downloads that are open
---@field cancelled boolean?  the driver was told to end the call that waits here

--- What every host brings: how one waits there, in the flow of control that calls. docs/drivers.md
-- has a whole one.
---@class sora.driver
---@field now fun(): number  monotonic seconds
---@field park fun(inbox: sora.inbox, seconds: number?)  waits until the inbox is woken or the
---   time is over
---@field wake fun(inbox: sora.inbox)  also before its owner parks: that returns at once then
---@field attach fun(client: sora.attached)  sees to it that the client is stepped while it has
---   requests
---@field detach (fun(client: sora.attached))?  the client is about to be closed, and its descriptor
---   with it

--- What drivers look after: a client, or what has the same methods, as a fleet's line to Redis
-- (sora/fleet/line.lua). `finished` is core.finished for a client.
---@class sora.attached
---@field pollfd fun(self): integer?  readable when `step` has something to do; nil: there is none
---@field events fun(self): string  "r"
---@field timeout fun(self): number?  seconds until it has something to do all the same
---@field step fun(self)  does what is due, and never waits
---@field in_flight fun(self): integer
---@field closed fun(self): boolean
---@field finished (fun(self): userdata|table?, sora.inbox?)?  what has ended, one after the other

--- The calls of one client. What ends or wakes them is in hosts/calls.lua.
---@class sora.calls
---@field cancels integer  how often all of them were cancelled
---@field sleeping table<sora.inbox, boolean>
---@field waits table<sora.inbox, sora.waiter>  those that wait for tasks

--- What waits for tasks: one (a poller) or many (a round).
---@class sora.waiter
---@field advance fun(self, id: string, now: number): boolean  has that task asked for at once,
---   where the wait sleeps on it; whether it does

local WEAK = { __mode = "k" }
local WEAK_BOTH = { __mode = "kv" } -- a waiter may know its inbox: Lua 5.1 would keep both

---@return sora.calls
function M.new_calls()
  return {
    cancels = 0, sleeping = setmetatable({}, WEAK), waits = setmetatable({}, WEAK_BOTH),
  }
end

local function calls(client)
  local shared = core.shared(client)
  shared.calls = shared.calls or M.new_calls()
  return shared.calls
end

---@param client sora.client
---@param opts table?  of its requests
---@return sora.inbox
function M.new(client, opts)
  local inbox = M.of(client, core.driver(client) or plain, calls(client))
  inbox.observed = core.shared(client).observed or opts and opts.on_attempt ~= nil
  return inbox
end

--- An inbox of something else that drivers look after.
---@param attached sora.attached
---@param driver sora.driver
---@param shared sora.calls
---@return sora.inbox
function M.of(attached, driver, shared)
  return {
    client = attached, driver = driver,
    pending = {}, ended = {}, taken = {}, at = 1, calls = shared, cancels = shared.cancels,
  }
end

--- Takes in a request that has been started with the inbox as its owner.
---@param inbox sora.inbox
---@param request userdata
---@param note any  remembered with the request; true by default
function M.add(inbox, request, note)
  inbox.pending[request] = note or true
  inbox.driver.attach(inbox.client)
end

--- Starts a query.
---@param inbox sora.inbox
---@param id string
---@param opts table?  options of a request
---@param note any  remembered with the request; true by default
---@param deadline number?  by core.now, in place of the option `timeout`: however late the request
---   is begun, or its connection stands, nothing is sent after it
function M.ask(inbox, id, opts, note, deadline)
  M.add(inbox, core.request(inbox.client, id, opts, inbox, deadline), note)
end

--- The same with a request that was taken, in the place of a new one where that can be: the making
-- of its request is most of what a query costs before it is sent.
---@param inbox sora.inbox  whose request it was
---@param request userdata?  made with the same options; nil: there is none yet
---@param id string
---@param opts table  options of a request, with a timeout unless there is a deadline
---@param note any
---@param deadline number?
function M.ask_again(inbox, request, id, opts, note, deadline)
  if not request or not core.again(request, id, opts.timeout, deadline) then
    return M.ask(inbox, id, opts, note, deadline)
  end
  M.add(inbox, request, note)
end

--- Has on_attempt told, where somebody asked for that, of the attempts of a request that are over;
-- with `ended` of its last one, too. Called in the flow of control that the request belongs to: the
-- function may do whatever a callback may.
local function tell_attempts(request, ended, err, next_in, number)
  local tell, info = core.attempt(request, ended, err)
  while tell do
    if not info.next_in then info.next_in, info.attempt = next_in, number or info.attempt end
    tell(info)
    tell, info = core.attempt(request, ended, err)
  end
end

--- What became of a request that was taken, for on_attempt: its owner knows what follows on it.
---@param inbox sora.inbox
---@param request userdata
---@param err sora.error?  that it has ended with
---@param next_in number?  seconds until the same is asked again; nil: it is not
---@param number integer?  of the attempt, where the owner counts them
function M.tell(inbox, request, err, next_in, number)
  if inbox.observed then tell_attempts(request, true, err, next_in, number) end
end

--- The next request that has ended, taken out, and what was remembered with it; nil when there is
-- none. Who takes it says what became of it: M.tell.
---@param inbox sora.inbox
---@return userdata? request
---@return any note
function M.take(inbox)
  while inbox.attempted do
    local attempted = table.remove(inbox.attempted, 1)
    if not inbox.attempted[1] then inbox.attempted = nil end
    tell_attempts(attempted)
  end
  local list, at = inbox.taken, inbox.at
  local request = list[at]
  if not request then
    list, at = inbox.ended, 1
    request = list[at]
    if not request then return nil end
    inbox.taken, inbox.ended = list, inbox.taken
  end
  list[at] = nil
  inbox.at = at + 1
  local pending = inbox.pending
  local note = pending[request]
  pending[request] = nil
  return request, note
end

--- Waits for the end of the one request that is in flight for this inbox.
---@param inbox sora.inbox
---@return userdata request
function M.await(inbox)
  local request
  repeat
    inbox.driver.park(inbox)
    request = M.take(inbox)
  until request
  return request
end

--- The same of what has no attempts: what it ended with.
---@param inbox sora.inbox
---@return any ...
function M.result(inbox) return M.await(inbox):result() end

--- Waits until something is delivered, the time is over, or the call is to end: see M.stopped.
---@param inbox sora.inbox
---@param seconds number?  nil: no limit
function M.sleep(inbox, seconds)
  local sleeping = inbox.calls.sleeping
  sleeping[inbox] = true
  inbox.driver.park(inbox, seconds)
  sleeping[inbox] = nil
end

--- Why a call that waits for the inbox must not go on, or nil.
---@param inbox sora.inbox
---@return string?
function M.stopped(inbox)
  if inbox.cancelled or inbox.cancels ~= inbox.calls.cancels then
    return "cancelled by the caller"
  end
  return inbox.client:closed() and "the client was closed" or nil
end

--- Takes in the part of a download: a call that does not come to its end closes it.
---@param inbox sora.inbox
---@param part userdata
function M.hold(inbox, part)
  inbox.parts = inbox.parts or {}
  inbox.parts[part] = true
end

---@param inbox sora.inbox
---@param part userdata
function M.release(inbox, part) inbox.parts[part] = nil end

--- Cancels what is in flight, and closes what is open. Nothing of it will be delivered to anyone
-- who waits.
---@param inbox sora.inbox
function M.cancel(inbox)
  inbox.calls.waits[inbox] = nil
  local pending = inbox.pending -- emptied in its place: memory may be what is short
  for request in pairs(pending) do
    request:cancel()
    pending[request] = nil
  end
  local parts = inbox.parts
  if not parts then return end
  for part in pairs(parts) do
    part:abandon()
    parts[part] = nil
  end
end

--- Returns what fn(...) returns. When it raises (a callback's error, or Ctrl-C), what the inbox has
-- in flight is cancelled.
---@param inbox sora.inbox
---@param fn function
function M.guard(inbox, fn, ...) return M.guard_by(M.cancel, inbox, fn, ...) end

--- The same, but what is called when fn raises is `release`: it has to cancel what is in flight,
-- and may wait. In a coroutine of Lua 5.1, where an error cannot be caught, M.cancel is called all
-- the same.
---@param release fun(inbox: sora.inbox)
---@param inbox sora.inbox
---@param fn function
function M.guard_by(release, inbox, fn, ...)
  return guards.run(inbox, inbox.driver == plain, release, fn, ...)
end

-- For drivers

--- Cancels what a coroutine left in flight that has ended with an error or was given up.
---@param co thread
function M.abandon(co) guards.abandon(co, M.cancel) end

--- Puts a request that has ended, or (`goes_on`) has something to tell, into its owner's inbox, and
-- wakes the owner.
---@param inbox sora.inbox
---@param request userdata
---@param goes_on boolean?
function M.put(inbox, request, goes_on)
  local list = inbox.ended
  if goes_on then
    list = inbox.attempted or {}
    inbox.attempted = list
  end
  insert(list, request) -- at one go: a debug hook may put another one in between two steps
  inbox.driver.wake(inbox)
end

--- The next request that has ended, told once, and its owner; nil: none.
---@param client sora.attached
function M.finished(client) return (client.finished or core.finished)(client) end

--- Delivers all that has ended. What was started with another owner than an inbox is dropped.
---@param client sora.attached
function M.deliver(client)
  for request, owner, goes_on in client.finished or core.finished, client do
    if owner and owner.ended then M.put(owner, request, goes_on) end
  end
end

--- Steps a client, as far as it goes without waiting, and delivers all that has ended.
---@param client sora.attached
function M.pump(client)
  if not client:closed() then client:step() end
  M.deliver(client)
end

return M

--- require "sora.luv": sora in Neovim, and in programs on luv. Nothing here blocks the loop.
--
-- Inside a coroutine a call yields it, and the loop resumes it. With a function as the last
-- argument a call returns at once, a handle with `:cancel()`, and the function is told later:
-- callback(err, task), of download callback(err, bytes), of query_all and wait_all
-- callback(err, tasks, errs), where `err` is only what a callback of the caller's raised.
--
-- Resumed coroutines and callbacks run from vim.schedule in Neovim, so that they may use its API.
-- A client is watched only while it has something in flight: libuv aborts the process when a
-- descriptor that it watches is closed, and a watched one keeps the loop from ending.
--
-- It is longer than the driver for cqueues because libuv has no coroutines: who waits is parked and
-- resumed here, an error that nobody can catch is reported here, and callbacks come on top. What is
-- needed of the loop is in hosts/luv_loop.lua. See inbox.lua for what a driver has to offer.

local core = require "sora.core"
local host = require "sora.hosts.module"
local inboxes = require "sora.hosts.inbox"
local loop = require "sora.hosts.luv_loop"

local nvim = rawget(_G, "vim")
local running, yield = coroutine.running, coroutine.yield
local unpack = table.unpack or unpack

local SLICE = 0.002 -- seconds for which coroutines are resumed before the loop has its turn again

---@type sora.driver
local M = { now = core.now }

local watches = {} -- client -> the handle by which the loop looks after it
local parked = {}  -- inbox -> the coroutine that waits: nothing else may hold it
local handles = setmetatable({}, { __mode = "k" }) -- coroutine -> its sora.handle
local ready = { head = 1, tail = 0 } -- inboxes whose owners are to be resumed
local kicked = false -- they will be, in the loop's next turn
local fresh = {}   -- set of the clients that were given something to do, which is sent then

--- What a call with a callback, or `spawn`, returns.
---@class sora.handle
---@field inbox sora.inbox?  that it is parked on
---@field callback function?  that is to be told yet
---@field cancelled boolean?
local Handle = {}
Handle.__index = Handle

--- Reports an error that nobody can catch. In Neovim as that of any callback; a program on luv may
-- put its own function here (luv itself would end the process).
---@param message string  with a traceback
function M.report(message)
  if nvim then
    nvim.schedule(function() error(message, 0) end)
  else
    io.stderr:write("Uncaught Error: ", message, "\n")
  end
end

-- Turns of the loop

local run_soon, look

local function turn()
  if kicked then run_soon() end
  for client in pairs(fresh) do
    fresh[client] = nil
    look(client)
  end
end

--- Whether nothing is in flight, and every request that has ended was delivered (a cancelled one
-- may not have been).
local function is_idle(client) return client:in_flight() == 0 and client:timeout() ~= 0 end

function M.detach(client)
  loop.discard(watches[client])
  watches[client], fresh[client] = nil, nil
end

-- Coroutines

local function bind(fn, ...)
  local arguments, count = { ... }, select("#", ...)
  return function() return fn(unpack(arguments, 1, count)) end
end

--- Sees to it that the ready are resumed: in the loop's next turn, so that its timers are not late.
local function kick()
  if kicked then return end
  kicked = true
  loop.turn(turn)
end

local function make_ready(inbox)
  ready.tail = ready.tail + 1
  ready[ready.tail] = inbox
  kick()
end

--- Makes a coroutine that is resumed like one that was parked.
---@return sora.handle handle
---@return table inbox
local function create(fn, callback)
  local co, handle = coroutine.create(fn), setmetatable({ callback = callback }, Handle)
  local inbox = {}
  handles[co], parked[inbox] = handle, co
  return handle, inbox
end

--- Starts a coroutine in the loop's next turn.
local function launch(fn)
  local handle, inbox = create(fn)
  make_ready(inbox)
  return handle
end

--- Takes a coroutine off the inbox that it is parked on.
local function unpark(inbox)
  loop.discard(inbox.timer)
  inbox.timer, inbox.woken, parked[inbox] = nil, nil, nil
end

local function resume(inbox)
  local co = parked[inbox]
  if not co then return end
  unpark(inbox)
  if coroutine.status(co) == "dead" then return end -- closed by the program
  local ok, err = coroutine.resume(co)
  if ok then return end
  inboxes.abandon(co)
  M.report(debug.traceback(co, tostring(err)))
  local handle = handles[co]
  local callback = handle and handle.callback
  if callback then launch(function() callback(err) end) end
end

local function run_ready()
  kicked = false
  local limit = M.now() + SLICE
  while ready.head <= ready.tail do
    local inbox = ready[ready.head]
    ready[ready.head] = nil
    ready.head = ready.head + 1
    resume(inbox)
    if M.now() > limit then break end
  end
  if ready.head <= ready.tail then return kick() end
  ready.head, ready.tail = 1, 0
  for client in pairs(watches) do -- only now: those who were resumed may have started more
    if is_idle(client) then M.detach(client) end
  end
end

run_soon = nvim and nvim.schedule_wrap(run_ready) or run_ready

-- The driver

--- Delivers what has ended.
function look(client)
  inboxes.pump(client)
  if is_idle(client) then kick() end -- to be unwatched
end

function M.attach(client)
  watches[client] = watches[client] or loop.watch(client, function() look(client) end)
  fresh[client] = true
  loop.turn(turn)
end

function M.wake(inbox)
  if inbox.woken then return end
  inbox.woken = true
  if parked[inbox] then make_ready(inbox) end
end

--- Ends the call that waits for the inbox: what is in flight is cancelled, and nothing follows.
local function stop(inbox)
  inbox.cancelled = true
  for request in pairs(inbox.pending) do request:cancel() end
end

function M.park(inbox, seconds)
  local co = running()
  local handle = handles[co]
  if handle then
    handle.inbox = inbox
    if handle.cancelled then stop(inbox) end
  end
  local over = inbox.woken or inbox.cancelled and next(inbox.pending) == nil
  if not over then
    parked[inbox] = co
    inbox.timer = seconds and loop.alarm(seconds, function() M.wake(inbox) end)
    yield()
  end
  unpark(inbox)
  if handle then handle.inbox = nil end
end

--- Told of each call: takes the callback out of its arguments.
function M.begin(call, opts, callback)
  if type(opts) == "function" and callback == nil then opts, callback = nil, opts end
  if callback == nil then
    local co, main = running()
    if not co or main then
      error(("'%s' outside a coroutine needs a callback as its last argument"):format(call), 4)
    end
  elseif type(callback) ~= "function" then
    error(("callback of '%s' must be a function, not a %s"):format(call, type(callback)), 4)
  elseif call == "watch" then
    error("'watch' takes no callback: use 'wait' with option 'on_update'", 4)
  end
  return opts, callback
end

--- The form with a callback: the other one, in a coroutine of its own. The callback is never told
-- before the caller has gone on.
function M.start(tell, callback, work, ...)
  local bound, early = bind(work, ...), true
  local function finish(...)
    if early then return launch(bind(tell, callback, ...)) end
    handles[running()] = nil -- the call is over, the callback begins
    tell(callback, ...)
  end
  local handle, inbox = create(function() finish(bound()) end, callback)
  resume(inbox)
  early = false
  return handle
end

--- Cancels the call, whatever it waits for: the callback is told of an error of the kind
-- "cancelled" (query_all and wait_all: one for each task that had not ended). Without effect once
-- it has been told.
function Handle:cancel()
  self.cancelled = true
  local inbox = self.inbox
  if not inbox then return end
  stop(inbox)
  M.wake(inbox)
end

-- The module

---@type sora.luv
local sora = host.module(M)

local function check(call, argument, wanted)
  if type(argument) == wanted and argument == argument then return end
  error(("bad argument #1 to '%s' (%s expected, got %s)"):format(call, wanted,
    type(argument) == wanted and tostring(argument) or type(argument)), 3)
end

--- Runs fn(...) in a coroutine, beside the caller and not before it goes on. An error in it is
-- reported.
---@param fn fun(...)
---@return sora.handle handle  cancels the call that it waits for, and those that follow
function sora.spawn(fn, ...)
  check("spawn", fn, "function")
  return launch(bind(fn, ...))
end

--- Yields the coroutine for a while.
---@param seconds number
function sora.sleep(seconds)
  local co, main = running()
  if not co or main then error("'sleep' outside a coroutine would stop the loop", 2) end
  check("sleep", seconds, "number")
  M.park({ pending = {} }, seconds)
end

return sora

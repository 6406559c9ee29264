--- The driver of plain scripts: a scheduler of coroutines over poll(2).
--
-- Outside a coroutine of its own, to wait blocks, and runs the others meanwhile. `run` makes a
-- program of coroutines: whatever one of them waits for, through sora, the others go on. See
-- inbox.lua for what a driver has to offer.

local core = require "sora.core"
local heaps = require "sora.heap"
local inboxes = require "sora.inbox"

local running = coroutine.running

---@class sora.driver
---@field now fun(): number  monotonic seconds
---@field park fun(inbox: sora.inbox, seconds: number?)  waits until the inbox is woken or the
---   time is over
---@field wake fun(inbox: sora.inbox)  also before its owner parks: that returns at once then
---@field attach fun(client: sora.client)  sees to it that the client is stepped while it has
---   requests
local M = { now = core.now }

local scheduled = core.threads -- the coroutines that are resumed here
local busy = {}                -- list of the clients that have requests in flight
local ready = { head = 1, tail = 0 } -- coroutines to be resumed, each with what it gets
local alarms = heaps.new()     -- inboxes by when they are to be woken

---@class sora.thread  a coroutine made by spawn
---@field coroutine thread
---@field done boolean
---@field results table?  packed
---@field failed boolean?
---@field joined boolean?  somebody has taken its outcome
---@field joiners sora.inbox[]
local threads = {}  -- coroutine -> its sora.thread
local failures = {} -- threads that have ended with an error

local function pack(...) return { n = select("#", ...), ... } end
local unpack = table.unpack or unpack

function M.attach(client)
  for i = 1, #busy do
    if busy[i] == client then return end
  end
  busy[#busy + 1] = client
end

local function make_ready(co)
  ready.tail = ready.tail + 1
  ready[ready.tail] = co
end

function M.wake(inbox)
  inbox.woken = true
  local co = inbox.parked
  if co then
    inbox.parked = nil
    make_ready(co)
  end
end

local waiting = setmetatable({}, { __mode = "k" }) -- coroutine -> the inbox it is parked on

local function finish(thread, ok, ...)
  thread.done, thread.failed, thread.results = true, not ok, pack(...)
  threads[thread.coroutine], scheduled[thread.coroutine] = nil, nil
  if thread.failed then failures[#failures + 1] = thread end
  for _, joiner in ipairs(thread.joiners) do M.wake(joiner) end
end

--- Parks a coroutine that has yielded an inbox and seconds or, from the query in C, an inbox, a
-- request and its client. One that has yielded nothing only lets others run.
local function park(co, inbox, what, client)
  if type(inbox) ~= "table" then return make_ready(co) end
  waiting[co] = inbox
  if type(what) == "userdata" then
    inbox.request = what
    inboxes.new(inbox).pending[what] = true
    M.attach(client)
  elseif what then
    inbox.alarm = M.now() + what
    alarms:push(inbox.alarm, inbox)
  end
  if inbox.woken then make_ready(co) else inbox.parked = co end
end

local function settle(thread, ok, ...)
  local co = thread.coroutine
  if coroutine.status(co) == "dead" then return finish(thread, ok, ...) end
  return park(co, ...)
end

local function resume(co)
  local thread, inbox = threads[co], waiting[co]
  if not thread then return end -- it was given up
  waiting[co] = nil
  if not inbox then
    local arguments = thread.arguments
    return settle(thread, coroutine.resume(co, unpack(arguments, 1, arguments.n)))
  end
  inbox.woken, inbox.alarm = nil, nil
  if inbox.request then return settle(thread, coroutine.resume(co, inbox.request:result())) end
  return settle(thread, coroutine.resume(co))
end

local function resume_ready()
  local last = ready.tail
  while ready.head <= last do
    local co = ready[ready.head]
    ready[ready.head] = nil
    ready.head = ready.head + 1
    resume(co)
  end
  if ready.head > ready.tail then ready.head, ready.tail = 1, 0 end
end

local function ring_alarms()
  local now = M.now()
  while alarms.size > 0 and alarms:first() <= now do
    local due = alarms:first()
    local inbox = alarms:pop()
    if inbox.alarm == due then M.wake(inbox) end
  end
end

local function pump()
  for i = #busy, 1, -1 do
    local client = busy[i]
    inboxes.pump(M, client)
    if client:in_flight() == 0 then table.remove(busy, i) end
  end
end

--- Runs what can run; then, unless something is ready again or it is `over`, sleeps until something
-- happens, at most until `deadline` (nil: no limit).
local function turn(over, deadline)
  resume_ready()
  local limit = deadline
  if alarms.size > 0 and alarms:first() < (limit or math.huge) then limit = alarms:first() end
  local seconds = limit and math.max(0, limit - M.now())
  if ready.tail >= ready.head or over() then seconds = 0 end
  core.poll(busy, seconds)
  pump()
  ring_alarms()
end

local function block(inbox, seconds)
  local deadline = seconds and M.now() + seconds
  local function over() return inbox.woken or deadline and M.now() >= deadline end
  while not over() do turn(over, deadline) end
  inbox.woken = nil
end

function M.park(inbox, seconds)
  local co = running()
  if co and scheduled[co] then
    coroutine.yield(inbox, seconds)
    return
  end
  local ok, err = pcall(block, inbox, seconds)
  if not ok then -- Ctrl-C: nobody will ask for what is in flight
    inboxes.cancel(inbox)
    error(err, 0)
  end
end

--- Waits; in a coroutine of `run` the others go on.
---@param seconds number
function M.sleep(seconds) M.park(inboxes.new(), seconds) end

local Thread = {}
Thread.__index = Thread

--- Starts a coroutine that waits without blocking the others.
---@param fn fun(...)
---@return sora.thread thread  with `:join()`, which waits for its end and returns what `fn`
---   returned, or
---   raises what it raised
function M.spawn(fn, ...)
  if type(fn) ~= "function" then
    error(("bad argument #1 to 'spawn' (function expected, got %s)"):format(type(fn)), 2)
  end
  local co = coroutine.create(fn)
  local thread = { coroutine = co, arguments = pack(...), done = false, joiners = {} }
  setmetatable(thread, Thread)
  threads[co], scheduled[co] = thread, true
  make_ready(co)
  return thread
end

function Thread:join()
  if not self.done then
    local inbox = inboxes.new()
    self.joiners[#self.joiners + 1] = inbox
    while not self.done do M.park(inbox) end
  end
  self.joined = true
  if self.failed then error(self.results[1], 0) end
  return unpack(self.results, 1, self.results.n)
end

--- Gives up every coroutine and cancels what is in flight.
local function give_up()
  for co in pairs(threads) do threads[co], scheduled[co], waiting[co] = nil, nil, nil end
  for _, client in ipairs(busy) do client:cancel() end
  busy, alarms, ready, failures = {}, heaps.new(), { head = 1, tail = 0 }, {}
end

local function all_ended() return next(threads) == nil end

local function run_all(main)
  while not all_ended() do turn(all_ended) end
  local failed = failures
  failures = {}
  for _, thread in ipairs(failed) do
    if not thread.joined then error(thread.results[1], 0) end
  end
  return unpack(main.results, 1, main.results.n)
end

--- Runs `fn` in a coroutine, and all that it spawns, until they have ended. Returns what `fn`
-- returned. An error in one of them leaves the others to their end and is raised then, unless it
-- was taken by `join`; one that comes from a signal (Ctrl-C) ends them all at once.
---@param fn fun(...)
function M.run(fn, ...)
  local co = running()
  if co and scheduled[co] then return M.spawn(fn, ...):join() end
  local main = M.spawn(fn, ...)
  local results = pack(pcall(run_all, main))
  if results[1] then return unpack(results, 2, results.n) end
  give_up()
  error(results[2], 0)
end

return M

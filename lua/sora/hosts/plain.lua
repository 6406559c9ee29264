--- The driver of plain scripts: a scheduler of coroutines over poll(2). See inbox.lua for drivers.
--
-- Outside a coroutine of its own, to wait blocks, and runs the others meanwhile. `run` makes a
-- program of coroutines: whatever one of them waits for, through sora, the others go on. A
-- coroutine that the program makes inside one of these (a generator, say) is the program's own: it
-- may yield as it likes, and to wait in it blocks as outside.
--
-- Lua 5.1 (not LuaJIT) forbids a coroutine to yield inside pcall, in a metamethod and in the
-- iterator of a `for`. There such a wait raises "attempt to yield across metamethod/C-call
-- boundary": catch errors with `pcall(thread.join, thread)` outside of the coroutines, or not at
-- all, and call what `watch` returns by hand.

local core = require "sora.core"
local heaps = require "sora.waiting.heap"
local inboxes = require "sora.hosts.inbox"

local running = coroutine.running
local close = rawget(coroutine, "close") -- Lua 5.4

---@type sora.driver
local M = { now = core.now }

---@class sora.thread  a coroutine made by spawn
---@field coroutine thread
---@field arguments table?  packed, until it has begun
---@field inbox sora.inbox?  what it is parked on
---@field done boolean
---@field failed boolean?
---@field results table?  packed; of a failed one the error
---@field joined boolean?  somebody has taken its outcome
---@field joiners sora.inbox[]
local Thread = {}
Thread.__index = Thread

local scheduled = core.threads -- the coroutines that are resumed here: query in C yields in them
local threads = {}             -- coroutine -> its sora.thread, until that is done
local failures = {}            -- list of the threads that have ended with an error
local busy = setmetatable({}, { __mode = "k" }) -- set of the clients with requests in flight
local ready = { head = 1, tail = 0 } -- queue of the coroutines to be resumed
local alarms = heaps.new()     -- inboxes by when to look at them again
local resuming = 0             -- how many coroutines, each inside another, are being resumed
local broken, broken_by = false, nil -- a run that ends at once may not be given up yet; its error

local PARK = {} -- what a coroutine yields first when it parks; anything else is the program's
local NO_MEMORY = { n = 1, "not enough memory" } -- results where no others can be packed

local function pack(...) return { n = select("#", ...), ... } end
local unpack = table.unpack or unpack

function M.attach(client) busy[client] = true end

local function make_ready(co)
  ready[ready.tail + 1] = co -- first: memory may run out here
  ready.tail = ready.tail + 1
end

function M.wake(inbox)
  inbox.woken = true
  local co = inbox.parked
  if co then
    inbox.parked = nil
    make_ready(co)
  end
end

--- Sees to it that the inbox is woken in time. An inbox that parks again and again has few alarms:
-- one that rings too early is set anew.
local function set_alarm(inbox, seconds)
  inbox.due = M.now() + seconds
  if inbox.alarm and inbox.alarm <= inbox.due then return end
  inbox.alarm = inbox.due
  alarms:push(inbox.alarm, inbox)
end

local function ring_alarms()
  local now = M.now()
  while alarms.size > 0 and alarms:first() <= now do
    local at, inbox = alarms:first(), alarms:pop()
    if at == inbox.alarm then
      inbox.alarm = nil
      if inbox.due and inbox.due <= now then
        M.wake(inbox)
      elseif inbox.due then
        set_alarm(inbox, inbox.due - now)
      end
    end
  end
end

local function finish(thread, ok, ...)
  local co = thread.coroutine
  thread.done, thread.failed, thread.results = true, not ok, pack(...)
  threads[co], scheduled[co] = nil, nil
  if not ok then
    inboxes.abandon(co)
    failures[#failures + 1] = thread
  end
  for _, joiner in ipairs(thread.joiners) do M.wake(joiner) end
end

--- Takes what a coroutine has yielded: PARK, an inbox and seconds; from the query in C an inbox,
-- its request and its client; anything else lets the others run.
local function settle(thread, first, second, third)
  local inbox
  if first == PARK then
    inbox = second
    if third then set_alarm(inbox, third) end
  elseif type(second) == "userdata" then
    inbox = inboxes.new(first)
    inbox.request = second
    inboxes.add(M, inbox, third, second)
  end
  thread.inbox = inbox
  if inbox and not inbox.woken then
    inbox.parked = thread.coroutine
  else
    make_ready(thread.coroutine)
  end
end

local function returned(thread, ok, ...)
  resuming = resuming - 1
  if coroutine.status(thread.coroutine) ~= "dead" then return settle(thread, ...) end
  finish(thread, ok, ...)
  -- LuaJIT's Ctrl-C strikes in whatever coroutine runs, and is meant for all
  if not ok and tostring((...)):find "interrupted!$" then error((...), 0) end
end

local function go_on(thread, ...)
  resuming = resuming + 1
  return returned(thread, coroutine.resume(thread.coroutine, ...))
end

local function resume(co)
  local thread = threads[co]
  if not thread then return end -- it was given up
  if coroutine.status(co) == "dead" then return finish(thread, true) end -- closed by the program
  local inbox, arguments = thread.inbox, thread.arguments
  thread.inbox, thread.arguments = false, false
  if arguments then return go_on(thread, unpack(arguments, 1, arguments.n)) end
  if not inbox then return go_on(thread) end
  inbox.woken, inbox.due = nil, nil
  if inbox.request then return go_on(thread, inbox.request:result()) end
  return go_on(thread)
end

local function resume_ready()
  local last = ready.tail
  while ready.head <= last do
    local co = ready[ready.head]
    ready[ready.head] = nil
    ready.head = ready.head + 1
    resume(co)
  end
end

local function pump()
  for client in pairs(busy) do
    inboxes.pump(M, client)
    if client:in_flight() == 0 then busy[client] = nil end
  end
end

--- Seconds until something has to be done, whatever comes in.
local function pause(deadline)
  if ready.head <= ready.tail then return 0 end
  local due = math.min(alarms:first() or math.huge, deadline or math.huge)
  if due < math.huge then return math.max(0, due - M.now()) end
  if not next(busy) and not deadline then
    error("deadlock: each coroutine waits for another one", 0)
  end
  return nil
end

--- Ends every coroutine with the error that broke the run, and cancels what is in flight. Without
-- any memory not even a function can be called: what is left then is given up by the next turn.
local function give_up()
  local packed, results = pcall(pack, broken_by)
  for co, thread in pairs(threads) do
    thread.done, thread.failed, thread.results = true, true, packed and results or NO_MEMORY
    scheduled[co], threads[co] = nil, nil
    inboxes.abandon(co)
    if close and coroutine.status(co) == "suspended" then close(co) end
  end
  for client in pairs(busy) do
    client:cancel()
    busy[client] = nil
  end
  for i = ready.head, ready.tail do ready[i] = nil end
  ready.head, ready.tail = 1, 0
  alarms:clear()
  for i = #failures, 1, -1 do failures[i] = nil end
  broken, broken_by = false, nil
end

--- Runs what can run; then, unless it is `over`, waits until something happens, at most until
-- `deadline` (nil: no limit).
local function turn(over, deadline)
  if broken then give_up() end
  resume_ready()
  if over() then return end
  local clients = {}
  for client in pairs(busy) do clients[#clients + 1] = client end
  core.poll(clients, pause(deadline))
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
    coroutine.yield(PARK, inbox, seconds)
  else
    block(inbox, seconds)
  end
end

local function check(call, argument, wanted)
  if type(argument) == wanted and argument == argument then return end
  error(("bad argument #1 to '%s' (%s expected, got %s)"):format(call, wanted,
    type(argument) == wanted and tostring(argument) or type(argument)), 4)
end

---@param seconds number  to wait; in a coroutine of `run` the others go on
function M.sleep(seconds)
  check("sleep", seconds, "number")
  M.park(inboxes.new(), seconds)
end

--- Starts a coroutine that waits without blocking the others. It runs while something waits: in
-- `run`, or in any call that blocks.
---@param fn fun(...)
---@return sora.thread thread  `:join()` waits for its end; returns or raises what `fn` did
function M.spawn(fn, ...)
  check("spawn", fn, "function")
  if broken then give_up() end
  local co = coroutine.create(function(...) return fn(...) end) -- Lua 5.1: only of a Lua function
  local thread = setmetatable({
    coroutine = co, arguments = pack(...), done = false, joiners = {},
    inbox = false, failed = false, results = false, joined = false, -- no memory is needed later
  }, Thread)
  make_ready(co)
  scheduled[co] = true
  threads[co] = thread
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

local function all_ended() return next(threads) == nil end

local function turn_until_all_ended()
  while not all_ended() do turn(all_ended) end
end

--- The error of the first thread that has failed and was not joined.
local function raise_failure()
  local failed = failures
  failures = {}
  for _, thread in ipairs(failed) do
    if not thread.joined then error(thread.results[1], 0) end
  end
end

--- Runs `fn` in a coroutine, and all that it spawns, until they have ended. Returns what `fn`
-- returned. An error in one of them leaves the others to their end and is raised then, unless it
-- was taken by `join`; Ctrl-C ends them all at once. A run inside a run ends with its `fn`.
---@param fn fun(...)
function M.run(fn, ...)
  check("run", fn, "function")
  local main = M.spawn(fn, ...)
  if resuming > 0 then return main:join() end
  local ok, err = pcall(turn_until_all_ended)
  resuming = 0
  if not ok then
    broken, broken_by = true, err
    give_up()
    error(err, 0)
  end
  raise_failure()
  return unpack(main.results, 1, main.results.n)
end

return M

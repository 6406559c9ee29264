--- The world that sora's modules in Lua see in a simulation: a clock, a network and a loop of
-- events, all of them virtual. `core` takes the place of sora.core, `loop` that of what sora.luv
-- needs of libuv; the modules above them are the real ones.
--
-- Time passes in three ways: the loop advances it to the next event when nobody has anything to do
-- (`on_idle` is told before), a callback takes its time (`world:pass`), or it jumps when somebody
-- looks at the clock, as it does for a process that was stopped. (Not between the last look and the
-- sleep that follows from it: who is stopped there oversleeps on every host.)

local chances = require "spec.support.simulation.chance"
local heaps = require "sora.waiting.heap"
local real = require "sora.core"

local M = {}

---@class simulation.world
---@field time number
---@field turns integer  how often something was done without the time going on
---@field on_idle fun(next_time: number)  before the time is advanced to the next event
---@field answer fun(id: string, time: number): seconds: number, task: table?, err: table?
---   what the service says, after how many seconds; never: math.huge
---@field on_request fun(request: table)  at each start
---@field on_result fun(request: table, task: table?, err: table?)  when the answer is taken
---@field requests table<table, boolean>  weak: those that are still in memory
local World = {}
World.__index = World

local REQUEST_TIMEOUT = 30
local WEAK = { __mode = "k" }

-- Requests

local Request = {}
Request.__index = Request

local function finish(request, task, err)
  if request.ended then return end
  request.ended, request.task, request.err = true, task, err
  local client = request.client
  client.running[request] = nil
  client.flying = client.flying - 1
  client.tail = client.tail + 1
  client.finished[client.tail] = request
end

local function cancelled(request, message)
  return request.world.core.error { kind = "cancelled", message = message, id = request.id }
end

function Request:cancel() finish(self, nil, cancelled(self, "cancelled by the caller")) end

function Request:result()
  assert(self.ended, "result of a request that has not ended")
  assert(not self.taken, "the result was taken already")
  self.taken = true
  self.world.on_result(self, self.task, self.err)
  return self.task, self.err
end

-- Clients

local methods = {}

function methods.closed(client) return client.is_closed end
function methods.in_flight(client) return client.flying end
function methods.stats(client) return { in_flight = client.flying } end
function methods.pollfd() return 1 end

function methods.timeout(client)
  if client.head <= client.tail then return 0 end
end

--- Ends what has its answer by now, in the order of the answers.
function methods.step(client)
  local arriving, now = client.arriving, client.world.time
  while arriving.size > 0 and arriving:first() <= now do
    local request = arriving:pop()
    finish(request, request.outcome, request.failure)
  end
end

--- When the next answer comes; those of cancelled requests never do.
local function next_answer(client)
  local arriving = client.arriving
  while arriving.size > 0 and arriving.values[1].ended do arriving:pop() end
  return arriving:first()
end

local function in_order(set)
  local list = {}
  for request in pairs(set) do list[#list + 1] = request end
  table.sort(list, function(a, b) return a.serial < b.serial end)
  return list
end

-- In the place of sora.core

local function new_core(world)
  local class = { __index = {}, __name = "simulated client" }
  for name, method in pairs(methods) do class.__index[name] = method end
  local core = setmetatable({
    class = class, task = setmetatable({}, { __index = real.task }),
  }, { __index = real })

  function core.client(_, _, driver)
    local client = setmetatable({
      world = world, driver = driver, shared = {}, running = {}, flying = 0, arriving = heaps.new(),
      finished = {}, head = 1, tail = 0, silent_until = -math.huge,
    }, class)
    world.clients[#world.clients + 1] = client
    return client
  end

  function core.request(client, id, opts, owner)
    assert(not client.is_closed, "a request on a closed client")
    local timeout = opts and opts.timeout or math.huge
    if timeout <= 0 or timeout ~= timeout then error("option 'timeout' must be above 0", 2) end
    world.serial = world.serial + 1
    local request = setmetatable({
      world = world, client = client, id = id, owner = owner, opts = opts, serial = world.serial,
      started = world.time, timeout = timeout,
    }, Request)
    world.requests[request] = true
    local seconds, task, err = world.answer(id, world.time)
    local limit = math.min(timeout, opts and opts.request_timeout or REQUEST_TIMEOUT)
    if seconds > limit then
      seconds, task = limit, nil
      err = { kind = "timeout", message = "no answer in time", retryable = true }
    end
    if err then
      err.id = id
      err = core.error(err)
    end
    request.outcome, request.failure = task, err
    client.running[request], client.flying = true, client.flying + 1
    client.arriving:push(world.time + seconds, request)
    world.on_request(request)
    return request
  end

  function core.finished(client)
    local request = client.finished[client.head]
    if not request then return nil end
    client.finished[client.head] = nil
    client.head = client.head + 1
    return request, request.owner
  end

  local function end_all(client, message)
    for _, request in ipairs(in_order(client.running)) do
      finish(request, nil, cancelled(request, message))
    end
  end

  function core.cancel(client) end_all(client, "cancelled by the caller") end

  function core.close(client)
    if client.is_closed then return end
    client.is_closed = true
    end_all(client, "the client was closed")
  end

  --- Blocks until something happens, or the time is over.
  local function block(client, seconds)
    local due, limit = next_answer(client), world.time + (seconds or math.huge)
    local until_time = math.min(due or math.huge, limit)
    assert(until_time < math.huge, "a script that waits for ever")
    if until_time > world.time then world:advance(until_time) end
    client:step()
  end

  --- As that of plain scripts does.
  function core.step(client, seconds)
    world:turn()
    if client.head > client.tail then block(client, seconds) end
  end

  function core.query_on(client, id, opts)
    core.check(client, opts, 3, "query")
    local request = core.request(client, id, opts or {}, nil)
    while not request.ended do block(client) end
    return request:result()
  end

  function core.check(client, _, level, _)
    if client.is_closed then error("the client is closed", (level or 1) + 1) end
  end

  function core.attempt() end -- nobody asks for them
  function core.driver(client) return client.driver end
  function core.shared(client) return client.shared end
  function core.error(spec) return real.error(spec) end
  function core.random() return world.chance:number() end

  function core.now()
    if not world.parking and world.jumps:is(world.jump_probability) then
      world:jump(world.jumps:scale(0.01, 100))
    end
    return world.time
  end

  return core
end

-- In the place of sora.hosts.luv_loop

local function new_loop(world)
  local loop = {}

  function loop.turn(fn) world.asked[fn] = true end

  function loop.alarm(seconds, fn)
    local handle = { fn = fn }
    world.alarms:push(world.time + math.max(0, seconds), handle)
    return handle
  end

  function loop.watch(client, fn)
    local handle = { client = client, fn = fn }
    world.watched[#world.watched + 1] = handle
    return handle
  end

  function loop.discard(handle)
    if handle then handle.dead = true end
  end

  return loop
end

-- Time

--- The loop goes on to the next event.
function World:advance(time)
  self.on_idle(time)
  self.time, self.turns = time, 0
end

--- Something is done without the time going on.
function World:turn()
  self.turns = self.turns + 1
  assert(self.turns < self.most_turns, "a busy loop")
end

--- Somebody takes his time, and the loop has to wait.
function World:pass(seconds) self.time = self.time + seconds end

--- The process was stopped.
function World:jump(seconds)
  self.time = self.time + seconds
  self.on_jump(seconds)
end

--- Has fn() called at that time.
function World:at(time, fn) self.alarms:push(time, { fn = fn }) end

local function run_asked(self)
  local asked = self.asked
  if next(asked) == nil then return false end
  self.asked = {}
  for fn in pairs(asked) do fn() end
  return true
end

local function run_alarms(self)
  local ran, now = false, self.time
  while self.alarms.size > 0 and self.alarms:first() <= now do
    local handle = self.alarms:pop()
    if not handle.dead then
      handle.fn()
      ran = true
    end
  end
  return ran
end

local function run_watched(self)
  local ran, living = false, {}
  for _, handle in ipairs(self.watched) do
    if not handle.dead then
      local client, due = handle.client, next_answer(handle.client)
      if due and due <= self.time or client.head <= client.tail then
        handle.fn()
        ran = true
      end
    end
  end
  for _, handle in ipairs(self.watched) do
    if not handle.dead then living[#living + 1] = handle end
  end
  self.watched = living
  return ran
end

--- When something happens next, or nil.
local function next_event(self)
  local alarms = self.alarms
  while alarms.size > 0 and alarms.values[1].dead do alarms:pop() end
  local due = alarms:first() or math.huge
  for _, handle in ipairs(self.watched) do
    due = math.min(due, not handle.dead and next_answer(handle.client) or math.huge)
  end
  return due < math.huge and due or nil
end

--- Runs the loop until nothing can happen any more.
function World:run()
  while true do
    local alarmed, watched = run_alarms(self), run_watched(self)
    local asked = run_asked(self)
    if alarmed or watched or asked then
      self:turn()
    else
      local due = next_event(self)
      if not due then return end
      self:advance(due)
    end
  end
end

-- Modules

--- sora's modules, loaded once more above this world.
---@return table plain, table luv
local function load_modules(world, core, loop)
  local saved = {}
  for name, module in pairs(package.loaded) do
    if name:find "^sora" then saved[name] = module end
  end
  for name in pairs(saved) do package.loaded[name] = nil end
  package.loaded["sora.core"], package.loaded["sora.hosts.luv_loop"] = core, loop
  local host = require "sora.hosts.module"
  local plain, luv = host.module(), require "sora.luv"
  host.load()
  local driver, pollers = host.plain, require "sora.waiting.poller"
  local park = driver.park
  function driver.park(...)
    world.parking = true
    park(...)
    world.parking = false
  end
  local new_poller = pollers.new
  function pollers.new(id, ...)
    local poller = new_poller(id, ...)
    world.pollers[id] = poller
    return poller
  end
  for name in pairs(package.loaded) do
    if name:find "^sora" then package.loaded[name] = nil end
  end
  for name, module in pairs(saved) do package.loaded[name] = module end
  return plain, luv
end

---@param seed integer
---@return simulation.world world  with `plain` and `luv`, the modules of two hosts
function M.new(seed)
  local world = setmetatable({
    time = 1000, turns = 0, most_turns = 1000, serial = 0,
    clients = {}, pollers = {}, asked = {}, watched = {},
    alarms = heaps.new(), requests = setmetatable({}, WEAK), jump_probability = 0,
    chance = chances.new(seed, 1), jumps = chances.new(seed, 2),
    on_idle = function() end, on_jump = function() end, on_request = function() end,
    on_result = function() end,
  }, World)
  world.core = new_core(world)
  world.plain, world.luv = load_modules(world, world.core, new_loop(world))
  return world
end

return M

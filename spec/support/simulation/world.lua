--- The world that sora's modules in Lua see in a simulation: a clock, a network and a loop of
-- events, all of them virtual. `core` takes the place of sora.core, `loop` that of what sora.luv
-- needs of libuv; the modules above them are the real ones.
--
-- Time passes in three ways: the loop advances it to the next event when nobody has anything to do
-- (`on_idle` is told before), a callback takes its time (`world:pass`), or it jumps when somebody
-- looks at the clock, as it does for a process that was stopped. (Not between the last look and the
-- sleep that follows from it: who is stopped there oversleeps on every host.)

local chances = require "spec.support.chance"
local cores = require "spec.support.simulation.core"
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

local WEAK = { __mode = "k" }

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
  local handle = self.alarms:pop(now)
  while handle do
    if not handle.dead then
      handle.fn()
      ran = true
    end
    handle = self.alarms:pop(now)
  end
  return ran
end

local function run_watched(self)
  local ran, living = false, {}
  for _, handle in ipairs(self.watched) do
    if not handle.dead then
      local client, due = handle.client, cores.next_answer(handle.client)
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
  local due = cores.first_without("dead", self.alarms) or math.huge
  for _, handle in ipairs(self.watched) do
    due = math.min(due, not handle.dead and cores.next_answer(handle.client) or math.huge)
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

--- sora's modules, loaded once more above this world, also those that are loaded later.
---@return table plain, table luv
local function load_modules(world, core, loop)
  local own = { ["sora.core"] = core, ["sora.hosts.luv_loop"] = loop }

  local function exchange()
    local others = {}
    for name, module in pairs(package.loaded) do
      if name:find "^sora" then others[name] = module end
    end
    for name in pairs(others) do package.loaded[name] = nil end
    for name, module in pairs(own) do package.loaded[name] = module end
    own = others
  end

  exchange()
  local host, loading = require "sora.hosts.module", require "sora.hosts.loading"
  local plain, luv = host.module(), require "sora.luv"
  local driver, pollers = host.plain, require "sora.waiting.poller"
  exchange()
  local load = loading.module
  function loading.module(name)
    exchange()
    local module = load(name)
    exchange()
    return module
  end
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
  return plain, luv
end

---@param seed integer
---@return simulation.world world  with `plain` and `luv`, the modules of two hosts
function M.new(seed)
  local world = setmetatable({
    time = 1000, turns = 0, most_turns = 1000, serial = 0,
    clients = {}, pollers = {}, asked = {}, watched = {},
    alarms = real.heap(), requests = setmetatable({}, WEAK), jump_probability = 0,
    chance = chances.new(seed, 1), jumps = chances.new(seed, 2),
    on_idle = function() end, on_jump = function() end, on_request = function() end,
    on_result = function() end,
  }, World)
  world.core = cores.new(world)
  world.plain, world.luv = load_modules(world, world.core, new_loop(world))
  return world
end

return M

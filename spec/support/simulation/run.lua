--- One run of the simulation: calls on clients in a virtual world, all of it drawn from a seed.
-- What must hold at each step is in checks.lua; a run that finds a fault raises it.
--
--   lua spec/support/simulation/run.lua SEED [LAST_SEED [TASKS]]

local calls = require "spec.support.simulation.calls"
local chances = require "spec.support.chance"
local checks = require "spec.support.simulation.checks"
local service = require "spec.support.simulation.service"
local worlds = require "spec.support.simulation.world"

local M = {}

---@class simulation.run
local Run = {}
Run.__index = Run
for _, methods in ipairs { service, checks, calls } do
  for name, method in pairs(methods) do Run[name] = method end
end

---@class simulation.call
---@field number integer  the first part of its ids
---@field name string
---@field host string
---@field client table
---@field ids string[]
---@field opts table
---@field deadline number
---@field busy integer  callbacks that have not returned
---@field flying integer  its queries in flight
---@field told table<string, integer>  how often on_result was told of an id
---@field over boolean?

-- What a run knows of the tasks, by their ids:
--   tasks     how they go on (service.lua)           done      those that have ended
--   answered  when the last answer was taken         last      that answer, or error
--   flying    those that are asked for now           bad       how many bad answers in a row
--   refused   those whose wait on_update has ended
local function new_run(seed)
  return setmetatable({
    seed = seed, world = worlds.new(seed), chance = chances.new(seed, 3), calls = {},
    clients = { plain = {}, luv = {} }, most_calls = 24, most_ids = 60, serial = 0, alive = 0,
    tasks = {}, done = {}, answered = {}, last = {}, flying = {}, bad = {}, refused = {},
    steps = 0, looks = 0, ends = 0, raises = 0, kinds = {}, -- counts
  }, Run)
end

--- Has the world ask the run what is answered, and tell it what happens.
function Run:attach()
  local world = self.world
  function world.answer(id, time) return self:answer(id, time) end
  function world.on_idle(next_time) self:check_time(next_time) end
  function world.on_request(request)
    self.starting = nil
    self:check_request(request)
  end
  function world.on_result(request, task, err) self:check_result(request, task, err) end
  function world.on_jump(seconds)
    if self.starting then self.starting.deadline = self.starting.deadline + seconds end
  end
end

--- A call of the program's own: any, or one of a few for very many ids.
function Run:next_call(host)
  if not self.many then return self:new_call(host, 0) end
  local chance = self.chance
  local call = self:new_call(host, 0, nil, chance:of { "wait_all", "wait_all", "query_all" },
    self.many)
  call.opts.concurrency = chance:between(1, 1000)
  call.opts.interval = call.opts.interval and math.max(5, call.opts.interval)
  call.opts.timeout = chance:scale(100, 2000)
  return call
end

--- In a plain script: one call after the other.
function Run:play_plain(count)
  for _ = 1, count do
    local call = self:next_call "plain"
    local ok, err = pcall(self.perform, self, call)
    if not ok then self:raised(err) end
  end
end

--- In a loop of events: all of them at once.
function Run:play_luv(count)
  local world, chance = self.world, self.chance
  local fatal
  world.luv.driver.report = function(message)
    local ok, err = pcall(self.raised, self, message)
    if not ok then fatal = fatal or err end
  end
  for _ = 1, count do
    local call = self:next_call "luv"
    world:at(world.time + chance:scale(0.01, 300), function()
      local handle = world.luv.spawn(self.perform, self, call)
      call.handle = handle
      if chance:is(self.weather.cancels) then
        world:at(world.time + chance:scale(0.01, 300), function()
          call.cancelled = call.started
          handle:cancel()
        end)
      end
    end)
  end
  if chance:is(self.weather.cancels) then
    world:at(world.time + chance:scale(0.1, 600), function()
      local client = chance:of(self.clients.luv)
      self:end_all(client, chance:is(0.5) and "close" or "cancel")
    end)
  end
  world:run()
  if fatal then error(fatal, 0) end
end

--- Plays a seed.
---@param seed integer
---@param tasks integer?  at most so many ids in all, default about 100
---@return table counts  of what was seen: ends, raises, requests, kinds
function M.play(seed, tasks)
  local run = new_run(seed)
  local world, chance = run.world, run.chance
  local host = chance:is(0.5) and "plain" or "luv"
  run.weather = service.weather_of(chance, chance:is(0.1))
  world.jump_probability = run.weather.jumps
  world.most_turns = 2000 + 20 * (tasks or 100)
  run:attach()
  for _ = 1, chance:between(1, 3) do run:new_client(host) end
  local count = tasks and chance:between(1, 4) or chance:between(1, 8)
  if tasks then
    run.many = math.floor(tasks / count)
    run.weather.acts = run.weather.acts * 20 / tasks
  end
  run["play_" .. host](run, count)
  local counts = { ends = run.ends, raises = run.raises, requests = run.steps, kinds = run.kinds,
    host = host }
  run:check_memory()
  return counts
end

if arg and arg[0] and arg[0]:find "simulation/run.lua$" then
  local first, last, tasks = tonumber(arg[1]), tonumber(arg[2] or arg[1]), tonumber(arg[3])
  local totals, faults = { ends = 0, raises = 0, requests = 0 }, 0
  for seed = first, last do
    local ok, counts = xpcall(function() return M.play(seed, tasks) end, debug.traceback)
    if ok then
      for name in pairs(totals) do totals[name] = totals[name] + counts[name] end
    else
      faults = faults + 1
      print("seed " .. seed, counts)
    end
  end
  print(("%d seeds, %d faults; ends of ids: %d, queries: %d, raised: %d"):format(last - first + 1,
    faults, totals.ends, totals.requests, totals.raises))
  os.exit(faults == 0)
end

return M

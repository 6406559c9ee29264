-- Which step answers which id, and when.
--
-- A step is written `name;parameter=value;flag*times`. A script is a list of steps: each is
-- served once (or `times` times), the last one for ever. An id carries its own script after a
-- prefix, with steps parted by commas and anything after `~` ignored:
--   sora-2:task_queued,pending;progress=0.5,500*2,completed~17

local chances = require "spec.support.chance"
local cqueues = require "cqueues"
local creating = require "spec.support.service.creating"
local faults = require "spec.support.service.faults"
local tasks = require "spec.support.service.tasks"
local texts = require "spec.support.service.text"
local wire = require "spec.support.service.wire"

local M = {}
M.__index = M

local steps = {}
for _, module in ipairs { tasks, faults, wire, creating } do
  for name, step in pairs(module.steps) do
    assert(not steps[name], name)
    steps[name] = step
  end
end
M.steps = steps

local function parse_step(text)
  local definition, times = text:match("^(.-)%*(%d+)$")
  definition = definition or text
  local name, rest = definition:match("^([^;]*);?(.*)$")
  if not steps[name] then
    return nil
  end
  local parameters = {}
  for item in rest:gmatch("[^;]+") do
    local key, value = item:match("^([^=]+)=(.*)$")
    parameters[key or item] = value or true
  end
  return { name = name, parameters = parameters, times = tonumber(times) or 1 }
end

-- A step given as an object: {"step": name, "times": n, any parameter: value}.
local function object_step(object)
  if not steps[object.step] then
    return nil
  end
  return { name = object.step, parameters = object, times = object.times or 1 }
end

--- Reads a script.
---@param list table  of strings and objects
---@return table|nil steps
---@return string|nil bad  the step that is not known
function M.parse(list)
  local parsed = {}
  for index, item in ipairs(list) do
    parsed[index] = type(item) == "table" and object_step(item)
      or type(item) == "string" and parse_step(item)
    if not parsed[index] then
      return nil, type(item) == "table" and tostring(item.step) or tostring(item)
    end
  end
  if #parsed == 0 then
    return nil, "an empty script"
  end
  return parsed
end

local function script_of_id(id)
  local text = id:gsub("~.*$", ""):gsub("^[^:,;]*:", "")
  return M.parse(texts.split(text, ","))
    or M.parse(texts.split((text:gsub("^%l+_", "")), ","))
end

---@param service table
---@return table scripts
function M.new(service)
  local scripts = setmetatable({ service = service }, M)
  scripts:reset()
  return scripts
end

--- Forgets one id, or everything.
---@param id string|nil
function M:reset(id)
  if id then
    self.states[id] = nil
    return
  end
  self.states = {}
  self.noise = nil
  self:set(self.service.sample_id, { "life" })
end

--- Gives an id a script and starts it afresh.
---@param id string
---@param list table
---@return boolean|nil ok
---@return string|nil message
function M:set(id, list)
  local script, bad = M.parse(list)
  if not script then
    return nil, "unknown step: " .. bad
  end
  self.states[id] = { script = script, place = 1, served = 0, polls = 0 }
  return true
end

--- Makes a share of all answers faulty, whatever the id.
---@param noise table|nil  rate 0..1, steps: list, seed: integer
---@return boolean|nil ok
---@return string|nil message
function M:disturb(noise)
  if not noise then
    self.noise = nil
    return true
  end
  local script, bad = M.parse(noise.steps or {})
  if not script then
    return nil, "unknown step: " .. bad
  end
  self.noise = { script = script, rate = tonumber(noise.rate) or 0,
    chance = chances.new(tonumber(noise.seed) or 1) }
  return true
end

local function next_step(state)
  local step = state.script[state.place]
  state.served = state.served + 1
  if state.served >= step.times and state.place < #state.script then
    state.place = state.place + 1
    state.served = 0
  end
  return step
end

--- The step that answers this query. Sets x.polls (queries of this id so far, this one
--- included) and x.age (seconds since its first).
---@param x table
---@return table step  name, parameters
function M:next(x)
  return self:next_of(x, script_of_id(x.id) or M.parse { "task_not_exist" })
end

--- The step that answers a request to x.id, which is a path. Without a script for it, `step`.
---@param x table
---@param step string
---@return table step  name, parameters
function M:next_or(x, step) return self:next_of(x, M.parse { step }) end

--- The step that answers a request to x.id, which gets that script where it has none yet.
function M:next_of(x, script)
  local state = self.states[x.id]
  if not state then
    state = { script = script, place = 1, served = 0, polls = 0 }
    self.states[x.id] = state
  end
  local now = cqueues.monotime()
  state.polls = state.polls + 1
  state.first = state.first or now
  x.polls, x.age = state.polls, now - state.first
  local noise = self.noise
  if noise and noise.chance:is(noise.rate) then return noise.chance:of(noise.script) end
  return next_step(state)
end

return M

--- The calls of a simulation: which, with what options, and what their callbacks do.

local chances = require "spec.support.chance"
local fault = require("spec.support.simulation.checks").fault

--- Methods of a run (run.lua).
local M = {}

local yields_in_pcall = jit ~= nil or _VERSION ~= "Lua 5.1"

-- Callbacks

local RAISED = "raised by callback of call "

--- What a callback does, by chance. Returns what it returns.
function M:act(call)
  local chance, world = call.chance, self.world
  if not chance:is(self.weather.acts) then return end
  local what = chance:between(1, 9)
  call.busy = call.busy + 1
  local returned
  if what == 1 then
    call.raised = true
    error(RAISED .. call.number, 0)
  elseif what == 2 then
    returned = false
  elseif what == 3 then
    world:pass(chance:scale(0.01, 20))
  elseif what == 4 and call.host == "luv" then
    world.luv.sleep(chance:scale(0.01, 20))
  elseif what == 5 then
    self:end_all(call.client, "cancel")
  elseif what == 6 and chance:is(0.3) then
    self:end_all(call.client, "close")
  elseif what == 7 and call.flow.handle then
    for _, other in ipairs(self.calls) do
      if other.flow == call.flow then other.cancelled = other.started end
    end
    call.flow.handle:cancel()
  elseif what >= 8 and call.depth < 2 and #self.calls < self.most_calls then
    local inner = self:new_call(call.host, call.depth + 1, chance:is(0.5) and call.client or nil)
    inner.flow = call.flow
    self:perform(inner)
  end
  call.busy = call.busy - 1
  return returned
end

-- Calls

local NAMES = { "wait", "wait", "watch", "query", "query_all", "wait_all", "wait_all", "wait_all" }

function M:new_client(host)
  local client = self.world[host].client {}
  self.clients[host][#self.clients[host] + 1] = client
  return client
end

--- An open client of that host, or a new one.
function M:client_of(host, chance)
  local list = self.clients[host]
  local client = chance:of(list)
  return client and not client:closed() and client or self:new_client(host)
end

--- Options of a call, by chance, the callbacks among them.
function M:options_of(call)
  local chance, opts = call.chance, { timeout = call.chance:scale(0.5, 2000) }
  if call.name ~= "query" and call.name ~= "query_all" then
    opts.interval, opts.max_interval = call.interval, call.interval * chance:scale(0.5, 8)
    opts.max_errors = chance:between(1, 12)
    function opts.on_update(_, info)
      local returned = self:act(call)
      self.refused[info.id] = returned == false or nil
      return returned
    end
  end
  if chance:is(0.3) then opts.request_timeout = chance:scale(0.2, 60) end
  if call.name:find "_all$" then
    opts.concurrency = chance:between(1, chance:is(0.5) and 4 or 60)
    function opts.on_result(id, task, err)
      call.told[id] = (call.told[id] or 0) + 1
      if (task == nil) == (err == nil) then fault("on_result of %s: %s, %s", id, task, err) end
      self:act(call)
    end
  end
  return opts
end

--- A call that is not made yet, of any kind where `name` does not say which, for so many ids.
function M:new_call(host, depth, client, name, count)
  local number = #self.calls + 1
  local chance = chances.new(self.seed, 500, number)
  local interval = chance:scale(0.05, 20)
  name = name or chance:of(NAMES)
  if name == "watch" and not yields_in_pcall then name = "wait" end
  if not client or client:closed() then client = self:client_of(host, chance) end
  local call = {
    number = number, name = name, host = host, depth = depth, chance = chance, client = client,
    interval = interval, busy = 0, flying = 0, told = {}, ids = {},
  }
  call.flow, call.opts = call, self:options_of(call)
  self.calls[number] = call
  if name:find "_all$" and not count then
    count = chance:is(0.05) and 0 or math.floor(chance:scale(1, self.most_ids + 1))
  end
  for i = 1, count or 1 do
    call.ids[i] = ("c%d-%d"):format(number, i)
    self.serial = self.serial + 1
    self:new_task(call.ids[i], self.serial)
  end
  return call
end

--- Performs a call and checks what it returns, in the flow of control that calls.
function M:perform(call)
  if call.client:closed() then call.client = self:new_client(call.host) end
  local client, name, id = call.client, call.name, call.ids[1]
  call.started, call.deadline = true, self.world.time + call.opts.timeout
  self.alive = self.alive + 1
  self.starting = call
  if name == "watch" then
    local next_change = client:watch(id, call.opts)
    local task, err, ok, last
    repeat
      ok, task = pcall(next_change)
      if not ok then err, task = task, nil end
      if ok and task then
        last = task
        self:act(call)
      end
    until not ok or not task
    if type(err) == "string" then error(err, 0) end
    self:finish(call)
    self:check_end(call, id, not err and last or nil, err)
  elseif name:find "_all$" then
    local list = {}
    for i = 1, #call.ids do list[i] = call.ids[i] end
    if #list > 0 and call.chance:is(0.3) then list[#list + 1] = call.chance:of(call.ids) end
    local tasks, errs = client[name](client, list, call.opts)
    self:finish(call)
    self:check_all(call, tasks, errs)
  else
    local task, err = client[name](client, id, call.opts)
    self:finish(call)
    self:check_end(call, id, task, err)
  end
end

--- What a call raises ends its flow of control.
function M:raised(message)
  message = tostring(message)
  local number = tonumber(message:match(RAISED .. "(%d+)"))
  local call = number and self.calls[number]
  if not call or not call.raised then error(message, 0) end
  self.raises = self.raises + 1
  -- with the call all those around it have ended
  for _, other in ipairs(self.calls) do
    if other.started and not other.over and other.flow == call.flow then self:finish(other) end
  end
end

return M

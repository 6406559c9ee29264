--- One run of the simulation: calls on clients in a virtual world, all of it drawn from a seed, and
-- what must hold at each step. A run that finds a fault raises it, with the seed.
--
--   lua spec/support/simulation/run.lua SEED [LAST_SEED [TASKS]]
--
-- What is checked:
--   * each id ends once, as a task or as an error, and with the service's last word on it
--   * nobody waits on when his deadline has passed or his call was cancelled, whatever callbacks
--     and jumps of the clock have cost; no query's timeout passes the deadline of its call
--   * never more than `concurrency` queries of one call are in flight; none is when it has ended
--   * a task is asked no sooner than its interval allows, and never while its client is silenced
--   * of those that are due the one is asked first that was due first
--   * no busy loop, no wait without an end
--   * what has ended is not kept in memory

local chances = require "spec.support.simulation.chance"
local worlds = require "spec.support.simulation.world"

local M = {}

local EPSILON = 1e-6
local yields_in_pcall = jit ~= nil or _VERSION ~= "Lua 5.1"

---@class simulation.run
local Run = {}
Run.__index = Run

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

local function fault(what, ...) error("fault: " .. what:format(...), 0) end

-- The service

local ERRORS = {
  { kind = "connect", message = "refused", retryable = true },
  { kind = "network", message = "reset", retryable = true },
  { kind = "http", message = "HTTP 502", status = 502, retryable = true },
  { kind = "decode", message = "no JSON", retryable = true },
  { kind = "http", message = "HTTP 429", status = 429, retryable = true },
  { kind = "http", message = "HTTP 429", status = 429, retryable = true, retry_after = 0 },
  { kind = "http", message = "HTTP 429", status = 429, retryable = true, retry_after = 7 },
  { kind = "http", message = "HTTP 503", status = 503, retryable = true, retry_after = 40 },
  { kind = "http", message = "HTTP 429", status = 429, retryable = true, retry_after = 4000 },
  { kind = "api", message = "the key is wrong", status = 401, retryable = false },
  { kind = "http", message = "HTTP 404", status = 404, retryable = false }, -- may come back
}

local function error_of(chance)
  local copy = {}
  for name, value in pairs(chance:of(ERRORS)) do copy[name] = value end
  return copy
end

local ENDS = { "completed", "completed", "completed", "failed", "cancelled", "no_url" }

--- What becomes of a task, by chance of its own.
function Run:new_task(id, number)
  local chance = chances.new(self.seed, 1000 + number)
  self.tasks[id] = {
    chance = chance, ends_as = chance:of(ENDS), lasts = chance:scale(0.1, 2000),
    late_url = chance:is(0.2) and chance:scale(0.1, 30) or 0,
  }
end

local function answer_of(task, id, time)
  local since = time - task.first
  if since < task.lasts then
    local steps = math.floor(10 * since / task.lasts)
    return { id = id, status = steps < 2 and "queued" or "pending", progress = 10 * steps }
  end
  local status = task.ends_as == "no_url" and "completed" or task.ends_as
  local url = status == "completed" and task.ends_as ~= "no_url"
    and since - task.lasts >= task.late_url and "https://cdn.example/v.mp4" or nil
  return { id = id, status = status, video_url = url }
end

function Run:answer(id, time)
  local task, weather = self.tasks[id], self.weather
  local chance = task.chance
  task.first = task.first or time
  local seconds = chance:scale(0.005, 0.5)
  for _, outage in ipairs(weather.outages) do
    if time >= outage.from and time < outage.to then
      if outage.silent then return math.huge end
      return seconds, nil, { kind = "connect", message = "an outage", retryable = true }
    end
  end
  if chance:is(weather.lost) then return math.huge end
  if chance:is(weather.late) then seconds = chance:scale(1, 60) end
  if chance:is(weather.bad) then return seconds, nil, error_of(chance) end
  return seconds, answer_of(task, id, time + seconds)
end

-- What must hold

function Run:call_of(id) return self.calls[tonumber(id:match "^c(%d+)")] end

function Run:check_time(next_time)
  self.looks = self.looks + 1
  if self.alive > 200 and self.looks % 64 ~= 0 then return end
  for _, call in ipairs(self.calls) do
    if call.started and not call.over and call.busy == 0 then
      if call.deadline < next_time - EPSILON then
        fault("%s %d waits beyond its deadline, %.3f s", call.name, call.number,
          next_time - call.deadline)
      elseif call.cancelled then
        fault("%s %d was cancelled, and goes on", call.name, call.number)
      end
    end
  end
end

--- The least pause between an answer and the next question, as the rules of waiting have it.
local function least_pause(opts)
  return 0.8 * math.min(opts.interval, math.max(1, opts.interval / 5))
end

--- Whether it is the turn of that one, of all that its call asks: who is due the longest is first.
function Run:check_order(call, id)
  if #call.ids > 200 then return end
  local pollers = self.world.pollers
  local due, again = pollers[id].next_at, self.answered[id]
  for _, other in ipairs(call.ids) do
    local poller = pollers[other]
    if again and not poller then fault("%s is asked again before %s was asked", id, other) end
    if poller and other ~= id and self.answered[other] and not self.flying[other]
        and not self.done[other] and not call.told[other] and poller.next_at < due - EPSILON then
      fault("%s, due at %.4f, is asked before %s, due at %.4f", id, due, other, poller.next_at)
    end
  end
end

--- Whether a task that is waited for may be asked so soon.
function Run:check_pause(call, id, now)
  local last, silent_until = self.answered[id], call.client.silent_until
  if last and now - last < least_pause(call.opts) - EPSILON then
    fault("%s is asked again after %.4f s", id, now - last)
  elseif now < silent_until - EPSILON then
    fault("%s is asked while its client is silenced for %.3f s", id, silent_until - now)
  end
end

function Run:check_request(request)
  local id, now = request.id, self.world.time
  local call = self:call_of(id)
  self.steps = self.steps + 1
  if call.over then fault("%s is asked, and its call is over", id) end
  if self.done[id] then fault("%s is asked, and it has ended", id) end
  if now + request.timeout > call.deadline + EPSILON then
    fault("the query of %s may take %.3f s beyond the deadline", id,
      now + request.timeout - call.deadline)
  end
  call.flying, self.flying[id] = call.flying + 1, true
  if call.flying > (call.opts.concurrency or 1) then fault("%d queries in flight", call.flying) end
  if call.name:find "^wait" or call.name == "watch" then self:check_pause(call, id, now) end
  if self.refused[id] then fault("%s is asked, and on_update has ended its wait", id) end
  if call.name == "wait_all" then self:check_order(call, id) end
  if self.steps % 16 == 0 and type(request.owner) == "table" then
    local known = 0
    for _ in pairs(request.owner.pending) do known = known + 1 end
    if known >= call.flying + 1 then fault("%d requests kept, %d in flight", known, call.flying) end
  end
end

--- All calls on a client are to end.
function Run:end_all(client, how)
  for _, call in ipairs(self.calls) do
    if call.started and not call.over and call.client == client then call.cancelled = true end
  end
  client[how](client)
end

local FINAL = { failed = true, cancelled = true }

function Run:check_result(request, task, err)
  local call, id = self:call_of(request.id), request.id
  call.flying, self.flying[id] = call.flying - 1, nil
  self.answered[id], self.last[id] = self.world.time, task or err
  local waits = call.name:find "^wait" or call.name == "watch"
  if waits and err and err.status == 429 and err.retry_after then
    call.client.silent_until = math.max(call.client.silent_until,
      self.world.time + math.min(600, err.retry_after))
  end
  if waits and err and err.retryable then
    self.bad[id] = (self.bad[id] or 0) + 1
    if self.bad[id] > call.opts.max_errors then fault("%s: %d bad answers", id, self.bad[id]) end
  elseif task then
    self.bad[id] = nil
  end
  if not waits or task and (FINAL[task.status] or task.video_url)
      or err and err.retryable == false and err.status ~= 404 then
    self.done[id] = true
  end
end

--- The result of a call for one id.
function Run:check_end(call, id, task, err)
  if (task == nil) == (err == nil) then
    fault("%s ended with task %s and error %s", id, tostring(task), tostring(err))
  end
  if task and task ~= self.last[id] then fault("%s ended with an old answer", id) end
  if task and call.name ~= "query" and call.name ~= "query_all" and not task.video_url then
    fault("%s ended without a video", id)
  end
  if err and (type(err) ~= "table" or not err.kind) then fault("%s: %s", id, tostring(err)) end
  self.ends = self.ends + 1
  self.kinds[err and err.kind or "task"] = (self.kinds[err and err.kind or "task"] or 0) + 1
end

function Run:check_all(call, tasks, errs)
  local seen = 0
  for _, id in ipairs(call.ids) do self:check_end(call, id, tasks[id], errs[id]) end
  for _ in pairs(tasks) do seen = seen + 1 end
  for _ in pairs(errs) do seen = seen + 1 end
  if seen ~= #call.ids then fault("%d results of %d ids", seen, #call.ids) end
  if call.opts.on_result then
    for _, id in ipairs(call.ids) do
      if call.told[id] ~= 1 then fault("on_result was told %s times of %s", call.told[id], id) end
    end
  end
end

--- A call has ended, whatever way: nothing of it is in flight any more.
function Run:finish(call)
  call.over = true
  self.alive = self.alive - 1
  for request in pairs(call.client.running) do
    if self:call_of(request.id) == call then fault("%s is left in flight", request.id) end
  end
end

-- Callbacks

local RAISED = "raised by callback of call "

--- What a callback does, by chance. Returns what it returns.
function Run:act(call)
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

function Run:new_client(host)
  local client = self.world[host].client {}
  self.clients[host][#self.clients[host] + 1] = client
  return client
end

--- An open client of that host, or a new one.
function Run:client_of(host, chance)
  local list = self.clients[host]
  local client = chance:of(list)
  return client and not client:closed() and client or self:new_client(host)
end

function Run:new_call(host, depth, client, name, count)
  local number = #self.calls + 1
  local chance = chances.new(self.seed, 500, number)
  local interval = chance:scale(0.05, 20)
  name = name or chance:of(NAMES)
  if name == "watch" and not yields_in_pcall then name = "wait" end
  local call
  call = {
    number = number, name = name, host = host, depth = depth, chance = chance, busy = 0, flying = 0,
    client = client and not client:closed() and client or self:client_of(host, chance),
    told = {}, ids = {}, opts = { timeout = chance:scale(0.5, 2000) },
  }
  call.flow = call
  self.calls[number] = call
  local many = name:find "_all$"
  if name ~= "query" and name ~= "query_all" then
    call.opts.interval, call.opts.max_interval = interval, interval * chance:scale(0.5, 8)
    call.opts.max_errors = chance:between(1, 12)
    call.opts.on_update = function(_, info)
      local returned = self:act(call)
      self.refused[info.id] = returned == false or nil
      return returned
    end
  end
  if chance:is(0.3) then call.opts.request_timeout = chance:scale(0.2, 60) end
  if many then
    call.opts.concurrency = chance:between(1, chance:is(0.5) and 4 or 60)
    call.opts.on_result = function(id, task, err)
      call.told[id] = (call.told[id] or 0) + 1
      if (task == nil) == (err == nil) then fault("on_result of %s: %s, %s", id, task, err) end
      self:act(call)
    end
  end
  if many and not count then
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
function Run:perform(call)
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
function Run:raised(message)
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

-- Runs

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

function Run:check_memory()
  local world = self.world
  for _, list in pairs(self.clients) do
    for _, client in ipairs(list) do client:close() end
  end
  world:run()
  for _, list in pairs(self.clients) do
    for _, client in ipairs(list) do
      client.arriving:clear()
      if client.head <= client.tail then fault("an answer that nobody took") end
    end
  end
  for _, call in ipairs(self.calls) do
    if call.started and not call.over then fault("%s %d never ended", call.name, call.number) end
  end
  self.calls, self.last, self.answered, self.tasks, world.pollers = {}, {}, {}, {}, {}
  collectgarbage()
  collectgarbage()
  local left = 0
  for _ in pairs(world.requests) do left = left + 1 end
  if left > 0 then fault("%d requests are kept in memory", left) end
end

local function weather_of(chance, calm)
  local outages = {}
  for i = 1, calm and 0 or chance:between(0, 2) do
    local from = 1000 + chance:scale(1, 1000)
    outages[i] = { from = from, to = from + chance:scale(1, 200), silent = chance:is(0.5) }
  end
  local function often(p) return not calm and chance:is(0.5) and chance:scale(p / 20, p) or 0 end
  return {
    outages = outages, lost = often(0.1), late = often(0.2), bad = often(0.5), acts = often(0.5),
    cancels = often(0.6), jumps = often(0.01),
  }
end

--- Plays a seed.
---@param seed integer
---@param tasks integer?  at most so many ids in all, default about 100
---@return table counts  of what was seen: ends, raises, requests, kinds
function M.play(seed, tasks)
  local world, chance = worlds.new(seed), chances.new(seed, 3)
  local run = setmetatable({
    seed = seed, world = world, chance = chance, calls = {}, tasks = {}, done = {}, answered = {},
    last = {}, flying = {}, refused = {}, bad = {}, clients = { plain = {}, luv = {} },
    serial = 0, alive = 0, steps = 0, looks = 0, ends = 0,
    raises = 0, kinds = {}, most_calls = 24, most_ids = 60,
  }, Run)
  local host = chance:is(0.5) and "plain" or "luv"
  run.weather = weather_of(chance, chance:is(0.1))
  world.jump_probability = run.weather.jumps
  world.most_turns = 2000 + 20 * (tasks or 100)
  function world.answer(id, time) return run:answer(id, time) end
  function world.on_idle(next_time) run:check_time(next_time) end
  function world.on_request(request)
    run.starting = nil
    run:check_request(request)
  end
  function world.on_result(request, task, err) run:check_result(request, task, err) end
  function world.on_jump(seconds)
    if run.starting then run.starting.deadline = run.starting.deadline + seconds end
  end
  for _ = 1, chance:between(1, 3) do run:new_client(host) end
  local calls = tasks and chance:between(1, 4) or chance:between(1, 8)
  if tasks then
    run.many = math.floor(tasks / calls)
    run.weather.acts = run.weather.acts * 20 / tasks
  end
  run["play_" .. host](run, calls)
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

--- What stands for sora.core in a simulation: clients and requests without a network. The world
-- says what is answered, and when.

local real = require "sora.core"

local M = {}

local REQUEST_TIMEOUT = 30

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
  client.ended[client.tail] = request
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
  local request = arriving:pop(now)
  while request do
    finish(request, request.outcome, request.failure)
    request = arriving:pop(now)
  end
end

--- The least key in a heap, or nil; values with `field` are dropped from it.
function M.first_without(field, heap)
  local key, value = heap:first(), heap:pop()
  while value and value[field] do key, value = heap:first(), heap:pop() end
  if value then heap:push(key, value) end
  return key
end

--- When the next answer comes; those of cancelled requests never do.
function M.next_answer(client) return M.first_without("ended", client.arriving) end

local function in_order(set)
  local list = {}
  for request in pairs(set) do list[#list + 1] = request end
  table.sort(list, function(a, b) return a.serial < b.serial end)
  return list
end

-- In the place of sora.core

--- The stand-in for sora.core in that world.
---@param world simulation.world
---@return table
function M.new(world)
  local class = { __index = {}, __name = "simulated client" }
  for name, method in pairs(methods) do class.__index[name] = method end
  local core = setmetatable({
    class = class, task = setmetatable({}, { __index = real.task }),
  }, { __index = real })

  function core.client(_, _, driver)
    local client = setmetatable({
      world = world, driver = driver, shared = {}, running = {}, flying = 0, arriving = real.heap(),
      ended = {}, head = 1, tail = 0, silent_until = -math.huge,
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

  function core.again() return false end -- each request is a new one

  function core.finished(client)
    local request = client.ended[client.head]
    if not request then return nil end
    client.ended[client.head] = nil
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
    local due, limit = M.next_answer(client), world.time + (seconds or math.huge)
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

return M

-- Everything is dropped while something is in flight: in every order, and at the program's end.

local lacking = require("spec.support.host").lacks("cqueues", "luv")
if lacking then return pending(lacking) end

local cqueues = require "cqueues"
local finalised = require "spec.support.finalised"
local helpers = require "spec.support.helpers"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local core = require "sora.core"
local sora = require "sora"
local sora_cqueues = require "sora.cqueues"
local sora_luv = require "sora.luv"
local standin = require "spec.support.standin"
local uv = require "luv"

local ROUNDS = 24 -- a multiple of the number of orders
local SLACK = ROUNDS * 16 -- bytes that they may leave: an object in each would be more
local BLOCKS = 30 -- of rounds

local service = standin.shared()
local unix

setup(function()
  unix = helpers.load "unix"
  if jit then jit.off() end -- whose traces would count as memory that is left
end)

teardown(function()
  if jit then jit.on() end
end)

--- Until nothing more is found: what has a finaliser, or is the value of a key in a weak table that
-- has one, goes a cycle later, and keeps alive for that long what it refers to.
local function collect()
  for _ = 1, 5 do collectgarbage() end
end

local function id(steps) return service:id(steps) end

local function orders(names)
  if #names == 0 then return { {} } end
  local list = {}
  for i, first in ipairs(names) do
    local rest = {}
    for j, name in ipairs(names) do
      if j ~= i then rest[#rest + 1] = name end
    end
    for _, order in ipairs(orders(rest)) do
      table.insert(order, 1, first)
      list[#list + 1] = order
    end
  end
  return list
end

local function client_of(module)
  return module.client { base_url = service.http_url, retries = 0 }
end

--- Calls that leave something in flight for as long as they live.
local CALLS = {
  query = function(client) return client:query(id "never") end,
  wait = function(client) return client:wait(id "queued,never", { interval = 0.001 }) end,
  watch = function(client)
    local next_change = client:watch(id "queued,never", { interval = 0.001 })
    while next_change() do end -- luacheck: ignore 542
  end,
  query_all = function(client)
    return client:query_all { id "never", id "completed", id "never" }
  end,
  wait_all = function(client)
    return client:wait_all({ id "queued,never", id "queued", id "never" }, { interval = 0.001 })
  end,
}

local function bare_request(client)
  local request = core.request(client, id "never", nil, {})
  client:step()
  return request
end

--- Each makes objects, by their names, of which nothing else is kept.
local KINDS = {}

KINDS["a client, a request and an iterator"] = function()
  local client = client_of(sora)
  local next_change = client:watch(id "queued")
  next_change()
  return { client = client, request = bare_request(client), watch = next_change }
end

KINDS["a client and coroutines that hold a request, or are inside a loop of watch"] = function()
  local client = client_of(sora)
  local holder = coroutine.create(function()
    local request = bare_request(client)
    coroutine.yield()
    return request
  end)
  local looper = coroutine.create(function()
    for task in client:watch(id "queued") do coroutine.yield(task) end
  end)
  assert(coroutine.resume(holder))
  assert(coroutine.resume(looper))
  return { client = client, holder = holder, looper = looper }
end

for name, call in pairs(CALLS) do
  local kind = ("a client, a request and a controller of cqueues in which %s waits"):format(name)
  KINDS[kind] = function()
    local client, controller = client_of(sora_cqueues), cqueues.new()
    local began
    controller:wrap(function()
      began = true
      call(client)
    end)
    for _ = 1, 3 do assert(controller:step(0.001)) end
    assert(began)
    return { client = client, controller = controller, request = bare_request(client) }
  end
end

--- Drops the objects in that order, with collections in between; returns what is left of them.
local function drop(make, order)
  local objects, left = make(), setmetatable({}, { __mode = "k" })
  for _, object in pairs(objects) do left[object] = true end
  for _, name in ipairs(order) do
    objects[name] = nil
    collectgarbage()
    collectgarbage()
  end
  collect()
  return next(left)
end

--- Bytes that the rounds leave behind.
local function growth(round)
  local lua, all = collectgarbage "count", unix.allocated() or 0
  for i = 1, ROUNDS do round(i) end
  collect()
  return math.max((collectgarbage "count" - lua) * 1024, (unix.allocated() or 0) - all)
end

--- Runs round(i) again and again. Lists and caches of the interpreter's and the hosts' grow for a
-- while; but sooner or later, rounds must leave nothing.
local function check_flat(round)
  growth(round)
  local descriptors, grown = unix.descriptors(), nil
  for _ = 1, BLOCKS do
    grown = growth(round)
    if grown < SLACK then break end
  end
  assert.are.equal(descriptors, unix.descriptors())
  assert.is_true(grown < SLACK, ("%d bytes more after %d rounds"):format(grown, ROUNDS))
end

describe("dropped in every order, it is collected, with its connections and memory:", function()
  for name, make in pairs(KINDS) do
    it(name, function()
      local names = {}
      for object in pairs(make()) do names[#names + 1] = object end
      local all = orders(names)
      check_flat(function(i)
        local left = drop(make, all[i % #all + 1])
        if left then error("not collected: " .. tostring(left)) end
      end)
    end)
  end
end)

describe("on luv's loop, it is collected once closed or cancelled, in every order:", function()
  local report

  setup(function()
    report = sora_luv.driver.report
    sora_luv.driver.report = function(message) assert(message:find "cancelled") end -- watch raises
  end)

  teardown(function() sora_luv.driver.report = report end)

  local ENDINGS = orders { "close", "cancel", "turn" }
  ENDINGS[#ENDINGS + 1] = { "close" }
  ENDINGS[#ENDINGS + 1] = { "cancel" }

  local function drop_call(call, ending)
    local client = client_of(sora_luv)
    local handle = sora_luv.spawn(function() call(client) end)
    for _ = 1, 3 do uv.run "nowait" end
    local left = setmetatable({ [client] = true, [handle] = true }, { __mode = "k" })
    for _, step in ipairs(ending) do
      if step == "close" then client:close() elseif step == "cancel" then handle:cancel() end
      if step == "turn" then uv.run "nowait" end
      collect()
    end
    return left
  end

  for name, call in pairs(CALLS) do
    it(name, function()
      check_flat(function(i)
        local left = drop_call(call, ENDINGS[i % #ENDINGS + 1])
        uv.run() -- says whether it ends
        collect()
        if next(left) then error("not collected: " .. tostring(next(left))) end
      end)
    end)
  end
end)

describe("a finaliser that closes the client while a request is being started", function()
  for name, opts in pairs { ["with the client's own options"] = {},
    ["with a base URL of its own"] = { base_url = service.http_url } } do
    it(name .. " makes the call misuse, or ends it", function()
      local closed = 0
      for i = 1, 300 do
        local client = client_of(sora)
        collectgarbage "stop"
        finalised(function() client:close() end) -- garbage: it runs in an allocation to come
        collectgarbage("setpause", 0)
        local before = collectgarbage("setstepmul", 1000000) -- each step is a whole cycle
        collectgarbage "restart"
        local ok, result = pcall(core.request, client, id "never" .. ("x"):rep(i), opts, {})
        collectgarbage("setpause", 200)
        collectgarbage("setstepmul", before)
        if ok then
          client:close()
          assert.is_true(result:done())
        else
          closed = closed + 1
          assert.matches("closed", result)
        end
        assert.equal(0, client:in_flight())
      end
      assert.is_true(closed > 0)
    end)
  end
end)

describe("a program ends cleanly with everything in flight, and finalisers that use it:", function()
  for _, how in ipairs { "return", "exit", "error", "inside" } do
    for _, modules in ipairs {
      "sora sora.cqueues sora.luv", "sora.luv sora.cqueues sora", "sora.cqueues sora.luv sora",
    } do
      it(how .. ", " .. modules, function()
        local ended = program.run(("%s spec/support/ending.lua %s %s %s"):format(shell.LUA, how,
          service.http_url, modules))
        local said = ended.out .. ended.err
        assert.are.equal(how == "error" and 1 or 0, ended.code, said)
        assert.are.equal(how == "error" and "mine" or "", said:match ": (mine)\n" or said)
      end)
    end
  end
end)

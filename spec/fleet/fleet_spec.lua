-- A fleet as its users see it: one process, a real Redis, the stand-in service.

local fleets = require "spec.support.fleet"
local flows = require "spec.support.flows"
local ports = require "spec.support.ports"
local redis = require "spec.support.redis"
local sora = require "sora"
local standin = require "spec.support.standin"

local lacking = fleets.lacking() or flows.lacking
if lacking then
  return describe("a fleet", function() it("needs more", function() pending(lacking) end) end)
end

local world

setup(function() world = fleets.start { service = standin.shared() } end)
teardown(function() world:stop() end)
before_each(function() world.server:call "FLUSHALL" end)

local function id_of(...) return standin.shared():id(...) end

local function polls(id) return #standin.shared():log(id) end

--- Runs fn(fleet) in a flow of control beside a worker, and stops that.
local function beside_worker(fn, more)
  local fleet = world:fleet(flows.sora, more)
  return flows.run(function()
    local worker = flows.spawn(function() return fleet:work { concurrency = 20, drain = 1 } end)
    local found = { fn(fleet) }
    fleet:stop()
    assert.is_true(worker:join())
    fleet:close()
    return (table.unpack or unpack)(found)
  end)
end

describe("fleet:add and fleet:wait", function()
  it("return what sora.wait returns", function()
    local id = id_of("queued", "pending;progress=0.5", "completed")
    beside_worker(function(fleet)
      assert.equal("added", fleet:add(id))
      local task, err = fleet:wait(id)
      assert.is_nil(err)
      assert.equal("succeeded", sora.status(task))
      assert.is_string(sora.video_url(task))
      assert.equal(tostring(task), tostring(assert(sora.client(world.client_options):query(id))))
    end)
    assert.equal(4, polls(id))
  end)

  it("tell a failure with its task, code and reason", function()
    local id = id_of("queued", "failed")
    beside_worker(function(fleet)
      fleet:add(id)
      local task, err = fleet:wait(id)
      assert.is_nil(task)
      assert.are.same({ "failed", "sentinel_block", id }, { err.kind, err.code, err.id })
      assert.equal("failed", sora.status(err.task))
      assert.is_truthy(tostring(err):find(sora.failure(err.task), 1, true))
    end)
  end)

  it("watch a task once, however often it is added, and know how it ended", function()
    local id = id_of("queued", "completed")
    beside_worker(function(fleet)
      local other = world:fleet(flows.sora)
      assert.equal("added", fleet:add(id))
      assert.equal("watched", other:add(id))
      assert(fleet:wait(id))
      local said, task, err = other:add(id)
      assert.are.same({ "ended", "succeeded" }, { said, sora.status(task) })
      assert.is_nil(err)
      assert.equal("succeeded", sora.status((other:wait(id))))
      other:close()
    end)
    assert.equal(2, polls(id))
  end)

  it("take a task in the place of its id", function()
    local id = id_of("queued", "completed")
    beside_worker(function(fleet)
      local task = assert(fleet.client:query(id))
      fleet:add(task)
      assert.equal("succeeded", sora.status((fleet:wait(task))))
    end)
  end)

  it("end with a timeout at the task's deadline, and watch it anew when it is added again",
    function()
      local id = id_of("queued*9", "completed")
      beside_worker(function(fleet)
        fleet:add(id, { timeout = 0.6 })
        local _, err = fleet:wait(id)
        assert.are.same({ "timeout", true }, { err.kind, err.retryable })
        assert.matches("^timeout after 0%.%d s %(polls: %d%)", err.message)
        assert.equal("queued", err.task.status)
        assert.equal("added", fleet:add(id, { timeout = 60 }))
        assert(fleet:wait(id))
      end)
    end)

  it("time out by themselves, with what was seen", function()
    local id = id_of "pending;progress=0.5"
    beside_worker(function(fleet)
      fleet:add(id)
      local _, err = fleet:wait(id, { timeout = 1 })
      assert.equal("timeout", err.kind)
      assert.matches("timeout after 1%.0 s: .* 50 %%$", err.message)
      assert.equal("pending", err.task.status)
      assert.equal("watched", fleet:add(id))
    end)
  end)

  it("say at once that a task is not watched", function()
    beside_worker(function(fleet)
      local _, err = fleet:wait "nobody"
      assert.are.same({ "api", true }, { err.kind, err.not_found })
    end)
  end)

  it("find the name by which the service knows a task", function()
    beside_worker(function(fleet)
      local made = assert(fleet.client:create({ model = "sora-2", prompt = "a cat" }))
      fleet:add(made)
      assert.equal("succeeded", sora.status((fleet:wait(made))))
    end)
  end)
end)

describe("fleet:watch", function()
  it("yields each change and the end", function()
    local id = id_of("queued*2", "pending;progress=0.3", "pending;progress=0.6", "completed")
    local seen = {}
    beside_worker(function(fleet)
      fleet:add(id)
      local next_change = fleet:watch(id)
      local task = next_change()
      while task do
        seen[#seen + 1] = task.status ~= "pending" and task.status or sora.progress(task)
        task = next_change()
      end
    end)
    assert.equal("completed", table.remove(seen))
    assert.is_true(#seen >= 1)
    for i = 2, #seen do
      assert.is_true(type(seen[i - 1]) == "string" or seen[i] > seen[i - 1])
    end
  end)

  it("raises the error that wait would return", function()
    if _VERSION == "Lua 5.1" and not jit then return pending "it cannot yield inside pcall" end
    local id = id_of "failed"
    beside_worker(function(fleet)
      fleet:add(id)
      local ok, err = pcall(function()
        local next_change = fleet:watch(id)
        while next_change() do end -- luacheck: ignore
      end)
      assert.is_false(ok)
      assert.equal("failed", err.kind)
    end)
  end)
end)

describe("fleet:results", function()
  local function read(fleet, opts)
    local told = {}
    opts.on_result = opts.on_result or function(id, task, err, data)
      told[#told + 1] = { id = id, task = task, err = err, data = data }
    end
    return flows.spawn(function() return fleet:results(opts) end), told
  end

  local function await(condition)
    for _ = 1, 500 do
      if condition() then return end
      flows.sleep(0.01)
    end
    error "it did not come to be"
  end

  it("tells each end once to each group, with its data", function()
    local good, bad = id_of "completed", id_of "failed"
    beside_worker(function(fleet)
      fleet:add(good, { data = { order = 17, list = { 1, 2 } } })
      fleet:add(bad)
      local one, told = read(fleet, { group = "db" })
      local two, told_too = read(fleet, { group = "mail" })
      await(function() return #told == 2 and #told_too == 2 end)
      table.sort(told, function(a) return a.task ~= nil end)
      assert.are.same({ good, { order = 17, list = { 1, 2 } } }, { told[1].id, told[1].data })
      assert.equal("succeeded", sora.status(told[1].task))
      assert.are.same({ bad, "failed" }, { told[2].id, told[2].err.kind })
      fleet:stop()
      assert.is_true(one:join() and two:join())
      for _, group in ipairs(world.server:call("XINFO", "GROUPS", world.prefix .. "ends")) do
        assert.are.same({ "consumers", 0, "pending", 0 },
          { group[3], group[4], group[5], group[6] })
      end
    end)
  end)

  it("tells again what was not acknowledged: on_result raised, another one goes on", function()
    local id = id_of "completed"
    beside_worker(function(fleet)
      fleet:add(id)
      fleet:wait(id)
      local ok, err = flows.pcall(fleet.results, fleet, {
        group = "db", on_result = function() error "the database is away" end,
      })
      assert.is_false(ok)
      assert.matches("the database is away", tostring(err))
      local reader, told = read(fleet, { group = "db", idle = 0.1 })
      await(function() return #told == 1 end)
      assert.equal(id, told[1].id)
      fleet:stop()
      reader:join()
    end)
  end)

  it("tells a reader that comes again by its name what it owes", function()
    local id = id_of "completed"
    beside_worker(function(fleet)
      fleet:add(id)
      fleet:wait(id)
      flows.pcall(fleet.results, fleet, {
        group = "db", consumer = "me", on_result = function() error "no" end,
      })
      local reader, told = read(fleet, { group = "db", consumer = "me" })
      await(function() return #told == 1 end)
      fleet:stop()
      reader:join()
    end)
  end)

  it("goes past what it owes and the stream has dropped", function()
    local dropped, kept = id_of "completed", id_of "completed"
    beside_worker(function(fleet)
      for _, id in ipairs { dropped, kept } do
        fleet:add(id)
        fleet:wait(id)
      end
      flows.pcall(fleet.results, fleet, {
        group = "db", consumer = "me", on_result = function() error "no" end,
      })
      local stream = world.prefix .. "ends"
      local entries = world.server:call("XRANGE", stream, "-", "+")
      assert.equal(2, #entries)
      world.server:call("XDEL", stream, entries[1][1])
      local reader, told = read(fleet, { group = "db", consumer = "me" })
      await(function() return #told == 1 end)
      assert.equal(entries[2][2][2], told[1].id)
      fleet:stop()
      reader:join()
      assert.equal(0, world.server:call("XPENDING", stream, "db")[1])
    end)
  end)
end)

describe("fleet:work", function()
  it("keeps to the rate: permits, and the service's count", function()
    local ids = {}
    for i = 1, 60 do ids[i] = id_of "completed" end
    standin.shared():reset()
    local rate = { requests = 20, seconds = 1 }
    beside_worker(function(fleet)
      for _, id in ipairs(ids) do fleet:add(id) end
      for _, id in ipairs(ids) do assert(fleet:wait(id)) end
    end, { rate = rate })
    assert.equal(60, #world:log())
    -- a permit may be a second old
    assert.is_true(world:peak(1) <= 2 * rate.requests, world:peak(1))
    assert.is_true(world:peak(2) <= 3 * rate.requests, world:peak(2))
  end)

  it("is silenced as a whole by a 429", function()
    local limited, others = id_of("429;retry_after=4", "completed"), {}
    for i = 1, 10 do others[i] = id_of("queued*6", "completed") end
    standin.shared():reset()
    beside_worker(function(fleet)
      local second = world:fleet(flows.sora)
      local worker = flows.spawn(function() return second:work { concurrency = 3 } end)
      for _, id in ipairs(others) do fleet:add(id) end
      fleet:add(limited)
      repeat flows.sleep(0.05) until assert(fleet:stats()).held_back > 0
      for _, id in ipairs(others) do assert(fleet:wait(id)) end
      second:stop()
      worker:join()
      second:close()
      assert.equal(1, assert(fleet:stats()).holds)
    end)
    local log, silent_from = world:log(), nil
    for _, entry in ipairs(log) do
      if entry.id == limited then silent_from = silent_from or entry.time end
    end
    local before, during = 0, 0
    for _, entry in ipairs(log) do -- a second for what was in flight
      if entry.time < silent_from then before = before + 1 end
      if entry.time > silent_from + 1 and entry.time < silent_from + 3.9 then
        during = during + 1
      end
    end
    assert.equal(0, during)
    assert.is_true(#log - before > 10)
  end)

  it("gives back what it holds when it is stopped, with the poller's state", function()
    local id = id_of("queued", "pending;progress=0.2", "pending;progress=0.4;delay=30", "completed")
    local fleet = world:fleet(flows.sora, { lease = 60 })
    flows.run(function()
      local worker = flows.spawn(function() return fleet:work { concurrency = 5, drain = 0.2 } end)
      fleet:add(id)
      repeat flows.sleep(0.01) until polls(id) == 3
      fleet:stop()
      assert.is_true(worker:join())
    end)
    fleet:close()
    local due = tonumber((world.server:call("ZSCORE", world.prefix .. "due", id)))
    assert.is_true(due <= tonumber(world.server:call("TIME")[1]) + 1)
    local state = sora.decode(
      assert(world.server:call("HGET", world.prefix .. "task:" .. id, "state")))
    assert.equal(2, state.polls)
    beside_worker(function(other)
      assert.equal("succeeded", sora.status((assert(other:wait(id)))))
    end)
    assert.equal(4, polls(id))
  end)

  it("ends a task that was claimed again and again, and never reported", function()
    local id = id_of "completed"
    local fleet = world:fleet(flows.sora)
    flows.run(function() fleet:add(id) end)
    fleet:close()
    world.server:call("HSET", world.prefix .. "task:" .. id, "tries", 10)
    beside_worker(function(other)
      local _, err = other:wait(id)
      assert.equal("cancelled", err.kind)
      assert.matches("claimed 10 times", err.message)
    end)
    assert.equal(0, polls(id))
  end)

  it("ends when its client is closed", function()
    local id = id_of "queued;delay=20"
    local fleet = world:fleet(flows.sora)
    flows.run(function()
      local worker = flows.spawn(function() return fleet:work() end)
      fleet:add(id)
      repeat flows.sleep(0.01) until polls(id) == 1
      fleet.client:close()
      assert.is_true(worker:join())
    end)
    fleet:close()
    assert.equal(false, world.server:call("HGET", world.prefix .. "task:" .. id, "token"))
  end)
end)

describe("what is stored", function()
  it("holds no key of the service, and all of it goes after its time", function()
    local ids = { id_of("queued", "completed"), id_of "failed", id_of("401") }
    beside_worker(function(fleet)
      for _, id in ipairs(ids) do fleet:add(id, { timeout = 60 }) end
      for _, id in ipairs(ids) do fleet:wait(id) end
      fleet:add(id_of "queued")
      flows.sleep(0.3)
    end)
    local lasting = {}
    for _, key in ipairs(world.server:call("KEYS", "*")) do
      local dump = world.server:call("DUMP", key)
      assert.is_nil(dump:find("sk-fleet-secret", 1, true), key)
      if world.server:call("TTL", key) < 0 then lasting[key:sub(#world.prefix + 1)] = true end
    end
    lasting.workers = nil -- where one has not left
    assert.are.same({ format = true, due = true, ends = true, counts = true }, lasting)
  end)
end)

describe("bad input", function()
  local function raised(fn, ...)
    local ok, err = pcall(fn, ...)
    assert.is_false(ok)
    return err
  end

  local function fleet_with(opts)
    local given = { redis = world.server.url, name = "spec" }
    for name, value in pairs(opts) do given[name] = value end
    local fleet = sora.fleet(given)
    return fleet
  end

  it("is refused where the call stands, and the option named", function()
    for text, opts in pairs {
      ["option 'name' must be a name without braces"] = { name = "a{b}" },
      ["unknown option 'nmae'"] = { nmae = "x" },
      ["option 'rate' must be a table { requests = …, seconds = … }"] = { rate = { requests = 0 } },
      ["option 'lease' must be a number of seconds, 3 at least"] = { lease = 1 },
      ["option 'interval' must be a number of seconds"] = { interval = "5" },
      ["option 'client' must be a client"] = { client = {} },
      ["option 'redis'"] = { redis = "http://127.0.0.1" },
    } do
      local err = raised(function() fleet_with(opts) end)
      assert.is_truthy(err:find(text, 1, true), err)
      assert.matches("fleet_spec%.lua:%d+: ", err)
    end
    assert.matches("fleet_spec.lua:%d+: option 'redis' is missing",
      raised(function() local fleet = sora.fleet { name = "x" } return fleet end))
    local fleet = fleet_with {}
    for text, call in pairs {
      ["bad argument #1 to 'add' %(task id"] = function() local s = fleet:add(7) return s end,
      ["option 'timeout' must be a number"] = function()
        local s = fleet:add("x", { timeout = 0 }) return s
      end,
      ["option 'data' must be a value that JSON has"] = function()
        local s = fleet:add("x", { data = print }) return s
      end,
      ["unknown option 'intervall'"] = function()
        local s = fleet:wait("x", { intervall = 1 }) return s
      end,
      ["option 'group' is missing"] = function()
        local s = fleet:results { on_result = print } return s
      end,
      ["bad self of 'work'"] = function() local s = fleet.work {} return s end,
    } do
      assert.matches("fleet_spec%.lua:%d+: " .. text, raised(call))
    end
    fleet:close()
  end)

  --- The error of each call.
  local function refused(opts, kind, text)
    local fleet = fleet_with(opts)
    for name, call in pairs {
      add = function() return fleet:add "x" end, wait = function() return fleet:wait "x" end,
      work = function() return fleet:work() end, stats = function() return fleet:stats() end,
      results = function() return fleet:results { group = "g", on_result = print } end,
    } do
      local found, err = call()
      assert.is_nil(found, name)
      assert.equal(kind, err.kind, name)
      assert.is_truthy(err.message:find(text, 1, true), name .. ": " .. err.message)
    end
    fleet:close()
  end

  it("no Redis is an error of kind connect", function()
    refused({ redis = "redis://127.0.0.1:" .. ports.free(1)[1] }, "connect", "")
  end)

  it("a wrong password is told", function()
    local closed = redis.start { requirepass = "right-password" }
    local url = closed.url:gsub("right", "wrong")
    refused({ redis = url }, "api", "WRONGPASS")
    local fleet = fleet_with { redis = url }
    assert.is_nil(tostring(select(2, fleet:add "x")):find("wrong-password", 1, true))
    fleet:close()
    closed:stop()
  end)

  it("another's keys under the name are left alone", function()
    world.server:call("SET", world.prefix .. "due", "mine")
    refused({}, "api", "somebody else's")
    assert.equal("mine", world.server:call("GET", world.prefix .. "due"))
  end)

  it("a format that this version does not know is told", function()
    world.server:call("SET", world.prefix .. "format", "9")
    refused({}, "api", "of the format '9', this version knows '1'")
  end)
end)

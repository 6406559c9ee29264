-- What a fleet promises, each promise against a real redis-server and worker processes.
--
-- Whatever happens to workers, to Redis and to what is between them: every task ends exactly once
-- in Redis, is told at least once to each group, and is never asked about by two workers at once.
-- With PROMISES=1 in the environment the counts are printed; $KILLS and $TASKS are those of the
-- kills.

local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local fleets = require "spec.support.fleet"
local helpers = require "spec.support.helpers"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"
local system = require "system"

local lacking = fleets.lacking()
if lacking then return pending(lacking) end

local TASKS, RATE = 40, 60

local LIVES = {
  { "succeeded", "queued", "pending;progress=0.3", "pending;progress=0.6", "completed" },
  { "succeeded", "queued*2", "500", "pending;progress=0.5*2", "completed" },
  { "succeeded", "queued;delay=0.5", "pending;delay=0.5", "completed;delay=0.2" },
  { "failed", "queued*2", "pending;progress=0.9", "failed" },
}

local function print_counts(name, fields)
  if not os.getenv "PROMISES" then return end
  local words = {}
  for key, value in pairs(fields) do words[#words + 1] = key .. " " .. tostring(value) end
  table.sort(words)
  io.stderr:write(("\n%s: %s\n"):format(name, table.concat(words, ", ")))
end

--- Runs a fleet over which `disturb(world, workers)` comes, and checks what was promised.
--- opts: of fleets.start; workers: functions that start one, else two are started
local function promise(name, opts, disturb)
  opts.service, opts.rate = standin.shared(), { requests = RATE, seconds = 1 }
  opts.redis = opts.redis or {}
  opts.redis.appendonly, opts.redis.appendfsync = "yes", "always"
  standin.shared():reset()
  local world = fleets.start(opts)
  local ok, err = pcall(function()
    local workers = {}
    for i = 1, 2 do
      workers[i] = opts.worker and opts.worker(world, i) or world:process "work"
    end
    world:process("read", "db")
    world:process("read", "mail")
    local ids, expected = {}, {}
    for i = 1, TASKS do
      local life = LIVES[i % #LIVES + 1]
      ids[i] = standin.shared():id((table.unpack or unpack)(life, 2))
      expected[ids[i]] = life[1]
    end
    world:add(ids)
    system.sleep(0.7) -- the tasks are in the midst of it
    disturb(world, workers)
    assert.is_true(world:settle(60), "tasks are left")
    assert.is_true(world:await_delivery("db", ids), "not all was told to db")
    assert.is_true(world:await_delivery("mail", ids), "not all was told to mail")
    local ends, told, log = world:ends(), world:delivered "db", world:log()
    local again = 0
    for i, id in ipairs(ids) do
      assert.equal(1, ends[id], id)
      assert.equal(expected[id], world:word(id), id)
      again = again + told[id] - 1
      assert.is_true(told[id] >= 1, i)
    end
    assert.equal(0, world:overlaps(log))
    assert.is_true(world:peak(1, log) <= 2 * RATE)
    assert.is_true(world:peak(4, log) <= 5 * RATE)
    print_counts(name, {
      tasks = TASKS, queries = #log, ["told again"] = again, ["most in 1 s"] = world:peak(1, log),
    })
  end)
  world:stop()
  if not ok then error(err, 0) end
end

--- Stops a worker at the place until another one asks about the same task.
local function stop_and_go_on(world, place)
  local service = world.service
  local id = service:id("queued;delay=1", "completed")
  world:add { id }
  os.execute("kill -STOP " .. service.pid) -- or the connection might stand before the worker does
  local late = world:process("work", nil, { STOP = place })
  local stopped = eventually(function()
    return (files.read(("/proc/%s/stat"):format(late.pid)) or ""):find "%) T "
  end, 20)
  os.execute("kill -CONT " .. service.pid)
  assert.is_truthy(stopped)
  world:process "work"
  assert.is_truthy(eventually(function() return #service:log(id) > 0 end, 20))
  late:kill "CONT"
  assert.is_true(world:settle(60))
  system.sleep(0.5)
  local log = world:log()
  assert.are.equal("2", log[1].headers["x-query"]:match "^%d+")
  assert.are.equal(0, world:overlaps(log))
end

describe("a fleet keeps its promises #unchecked", function() -- it has processes, and a preload
  it("when nothing happens", function()
    promise("nothing", {}, function() end)
  end)

  it("when workers are killed with -9, at random moments", function()
    local kills, tasks = os.getenv "KILLS" or "10", os.getenv "TASKS" or "60"
    local command = ("nice -n 5 %s spec/support/chaos.lua 20 %s 1 %s 2>&1"):format(
      shell.quote(shell.LUA), tasks, kills)
    local said = shell.output_of(command)
    assert.is_truthy(said:find(("%s kill -9 of a worker"):format(kills), 1, true), said)
    assert.is_truthy(said:find(("tasks %s, ends %s,"):format(tasks, tasks), 1, true), said)
    assert.is_truthy(said:find("overlaps 0, verdict: all held", 1, true), said)
    print_counts("kill -9", { kills = kills, tasks = tasks, verdict = "all held" })
  end)

  it("when a worker is stopped for longer than its lease", function()
    promise("SIGSTOP", { lease = 3 }, function(world, workers)
      workers[1]:kill "STOP"
      system.sleep(4.5)
      workers[1]:kill "CONT"
      assert.is_true(world:settle(60))
      system.sleep(1.5) -- what it holds is too old, and what it reports is stale
    end)
  end)

  -- The places where a stop is worst: the worker has looked at its lease for the last time. When it
  -- goes on another one is asking.
  for place, what in pairs {
    ask = "between its decision to ask and the query", connect = "while it connects for a query",
  } do
    it("when a worker is stopped " .. what, function()
      local service = standin.shared()
      service:reset()
      local world = fleets.start { service = service, lease = 3 }
      local ok, err = pcall(stop_and_go_on, world, place)
      world:stop()
      if not ok then error(err, 0) end
    end)
  end

  it("when Redis is killed with -9, and starts again from its log", function()
    promise("kill -9 of Redis", {}, function(world)
      for _ = 1, 2 do
        world.server:kill()
        system.sleep(0.5)
        world.server:restart()
        system.sleep(0.5)
      end
    end)
  end)

  it("when Redis forgets its scripts", function()
    promise("SCRIPT FLUSH", {}, function(world)
      for _ = 1, 10 do
        assert.equal("OK", world.server:call("SCRIPT", "FLUSH"))
        system.sleep(0.2)
      end
    end)
  end)

  it("when Redis pauses its clients", function()
    promise("CLIENT PAUSE", {}, function(world)
      assert.equal("OK", world.server:call("CLIENT", "PAUSE", 3000, "ALL"))
      system.sleep(3.2)
    end)
  end)

  it("when Redis is full: new tasks are refused, those that are there go on", function()
    promise("full Redis", {}, function(world)
      world.server:call("CONFIG", "SET", "maxmemory", 1)
      local fleet = world:fleet()
      local said, err = fleet:add "sora-2:task_new"
      assert.is_nil(said)
      assert.are.same({ "api", true }, { err.kind, err.retryable })
      assert.is_truthy(err.message:find "OOM")
      assert.is_true(world:settle(60), "tasks are left while Redis is full")
      world.server:call("CONFIG", "SET", "maxmemory", 0)
      assert.equal("added", (fleet:add(standin.shared():id "completed")))
      fleet:close()
    end)
  end)

  it("when the network between a worker and Redis is cut", function()
    local relay
    promise("network cut", {
      lease = 3,
      worker = function(world, i)
        if i == 2 then return world:process "work" end
        relay = program.start(("%s spec/support/relay.lua %s %d"):format(shell.quote(shell.LUA),
          shell.quote(world.folder), world.server.port))
        relay:await(function() return (files.read(world.folder .. "/relay") or "") ~= "" end)
        return world:process("work", nil, nil,
          "redis://127.0.0.1:" .. files.read(world.folder .. "/relay"))
      end,
    }, function(world, workers)
      files.write(world.folder .. "/cut", "")
      assert.is_true(world:settle(60), "tasks are left")
      os.remove(world.folder .. "/cut")
      system.sleep(1)
      local living = world:kill(workers[1])
      relay:kill "KILL"
      relay:wait()
      assert.equal(137, living.code) -- it had not ended by itself
    end)
  end)

  it("when every connection to Redis is closed", function()
    promise("connections closed", {}, function(world)
      for _ = 1, 5 do
        world.server:call("CLIENT", "KILL", "TYPE", "normal")
        world.server:call("CLIENT", "KILL", "TYPE", "pubsub")
        system.sleep(0.3)
      end
    end)
  end)

  it("when the clocks of two workers are an hour apart", function()
    local preload = helpers.build() .. "clock.so"
    local function now(offset)
      return tonumber(shell.output_of(("LD_PRELOAD=%s CLOCK_OFFSET=%d %s -e 'print(os.time())'")
        :format(shell.quote(preload), offset, shell.quote(shell.LUA))))
    end
    assert.near(3600, now(3600) - now(0), 60)
    promise("clocks", {
      worker = function(world, i)
        return world:process("work", nil, {
          LD_PRELOAD = preload, CLOCK_OFFSET = i == 1 and "3600" or "0",
        })
      end,
    }, function() end)
  end)

  it("on a Redis that is a cluster of one", function()
    local function own_all(world)
      world.server:call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
      assert.is_true(eventually(function()
        return (world.server:call("CLUSTER", "INFO") or ""):find "cluster_state:ok"
      end), "the cluster did not come to be")
    end
    promise("cluster", {
      redis = { ["cluster-enabled"] = "yes" },
      worker = function(world, i)
        if i == 1 then own_all(world) end
        return world:process "work"
      end,
    }, function() end)
  end)
end)

describe("a fleet comes back by itself", function()
  it("when there was no Redis for a while", function()
    local world = fleets.start { service = standin.shared() }
    local fleet = world:fleet()
    assert.equal("added", (fleet:add(standin.shared():id "completed")))
    world.server:kill()
    local said, err = fleet:add "sora-2:task_x"
    assert.is_nil(said)
    assert.is_true(err.kind == "network" or err.kind == "connect", err.kind)
    assert.equal("connect", select(2, fleet:add "sora-2:task_x").kind)
    world.server:restart()
    local again
    eventually(function()
      again = fleet:add(standin.shared():id "completed")
      return again
    end)
    assert.equal("added", again)
    fleet:close()
    world:stop()
  end)
end)

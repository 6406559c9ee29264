-- `sora fleet work`: a worker as a command, with its signals and what it prints.

local command = require "spec.support.command"
local eventually = require "spec.support.eventually"
local fleets = require "spec.support.fleet"
local sora = require "sora"
local standin = require "spec.support.standin"
local system = require "system"

local lacking = fleets.lacking()

describe("sora fleet work", function()
  it("works for a fleet until Ctrl-C", function()
    if lacking then return pending(lacking) end
    local service = standin.shared()
    local world = fleets.start { service = service }
    local process = command.start(service, { "fleet", "work", "--redis", world.server.url,
      "--name", "spec" })
    local fleet = world:fleet()
    local id = service:id("queued", "completed")
    assert.are.equal("added", fleet:add(id))
    local task = assert(fleet:wait(id, { timeout = 20 }))
    assert.are.equal("succeeded", sora.status(task))
    fleet:close()
    process:kill "INT"
    local result = process:wait()
    assert.are.equal(130, result.code, result.err)
    assert.is_truthy(result.err:find("sora: working for the fleet spec\n", 1, true))
    world:stop()
  end)

  it("gives back at Ctrl-C what it holds, long before its lease is over", function()
    if lacking then return pending(lacking) end
    local service = standin.shared()
    local world = fleets.start { service = service }
    local process = command.start(service, { "fleet", "work", "--redis", world.server.url,
      "--name", "spec", "--lease", "600", "--rate", "5" })
    local ids = {}
    for i = 1, 3 do ids[i] = service:id("never", "completed") end
    world:add(ids)
    local function due()
      return world.server:call("ZCOUNT", world.prefix .. "due", "-inf", os.time())
    end
    assert.is_truthy(eventually(function()
      for _, id in ipairs(ids) do if #service:log(id) == 0 then return false end end
      return true
    end, 20))
    assert.are.equal(0, due())
    process:kill "INT"
    local result = process:wait()
    assert.are.equal(130, result.code, result.err)
    assert.is_truthy(result.err:find("given back", 1, true), result.err)
    local fleet = world:fleet()
    local stats = assert(fleet:stats())
    assert.are.same({ 3, 3, 0, 0 }, { stats.watched, stats.given_back, stats.workers,
      stats.dead_workers })
    system.sleep(1) -- os.time has whole seconds
    assert.are.equal(3, due())
    world:process "work" -- asks at once
    assert.is_true(world:settle(20))
    fleet:close()
    world:stop()
  end)

  it("takes no password, wants a name, and says when Redis is not there", function()
    local function run(...) return command.run(nil, { "fleet", "work", ... }) end
    local result = run("--name", "x", "--redis", "redis://:secret@127.0.0.1:1/0")
    assert.are.equal(64, result.code)
    assert.is_nil(result.err:find("secret", 1, true))
    assert.are.equal(64, run("--name", "x", "--redis", "redis://:sec/ret@127.0.0.1:1/0").code)
    assert.are.equal(64, run("--redis", "redis://127.0.0.1:1/0").code)
    assert.are.equal(64, run("--name", "x").code)
    if lacking then return end
    assert.are.equal(3, run("--name", "x", "--redis", "redis://127.0.0.1:1/0").code)
  end)
end)

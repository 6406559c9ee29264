local command = require "spec.support.command"
local fleets = require "spec.support.fleet"
local sora = require "sora"
local standin = require "spec.support.standin"

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

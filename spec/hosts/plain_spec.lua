-- The driver of plain scripts: it blocks, wherever the call stands.

local clients = require "spec.support.clients"
local core = require "sora.core"
local host = require "spec.support.host"
local inboxes = require "sora.hosts.inbox"
local program = require "spec.support.interrupt"
local sora = require "sora"
local standin = require "spec.support.standin"

local yields_in_pcall = coroutine.wrap(function() return pcall(coroutine.yield, true) end)()
local service, client

setup(function() service = standin.shared() end)

before_each(function() client = clients.new() end)

after_each(function() clients.finish(client) end)

local now = core.now

describe("a plain script that sleeps", function()
  --- Whether it came back before the time was over.
  local function early(inbox, seconds)
    local started = now()
    inbox.driver.park(inbox, seconds)
    return now() - started < seconds
  end

  it("is woken when the time is over, also on a client that was never asked, or is closed",
    function()
      local inbox = inboxes.new(client)
      assert.is_false(early(inbox, 0.05))
      assert.is_truthy(client:query(service:id "queued"))
      assert.is_false(early(inbox, 0.05))
      client:close()
      assert.is_false(early(inbox, 0.05))
    end)

  it("is woken once by each wake, also by one that came before", function()
    local inbox = inboxes.new(client)
    inbox.driver.wake(inbox)
    assert.is_true(early(inbox, 30))
    assert.is_false(early(inbox, 0.05))
  end)

  it("is woken by what has ended, and by nobody else's", function()
    local mine, other = inboxes.new(client), inboxes.new(client)
    inboxes.ask(other, service:id "queued")
    inboxes.ask(mine, service:id "completed;delay=0.3")
    assert.is_true(early(mine, 30))
    assert.equal("completed", inboxes.take(mine):result().status)
    assert.equal("queued", inboxes.take(other):result().status) -- it came meanwhile
  end)
end)

describe("a coroutine of the program's own", function()
  it("blocks, as the program does", function()
    local seen = {}
    local numbers = coroutine.wrap(function()
      assert(client:query(service:id "queued"))
      coroutine.yield(1)
      assert(client:wait(service:id("queued", "completed"), { interval = 0.02 }))
      coroutine.yield(2)
    end)
    for number in numbers do
      seen[#seen + 1] = number
      assert(client:query(service:id "queued"))
    end
    assert.same({ 1, 2 }, seen)
  end)

  it("may yield where it is called back, and others ask meanwhile", function()
    if not yields_in_pcall then return end -- a callback runs inside one
    local waiting = coroutine.wrap(function()
      local ids = { service:id "completed;delay=0.05", service:id "completed;delay=0.1" }
      local tasks = client:wait_all(ids, { on_result = coroutine.yield })
      return "over", tasks[ids[1]] and tasks[ids[2]] and true
    end)
    waiting()
    assert.equal("completed", client:query(service:id "completed;delay=0.3").status)
    waiting()
    assert.same({ "over", true }, { waiting() })
  end)

  it("that is dropped takes nothing down", function()
    local generator = coroutine.wrap(function()
      coroutine.yield(client:query(service:id "queued"))
      error "never reached"
    end)
    assert.equal("queued", generator().status)
    generator = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.equal("queued", client:query(service:id "queued").status)
  end)
end)

describe("client:cancel in a callback", function()
  it("ends the wait that would sleep, and leaves the client usable", function()
    local id = service:id("queued", "completed")
    local task, err = client:wait(id, {
      interval = 0.02, on_update = function() client:cancel() end,
    })
    assert.is_nil(task)
    assert.equal("cancelled", err.kind)
    assert.equal("queued", err.task.status)
    assert.equal("completed", client:wait(id, { interval = 0.02 }).status)
  end)

  it("ends all of a wait_all, those in flight and those that sleep", function()
    local ids, asked = {}, 0
    for i = 1, 10 do ids[i] = i % 2 == 0 and service:id "never" or service:id "queued" end
    local tasks, errs = client:wait_all(ids, {
      interval = 60, on_update = function()
        asked = asked + 1
        if asked == 5 then client:cancel() end
      end,
    })
    assert.is_nil(next(tasks))
    for _, id in ipairs(ids) do assert.equal("cancelled", errs[id].kind) end
    assert.equal(0, client:stats().in_flight)
  end)

  it("ends a watch, which raises that", function()
    local next_change = client:watch(service:id("queued", "completed"), { interval = 0.02 })
    assert.equal("queued", next_change().status)
    client:cancel()
    local ok, err = pcall(next_change)
    assert.is_false(ok)
    assert.equal("cancelled", err.kind)
  end)
end)

describe("a client of another host", function()
  it("keeps its driver, whose methods it has", function()
    local lacking = host.lacks "cqueues"
    if lacking then return pending(lacking) end
    local cqueues = require "cqueues"
    local own = clients.new(nil, require "sora.cqueues")
    local order, controller = {}, cqueues.new()
    controller:wrap(function()
      assert(own:query(service:id "completed;delay=0.2"))
      order[#order + 1] = "query"
    end)
    controller:wrap(function()
      cqueues.sleep(0.02)
      order[#order + 1] = "beside it"
    end)
    assert(controller:loop(20))
    assert.same({ "beside it", "query" }, order)
    assert.equal(getmetatable(client), getmetatable(own))
    own:close()
  end)
end)

describe("Ctrl-C", function()
  if yields_in_pcall then -- Lua 5.1 hides the signal from coroutines
    it("ends a wait in a coroutine of the program's own", function()
      local said = program.interrupted(service, ([[
        coroutine.wrap(function() return client:wait(%q, { interval = 30 }) end)()
      ]]):format(service:id "queued"))
      assert.is_truthy(said:find("interrupted!", 1, true), said)
    end)
  end

  it("ends a wait that sleeps, and leaves the client usable", function()
    local said = program.interrupted(service, ([[
      print(pcall(client.wait, client, %q, { interval = 30 }))
      print(client:query(%q).status)
    ]]):format(service:id "queued", service:id "completed"))
    assert.is_truthy(said:find("^false\t[^\n]*interrupted!\ncompleted$"), said)
  end)
end)

it("the module has no scheduler", function()
  for _, name in ipairs { "run", "spawn", "sleep" } do assert.is_nil(sora[name]) end
end)

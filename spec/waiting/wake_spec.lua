-- client:wake in a script, where only callbacks can call it. driver_contract.lua has it in hosts in
-- which others wait meanwhile.

local clients = require "spec.support.clients"
local core = require "sora.core"
local pollers = require "sora.waiting.poller"
local paces = require "sora.waiting.pace"
local standin = require "spec.support.standin"

local service = standin.shared()
local client
local LONG = { interval = 60, max_interval = 60 }

local function long(opts)
  for name, value in pairs(LONG) do opts[name] = value end
  return opts
end

before_each(function() client = clients.new() end)
after_each(function() clients.finish(client) end)

describe("client:wake", function()
  it("returns false for an id that nobody waits for, and for one of a wait that is over", function()
    local id = service:id "completed"
    assert.is_false(client:wake(id))
    assert(client:wait(id))
    assert.is_false(client:wake(id))
    client:wait_all({ id }, { on_result = function() assert.is_false(client:wake(id)) end })
    pcall(client.wait, client, service:id "queued", { on_update = function() error "mine" end })
    assert.is_false(client:wake(id))
  end)

  it("has wait_all ask for a task that sleeps, of any number, and for no other", function()
    local ids = {}
    for i = 1, 50 do ids[i] = service:id("queued", "completed") end
    local asked = 0
    local tasks = client:wait_all(ids, long {
      timeout = 20,
      on_update = function()
        asked = asked + 1
        if asked < 50 then return end
        if asked == 50 then -- all but this one sleep
          assert.is_true(client:wake(ids[17]))
          assert.is_true(client:wake(ids[3]))
          assert.is_false(client:wake(ids[3]), "it is due already")
        end
      end,
      on_result = function() if asked == 52 then client:cancel() end end,
    })
    assert.equal(52, asked)
    assert.same({ "completed", "completed" }, { tasks[ids[17]].status, tasks[ids[3]].status })
    assert.equal(52, client:stats().requests)
  end)

  it("shortens the pause of a wait whose callback it is called in", function()
    local id = service:id("queued", "completed")
    local task = client:wait(id, long { timeout = 20, on_update = function() client:wake(id) end })
    assert.equal("completed", task.status)
  end)

  it("takes a task for its id, and wakes what watch waits for", function()
    local id = service:id("queued", "pending", "completed")
    local next_change = client:watch(id, long { timeout = 20 })
    local words = {}
    local task = next_change()
    while task do
      words[#words + 1] = task.status
      assert.equal(task.status ~= "completed", client:wake(task))
      task = next_change()
    end
    assert.same({ "queued", "pending", "completed" }, words)
  end)

  it("leaves a service alone that has said 429", function()
    local pace = paces.new()
    local poller = pollers.new("id", pollers.rules(core.options "wait"), pace, 0)
    poller:answer(1, nil, { status = 429, retry_after = 30, retryable = true })
    assert.is_true(poller:advance("id", 2))
    local action, seconds = poller:due(2)
    assert.equal("ask", action)
    assert.is_true(seconds >= 29)
  end)

  it("refuses what is no id where the call stands", function()
    local ok, err = pcall(function() client:wake(42) end)
    assert.is_false(ok)
    assert.matches("wake_spec%.lua:%d+: bad argument #1 to 'wake' %(task id", err)
    ok, err = pcall(function() client.wake("a") end)
    assert.is_false(ok)
    assert.matches("wake_spec%.lua:%d+: bad argument #1 to 'wake' %(sora%.client expected", err)
  end)
end)

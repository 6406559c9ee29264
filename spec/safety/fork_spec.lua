-- Processes that fork with connections open and requests in flight: parent and child go on, and no
-- byte of one is in the other's stream.

local clients = require "spec.support.clients"
local helpers = require "spec.support.helpers"
local core = require "sora.core"
local sora = require "sora"
local standin = require "spec.support.standin"

local now = sora.driver.now

local service = standin.shared()
local unix

setup(function() unix = helpers.load "unix" end)

describe("after fork", function()
  --- Numbers of the connections that an id was asked on.
  local function connections(id)
    local list = {}
    for _, entry in ipairs(service:log(id)) do list[#list + 1] = entry.connection end
    return list
  end

  for name, url in pairs { ["HTTP/2"] = "base_url", ["HTTP/1.1"] = "h1_url" } do
    it("child and parent go on over " .. name .. ", each on connections of its own", function()
      local c = clients.new { base_url = service[url] }
      local before, parent, child = service:id "completed", service:id "completed",
        service:id "completed"
      assert.is_truthy(c:query(before))
      local pid = unix.child(function()
        assert(c:query(child))
        assert(c:query(child))
        c:close()
      end)
      assert.are.equal(0, unix.wait(pid))
      assert.is_truthy(c:query(parent))
      local mine = connections(before)[1]
      assert.are.same({ mine }, connections(parent)) -- nothing that the child did ended it
      for _, connection in ipairs(connections(child)) do assert.are_not.equal(mine, connection) end
      assert.are.equal(2, #connections(child))
      c:close()
    end)
  end

  it("what was in flight is the parent's: the child is told that it is lost", function()
    local c = clients.new()
    assert.is_truthy(c:query(service:id "completed"))
    local slow = service:id "completed;delay=0.5"
    local inbox = {}
    local request = core.request(c, slow, nil, inbox)
    c:step()
    local pid = unix.child(function()
      local task, err = c:query(service:id "completed")
      assert(task, tostring(err))
      assert(request:done())
      assert(select(2, request:result()).kind == "cancelled")
    end)
    assert.are.equal(0, unix.wait(pid))
    local deadline = now() + 5
    while not request:done() and now() < deadline do
      core.step(c, 0.01)
    end
    assert.are.equal(slow, request:result().id)
    assert.are.equal(1, #service:log(slow))
    c:close()
  end)

  it("a child that only ends, its clients collected, harms nothing", function()
    local c = clients.new()
    assert.is_truthy(c:query(service:id "completed"))
    for _ = 1, 3 do
      assert.are.equal(0, unix.wait(unix.child(function()
        c = nil -- luacheck: ignore
        collectgarbage()
        collectgarbage()
      end)))
      assert.is_truthy(c:query(service:id "completed"))
    end
    assert.are.equal(1, c:stats().connections)
    c:close()
  end)
end)

describe("a fork in the middle", function()
  local c, child

  before_each(function()
    c, child = clients.new(), nil
    assert.is_truthy(c:query(service:id "completed"))
  end)
  after_each(function() c:close() end)

  --- In the child: fn() decides its status; it never returns into the specs.
  local function leave(fn)
    local ok, err = pcall(fn)
    if not ok then io.stderr:write("child: ", tostring(err), "\n") end
    unix.exit(ok and 0 or 1)
  end

  --- What the child has to find: `lost` is gone, and it goes on by itself.
  local function expect_lost(task, err)
    assert(not task and err.kind == "cancelled" and err.message:find "fork", tostring(err))
    assert(c:query(service:id "completed"))
    c:close()
  end

  it("of a query, by a signal's handler: the answer is the parent's alone", function()
    local id = service:id "completed;delay=0.5"
    unix.fork_in(0.1)
    local task, err = c:query(id)
    if unix.forked() == 0 then leave(function() expect_lost(task, err) end) end
    assert.are.equal(id, task and task.id, tostring(err))
    assert.are.equal(0, unix.wait(unix.forked()))
    assert.are.equal(1, #service:log(id))
    assert.are.equal(1, c:stats().connections)
  end)

  it("of core.step, by a signal's handler", function()
    local id = service:id "completed;delay=0.5"
    local request = core.request(c, id, nil, {})
    unix.fork_in(0.1)
    local deadline = now() + 10
    while not request:done() and now() < deadline do
      core.step(c, 1)
    end
    if unix.forked() == 0 then leave(function() expect_lost(request:result()) end) end
    assert.are.equal(id, (request:result()).id)
    assert.are.equal(0, unix.wait(unix.forked()))
    assert.are.equal(1, #service:log(id))
  end)

  it("of wait_all, in its own callback", function()
    local ids = {}
    for i = 1, 5 do ids[i] = service:id("queued;delay=0.1", "completed;delay=0.1") end
    local tasks, errs = c:wait_all(ids, { interval = 0.05, timeout = 10,
      on_update = function() child = child or unix.fork() end })
    if child == 0 then
      leave(function()
        for _, id in ipairs(ids) do assert(tasks[id] or errs[id], "nothing told of " .. id) end
        assert(c:query(service:id "completed"))
      end)
    end
    assert.are.same({}, errs)
    assert.are.equal(0, unix.wait(child))
  end)
end)

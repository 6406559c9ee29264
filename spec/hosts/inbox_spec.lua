-- Inboxes: how a call sleeps until what it waits for has ended, and who steps the client then.

local core = require "sora.core"
local inboxes = require "sora.hosts.inbox"
local standin = require "spec.support.standin"

local service = standin.shared()

--- A driver whose flows of control never wait: what happens meanwhile is said in advance.
local function new_driver(...)
  local driver, events = { attached = {}, woken = {}, detached = 0, parked = 0 }, { ... }
  function driver.attach(client) driver.attached[client] = true end
  function driver.detach() driver.detached = driver.detached + 1 end
  function driver.wake(inbox) driver.woken[inbox] = (driver.woken[inbox] or 0) + 1 end
  function driver.park(inbox, seconds)
    driver.parked, driver.seconds = driver.parked + 1, seconds
    local event = table.remove(events, 1)
    if event then event(inbox) end
  end
  return driver
end

local Request = {}
Request.__index = Request
function Request:cancel() self.cancelled = true end
function Request:result() return self.task, self.err end

local function new_request(fields) return setmetatable(fields or {}, Request) end

local made = {}

--- An inbox on a client with that driver, which is real.
local function new_inbox(driver)
  local client = core.client({ base_url = service.http_url }, 1, driver or new_driver())
  made[#made + 1] = client
  return inboxes.new(client), client
end

after_each(function()
  for i = #made, 1, -1 do made[i] = made[i]:close() end
end)

describe("an inbox", function()
  it("gives what was delivered in the order of the ends, with the notes", function()
    local driver = new_driver()
    local inbox, client = new_inbox(driver)
    local a, b, c = new_request(), new_request(), new_request()
    inboxes.add(inbox, a, "a")
    inboxes.add(inbox, b)
    inboxes.put(inbox, b)
    inboxes.put(inbox, a)
    assert.same({ b, true }, { inboxes.take(inbox) })
    inboxes.add(inbox, c, "c")
    inboxes.put(inbox, c)
    assert.same({ a, "a" }, { inboxes.take(inbox) })
    assert.same({ c, "c" }, { inboxes.take(inbox) })
    assert.is_nil(inboxes.take(inbox))
    assert.is_nil(next(inbox.pending))
    assert.equal(3, driver.woken[inbox])
    assert.is_true(driver.attached[client])
  end)

  it("waits for a query through wakes that bring nothing", function()
    local function pump(inbox)
      core.step(inbox.client, 10)
      inboxes.deliver(inbox.client)
    end
    local driver = new_driver(function() end, pump, pump, pump, pump, pump, pump, pump, pump)
    local inbox = new_inbox(driver)
    local id = service:id "500"
    inboxes.ask(inbox, id, { retries = 0 })
    local _, err = inboxes.await(inbox):result()
    assert.same({ 500, 1 }, { err.status, err.attempts })
    assert.equal(1, driver.woken[inbox])
    assert.is_true(driver.parked > 1)
  end)

  it("cancels what is in flight, once", function()
    local inbox, request = (new_inbox()), new_request()
    inboxes.add(inbox, request)
    inboxes.cancel(inbox)
    assert.is_true(request.cancelled)
    request.cancelled = nil
    inboxes.cancel(inbox)
    assert.is_nil(request.cancelled)
  end)
end)

describe("a sleep", function()
  it("is woken when its client closes, of which the driver is told before, once", function()
    local driver
    driver = new_driver(function(inbox)
      function driver.detach(client)
        driver.detached = driver.detached + 1
        assert.is_false(client:closed())
      end
      inbox.client:close()
    end)
    local inbox, client = new_inbox(driver)
    assert.is_nil(inboxes.stopped(inbox))
    inboxes.sleep(inbox, 30)
    assert.equal(30, driver.seconds)
    assert.equal(1, driver.woken[inbox])
    assert.equal("the client was closed", inboxes.stopped(inbox))
    client:close()
    assert.equal(1, driver.woken[inbox])
    assert.equal(1, driver.detached)
  end)

  it("is woken when its client's calls are cancelled; those that follow are not", function()
    local driver = new_driver(function(inbox) inbox.client:cancel() end)
    local inbox, client = new_inbox(driver)
    inboxes.sleep(inbox, 30)
    assert.equal(1, driver.woken[inbox])
    assert.equal("cancelled by the caller", inboxes.stopped(inbox))
    assert.is_nil(inboxes.stopped(inboxes.new(client)))
  end)
end)

describe("a guarded call", function()
  it("returns what the function returns", function()
    local function three(...) return ... end
    assert.same({ 1, nil, 3 }, { inboxes.guard((new_inbox()), three, 1, nil, 3) })
    assert.equal(0, select("#", inboxes.guard((new_inbox()), three)))
  end)

  it("raises the very error, after it has cancelled what is in flight", function()
    local inbox, request, raised = (new_inbox()), new_request(), {}
    inboxes.add(inbox, request)
    local ok, err = pcall(inboxes.guard, inbox, error, raised)
    assert.is_false(ok)
    assert.equal(raised, err)
    assert.is_true(request.cancelled)
  end)

  it("may yield in a coroutine, whose error cancels in the end", function()
    local inbox, request = (new_inbox()), new_request()
    inboxes.add(inbox, request)
    local co = coroutine.create(function()
      inboxes.guard(inbox, function()
        coroutine.yield "yielded"
        error("mine", 0)
      end)
    end)
    assert.same({ true, "yielded" }, { coroutine.resume(co) })
    assert.same({ false, "mine" }, { coroutine.resume(co) })
    inboxes.abandon(co) -- as drivers do
    assert.is_true(request.cancelled)
  end)

  it("that has returned leaves nothing for its coroutine's end", function()
    local inbox, request = (new_inbox()), new_request()
    inboxes.add(inbox, request)
    local co = coroutine.create(function() inboxes.guard(inbox, function() end) end)
    assert(coroutine.resume(co))
    inboxes.abandon(co)
    assert.is_nil(request.cancelled)
  end)
end)

describe("what has ended", function()
  it("is taken in whole, where a debug hook delivers in between, at any instruction", function()
    local came_in = 0
    for n = 1, 40 do
      local inbox, count = { pending = {}, ended = {}, taken = {}, at = 1 }, 0
      inbox.driver = { wake = function() end }
      debug.sethook(function()
        count = count + 1
        if count ~= n then return end
        debug.sethook()
        came_in = came_in + 1
        inboxes.put(inbox, "in between")
      end, "", 1)
      inboxes.put(inbox, "first")
      inboxes.put(inbox, "second")
      debug.sethook()
      if came_in < n then inboxes.put(inbox, "in between") end
      local taken = {}
      for _ = 1, 3 do taken[#taken + 1] = inboxes.take(inbox) end
      table.sort(taken)
      assert.same({ "first", "in between", "second" }, taken)
      assert.is_nil(inboxes.take(inbox))
    end
    assert.is_true(came_in > 10)
  end)
end)

describe("the pump", function()
  it("delivers what has ended to whom it belongs, also of a closed client", function()
    local inbox, client = new_inbox()
    local request = core.request(client, service:id "never", nil, inbox)
    core.request(client, service:id "never", nil, {}):cancel()
    core.request(client, service:id "never"):cancel()
    inboxes.pump(client)
    assert.same({}, inbox.ended)
    client:close()
    assert.same({ request }, inbox.ended)
    inboxes.pump(client)
    assert.same({ request }, inbox.ended)
  end)
end)

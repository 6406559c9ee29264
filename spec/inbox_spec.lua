local inboxes = require "sora.hosts.inbox"

--- A driver whose flows of control never wait: what happens meanwhile is said in advance.
local function new_driver(...)
  local driver, events = { attached = {}, woken = {}, parked = 0 }, { ... }
  function driver.attach(client) driver.attached[client] = true end
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

--- A client whose requests end when they are told to.
local function new_client()
  local client = { started = {}, ended = {}, steps = 0 }
  function client:request(id, opts, inbox)
    local request = new_request { id = id, opts = opts, owner = inbox }
    self.started[#self.started + 1] = request
    return request
  end
  function client:on_close(fn) self.closer = fn end
  function client:closed() return self.is_closed end
  function client:step() self.steps = self.steps + 1 end
  function client:finished()
    local request = table.remove(self.ended, 1)
    if request then return request, request.owner end
  end
  return client
end

describe("an inbox", function()
  it("gives what was delivered in the order of the ends, with the notes", function()
    local driver, client, inbox = new_driver(), new_client(), inboxes.new()
    local a, b, c = new_request(), new_request(), new_request()
    inboxes.add(driver, inbox, client, a, "a")
    inboxes.add(driver, inbox, client, b)
    inboxes.deliver(driver, inbox, b)
    inboxes.deliver(driver, inbox, a)
    assert.same({ b, true }, { inboxes.take(inbox) })
    inboxes.add(driver, inbox, client, c, "c")
    inboxes.deliver(driver, inbox, c)
    assert.same({ a, "a" }, { inboxes.take(inbox) })
    assert.same({ c, "c" }, { inboxes.take(inbox) })
    assert.is_nil(inboxes.take(inbox))
    assert.is_nil(next(inbox.pending))
    assert.equal(3, driver.woken[inbox])
    assert.is_true(driver.attached[client])
  end)

  it("waits for a query through wakes that bring nothing", function()
    local client, inbox = new_client(), inboxes.new()
    local driver
    driver = new_driver(function() end, function()
      client.started[1].task = "task"
      inboxes.deliver(driver, inbox, client.started[1])
    end)
    assert.equal("task", (inboxes.query(driver, inbox, client, "id", { retries = 1 })))
    assert.equal(2, driver.parked)
    assert.same({ retries = 1 }, client.started[1].opts)
  end)

  it("cancels what is in flight, once", function()
    local driver, client, inbox = new_driver(), new_client(), inboxes.new()
    local request = new_request()
    inboxes.add(driver, inbox, client, request)
    inboxes.cancel(inbox)
    assert.is_true(request.cancelled)
    request.cancelled = nil
    inboxes.cancel(inbox)
    assert.is_nil(request.cancelled)
  end)
end)

describe("a sleep", function()
  it("is woken when its client closes, and only while it lasts", function()
    local client, inbox = new_client(), inboxes.new()
    local driver = new_driver(function() client.closer() end)
    inboxes.sleep(driver, inbox, client, 30)
    assert.equal(30, driver.seconds)
    assert.equal(1, driver.woken[inbox])
    client.closer()
    assert.equal(1, driver.woken[inbox])
  end)
end)

describe("a guarded call", function()
  it("returns what the function returns", function()
    local function three(...) return ... end
    assert.same({ 1, nil, 3 }, { inboxes.guard(inboxes.new(), three, 1, nil, 3) })
    assert.equal(0, select("#", inboxes.guard(inboxes.new(), three)))
  end)

  it("raises the very error, after it has cancelled what is in flight", function()
    local inbox, request, raised = inboxes.new(), new_request(), {}
    inboxes.add(new_driver(), inbox, new_client(), request)
    local ok, err = pcall(inboxes.guard, inbox, error, raised)
    assert.is_false(ok)
    assert.equal(raised, err)
    assert.is_true(request.cancelled)
  end)

  it("may yield in a coroutine, whose error cancels in the end", function()
    local inbox, request = inboxes.new(), new_request()
    inboxes.add(new_driver(), inbox, new_client(), request)
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
    local inbox, request = inboxes.new(), new_request()
    inboxes.add(new_driver(), inbox, new_client(), request)
    local co = coroutine.create(function() inboxes.guard(inbox, function() end) end)
    assert(coroutine.resume(co))
    inboxes.abandon(co)
    assert.is_nil(request.cancelled)
  end)
end)

describe("the pump", function()
  it("steps the client and delivers what has ended; a closed one is not stepped", function()
    local driver, client, inbox = new_driver(), new_client(), inboxes.new()
    client.ended = { new_request { owner = inbox }, new_request(), new_request { owner = {} } }
    inboxes.pump(driver, client)
    assert.equal(1, client.steps)
    assert.equal(1, inbox.tail)
    client.is_closed, client.ended = true, { new_request { owner = inbox } }
    inboxes.pump(driver, client)
    assert.equal(1, client.steps)
    assert.equal(2, inbox.tail)
  end)
end)

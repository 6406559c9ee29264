-- The queue before libcurl, host by host, and what a request may meet there.

local clients = require "spec.support.clients"
local files = require "spec.support.files"
local flows = require "spec.support.flows"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"

local service = standin.shared()
local client, folder

before_each(function() folder = files.folder() end)

after_each(function()
  if client then clients.finish(client) end
  client = nil
  files.remove(folder)
end)

local function client_of(opts, module) client = clients.new(opts, module) end

--- A download that holds its connection for so many seconds: it is never answered.
local function hold(c, number, seconds)
  return flows.spawn(function()
    return c:download(service.h1_url .. "/v1/video/query?id=" .. service:id "never",
      folder .. "/" .. number, { timeout = seconds })
  end)
end

describe("a question", function()
  it("finds a connection of HTTP/1.1 however many videos are fetched from its host", function()
    if flows.lacking then return pending(flows.lacking) end
    client_of({ base_url = service.h1_url, max_connections = 3 }, flows.sora)
    flows.run(function()
      for i = 1, 6 do hold(client, i, 60) end
      flows.sleep(0.2)
      assert.is_truthy(client:query(service:id "completed", { timeout = 30 }))
      assert.equal(4, client:stats().queued)
      client:cancel()
    end)
  end)

  it("has its turn before the next video where there is one connection alone", function()
    if flows.lacking then return pending(flows.lacking) end
    client_of({ base_url = service.h1_url, max_connections = 1 }, flows.sora)
    flows.run(function()
      assert.is_truthy(client:query(service:id "queued")) -- the protocol is known from here on
      local first = hold(client, 1, 4)
      flows.sleep(0.1)
      hold(client, 2, 60)
      local id = service:id "completed"
      local asked = flows.spawn(function() return client:query(id, { timeout = 50 }) end)
      flows.sleep(0.1)
      assert.equal(2, client:stats().queued)
      first:join() -- when its time is over
      assert.is_truthy(asked:join())
      client:cancel()
    end)
  end)

  it("that waits in vain says that it was queued, and was never an attempt", function()
    if flows.lacking then return pending(flows.lacking) end
    client_of({ base_url = service.h1_url, max_connections = 1 }, flows.sora)
    flows.run(function()
      flows.spawn(function() client:query(service:id "never", { timeout = 2, retries = 0 }) end)
      flows.sleep(0.1)
      local id = service:id "completed"
      local task, err = client:query(id, { timeout = 0.3 })
      assert.is_nil(task)
      assert.equal("timeout", err.kind)
      assert.matches("queued", err.message)
      assert.is_true(err.retryable)
      assert.is_nil(err.attempts)
      assert.equal(0, #service:log(id))
      client:cancel()
    end)
  end)

  it("is bounded by connect_timeout and request_timeout only when its turn has come", function()
    client_of { base_url = service.h1_url, max_connections = 2 }
    local ids = {}
    for i = 1, 20 do ids[i] = service:id "queued;delay=0.2" end
    local _, errs = client:query_all(ids, { connect_timeout = 1.5, request_timeout = 1.5,
      retries = 0 })
    assert.are.same({}, errs)
  end)

  it("comes in the order of asking", function()
    client_of { base_url = service.h1_url, max_connections = 1 }
    local ids = {}
    for i = 1, 30 do ids[i] = service:id("queued~" .. i) end
    client:query_all(ids)
    local last = 0
    for i = 1, #ids do
      local number = service:log(ids[i])[1].seq
      assert.is_true(number > last)
      last = number
    end
  end)
end)

describe("the first burst", function()
  it("opens all connections of HTTP/1.1 behind TLS at once", function()
    local own = standin.start()
    client_of { base_url = own.h1_url, ca_file = own.ca_file }
    local ids = {}
    for i = 1, 8 do ids[i] = own:id "queued;delay=0.4" end
    local _, errs = client:query_all(ids)
    assert.are.same({}, errs)
    assert.equal(8, own:stats().requests_in_flight_peak)
    own:stop()
  end)

  it("shares one connection of HTTP/2 though its first request is never answered", function()
    if flows.lacking then return pending(flows.lacking) end
    client_of({ max_connections = 1 }, flows.sora)
    flows.run(function()
      flows.spawn(function() client:query(service:id "never", { timeout = 3, retries = 0 }) end)
      flows.sleep(0.1)
      for _ = 1, 3 do assert.is_truthy(client:query(service:id "queued", { timeout = 2 })) end
      client:cancel()
    end)
  end)

  it("opens one connection of HTTP/2 for what one holds", function()
    client_of()
    local ids = {}
    for i = 1, 10 do ids[i] = service:id "queued;delay=0.1" end
    local _, errs = client:query_all(ids)
    assert.are.same({}, errs)
    assert.equal(1, client:stats().connections)
  end)
end)

describe("a connection", function()
  it("on which others make progress survives the timeout of one", function()
    if flows.lacking then return pending(flows.lacking) end
    client_of(nil, flows.sora)
    flows.run(function()
      client:query(service:id "queued")
      local slow = flows.spawn(function()
        return client:query(service:id "never", { request_timeout = 0.5, retries = 0 })
      end)
      for _ = 1, 10 do assert.is_truthy(client:query(service:id "queued;delay=0.1")) end
      local _, err = slow:join()
      assert.equal("timeout", err.kind)
      assert.is_truthy(client:query(service:id "queued"))
      assert.equal(1, client:stats().connections)
    end)
  end)

  it("is left to others by a call that had little time", function()
    if flows.lacking then return pending(flows.lacking) end
    client_of({ max_connections = 1 }, flows.sora)
    flows.run(function()
      client:query(service:id "queued")
      local patient = flows.spawn(function()
        return client:query(service:id "queued;delay=2", { retries = 0 })
      end)
      flows.sleep(0.1)
      local _, err = client:query(service:id "never", { timeout = 0.3 })
      assert.equal("timeout", err.kind)
      assert.is_truthy(patient:join())
      assert.equal(1, client:stats().connections)
    end)
  end)

  it("that never came to be is not counted as open", function()
    client_of { base_url = service:blackhole() }
    for _ = 1, 3 do
      local _, err = client:query("x", { connect_timeout = 0.2, retries = 0 })
      assert.equal("timeout", err.kind)
    end
    assert.equal(3, client:stats().connections)
    assert.equal(0, client:stats().open_connections)
  end)
end)

describe("a retry", function()
  local function raw(id, ...)
    local steps = {}
    for i, text in ipairs { ... } do steps[i] = { step = "raw", text = text, times = 1 } end
    service:script(id, steps)
    return id
  end

  local BUSY = "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nConnection: close\r\n"

  it("survives an answer whose first header is folded", function()
    client_of { base_url = service.http_url }
    for _ = 1, 5 do
      local id = raw(service:id(), BUSY .. "Content-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\n f:" .. ("f"):rep(200) .. "\r\nContent-Length: 2\r\n\r\n{}")
      local task, err = client:query(id)
      assert.is_truthy(task or err)
    end
    assert.is_truthy(client:query(service:id "completed"))
  end)

  it("judges its own answer alone", function()
    client_of { base_url = service.http_url, retries = 1 }
    local page = "<html>busy</html>"
    local id = raw(service:id(),
      BUSY .. "Content-Type: text/html\r\nContent-Length: " .. #page .. "\r\n\r\n" .. page,
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    local _, err = client:query(id)
    assert.equal("decode", err.kind)
    assert.is_true(err.retryable)
    assert.equal(2, err.attempts)
  end)

  it("that was not sent has no status of another one", function()
    client_of()
    assert.is_truthy(client:query(service:id "completed"))
    local _, err = client:query("x", { timeout = 1e-9 })
    assert.equal("timeout", err.kind)
    assert.is_nil(err.status)
  end)
end)

describe("descriptors", function()
  local function run(limit, body)
    local program = ([[
      local sora = require "sora"
      local function client()
        return sora.client { base_url = %q, ca_file = %q, retries = 0 }
      end
      %s]]):format(service.h1_url, service.ca_file, body)
    return shell.output_of(("ulimit -n %d; exec %s -e %s 2>&1"):format(limit, shell.LUA,
      shell.quote(program)))
  end

  before_each(function() client_of() end)

  it("do not run out by clients that nobody closed", function()
    assert.equal("200 good", run(256, ([[
      local good = 0
      for _ = 1, 200 do if client():query(%q) then good = good + 1 end end
      print(good .. " good")]]):format(service:id "completed")))
  end)

  it("that have run out are named in the error", function()
    assert.matches("^connect [^\n]*Too many open files", run(64, ([[
      local held = {}
      for i = 1, 64 do
        held[i] = client()
        local _, err = held[i]:query(%q)
        if err then print(err.kind, err.message) break end
      end]]):format(service:id "completed")):gsub("\t", " "))
  end)
end)

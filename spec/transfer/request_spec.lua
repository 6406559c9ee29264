-- A request on the wire: its line, headers, redirects, retries and time limits.

local core = require "sora.core"
local is_before = require("spec.support.libcurl").is_before
local standin = require "spec.support.standin"
local sora = require "sora"
local system = require "system"

local service = standin.shared()
local now = sora.driver.now

local function client_of(opts)
  opts = opts or {}
  opts.base_url, opts.ca_file = opts.base_url or service.base_url, service.ca_file
  return sora.client(opts)
end

describe("a request on the wire", function()
  local clients = {}

  setup(function()
    clients.h2 = client_of { api_key = "sk-secret" }
    clients.h1 = client_of { api_key = "sk-secret", base_url = service.h1_url }
  end)

  teardown(function()
    clients.h2:close()
    clients.h1:close()
  end)

  local function seen(client, opts, id)
    id = id or service:id "completed"
    assert.is_truthy(client:query(id, opts))
    local log = service:log(id)
    assert.are.equal(1, #log)
    return log[1]
  end

  it("is the one of the API page", function()
    for version, client in pairs(clients) do
      local id = service:id "completed"
      local entry = seen(client, nil, id)
      assert.are.equal(version == "h2" and "2" or "1.1", tostring(entry.http))
      assert.are.equal("GET", entry.method)
      assert.are.equal("/v1/video/query?id=" .. id:gsub(":", "%%3A"), entry.path)
      assert.are.equal("Bearer sk-secret", entry.headers.authorization)
      assert.are.equal("application/json", entry.headers["content-type"])
      assert.are.equal("application/json", entry.headers.accept)
      assert.matches("^lua%-sora/", entry.headers["user-agent"])
      assert.is_nil(entry.headers["x-forwarded-host"])
      assert.is_nil(entry.headers.cookie)
    end
  end)

  it("encodes every byte of an id but the unreserved ones", function()
    local id = service:id "completed" .. " &+%/?#=é~-._"
    local entry = seen(clients.h2, nil, id)
    assert.are.equal("%20%26%2B%25%2F%3F%23%3D%C3%A9~-._", entry.path:match "completed~%d+(.*)")
    assert.are.equal(id, entry.id)
  end)

  it("has one Bearer before the key, however the key was pasted", function()
    for _, key in ipairs { "sk-x", "Bearer sk-x", "bearer  sk-x ", " sk-x" } do
      assert.are.equal("Bearer sk-x", seen(clients.h2, { api_key = key }).headers.authorization)
    end
    assert.is_nil(seen(clients.h2, { api_key = "" }).headers.authorization)
  end)

  it("takes the headers of the call, then what the call gives, then those of the client", function()
    local client = client_of { api_key = "sk-own", forwarded_host = "own:1",
      headers = { ["X-One"] = "client", ["X-Two"] = "client", ["X-Empty"] = "" } }
    local headers = seen(client, { headers = { ["x-one"] = "call", Accept = "text/json" } }).headers
    assert.are.equal("call", headers["x-one"])
    assert.are.equal("client", headers["x-two"])
    assert.are.equal("", headers["x-empty"])
    assert.are.equal("text/json", headers.accept)
    assert.are.equal("own:1", headers["x-forwarded-host"])
    assert.are.equal("Bearer sk-own", headers.authorization)
    headers = seen(client, { headers = { authorization = "Basic x" }, api_key = "sk-y",
      forwarded_host = "localhost:5173" }).headers
    assert.are.equal("Basic x", headers.authorization)
    assert.are.equal("localhost:5173", headers["x-forwarded-host"])
    client:close()
    client = client_of { headers = { Authorization = "Basic client" } }
    assert.are.equal("Basic client", seen(client).headers.authorization)
    assert.are.equal("Bearer sk-z", seen(client, { api_key = "sk-z" }).headers.authorization)
    client:close()
  end)

  it("names the program as the call says, else as the client, and not at all for none", function()
    local client = client_of { user_agent = "client/1" }
    local function named(opts) return seen(client, opts).headers["user-agent"] end
    assert.are.equal("client/1", named())
    assert.are.equal("call/1", named { user_agent = "call/1" })
    assert.are.equal("header/1", named { headers = { ["user-agent"] = "header/1" } })
    assert.is_nil(named { user_agent = "" })
    client:close()
  end)

  it("goes below the path of a base URL, with or without /v1 and slashes", function()
    for _, tail in ipairs { "", "/", "/v1", "/v1/", "//" } do
      local entry = seen(clients.h2, { base_url = service.base_url .. tail })
      assert.matches("^/v1/video/query%?id=", entry.path)
    end
    local id = service:id "completed"
    clients.h2:query(id, { base_url = service.base_url .. "/sora/v1" })
    assert.matches("^/sora/v1/video/query%?id=", service:log(id)[1].path)
  end)

  it("asks for a path with steps of dots, or bytes beyond ASCII, as libcurl writes it", function()
    local accent = is_before(7, 84) and "/é" or "/%C3%A9"
    for tail, path in pairs { ["/a/../b"] = "/b", ["/é"] = accent } do
      service:reset()
      clients.h2:query("x", { base_url = service.base_url .. tail })
      local asked = service:log()[1].path:gsub("%%%x%x", string.upper)
      assert.are.equal(path .. "/v1/video/query?id=x", asked)
    end
  end)

  it("asks a proxy for the whole URL", function()
    service:reset()
    clients.h2:query("x", {
      base_url = "http://service.invalid/a", proxy = service.http_url, allow_http = true,
    })
    assert.are.equal("http://service.invalid/a/v1/video/query?id=x", service:log()[1].path)
  end)
end)

describe("a redirect", function()
  it("is not followed: the key goes nowhere else", function()
    local client = client_of { api_key = "sk-secret" }
    for _, to in ipairs { "host", "http", "file", "loop", "none" } do
      for _, status in ipairs { 301, 302, 307, 308 } do
        local id = service:id(("redirect;to=%s;status=%d"):format(to, status))
        local task, err = client:query(id)
        assert.is_nil(task)
        assert.are.equal("http", err.kind)
        assert.are.equal(status, err.status)
        assert.is_false(err.retryable)
        assert.matches("redirect", err.message)
        assert.are.equal(1, #service:log(id))
      end
    end
    client:close()
  end)
end)

describe("retries", function()
  local client

  setup(function() client = client_of() end)
  teardown(function() client:close() end)

  it("follow what passes, two by default, and say how many attempts there were", function()
    for _, step in ipairs { "503", "429", "reset", "close_body" } do
      local id = service:id(step .. ";retry_after=0*2", "completed")
      if step == "reset" or step == "close_body" then id = service:id(step .. "*2", "completed") end
      assert.is_truthy(client:query(id))
      assert.are.equal(3, #service:log(id))
    end
    local id = service:id "503;retry_after=0"
    local _, err = client:query(id)
    assert.are.equal(3, err.attempts)
    assert.are.equal(3, #service:log(id))
    assert.is_true(err.retryable)
  end)

  it("are as many as the option says", function()
    for retries = 0, 4, 2 do
      local id = service:id "500;retry_after=0"
      local _, err = client:query(id, { retries = retries })
      assert.are.equal(retries + 1, err.attempts)
      assert.are.equal(retries + 1, #service:log(id))
    end
  end)

  it("do not follow a status that a repeat cannot help", function()
    for _, status in ipairs { 400, 401, 403, 404, 501, 531 } do
      local id = service:id(tostring(status))
      local _, err = client:query(id)
      assert.are.equal(status, err.status)
      assert.are.equal(1, err.attempts)
      assert.is_false(err.retryable)
      assert.are.equal(1, #service:log(id))
    end
  end)

  it("pause half a second, then twice that, with jitter", function()
    local id = service:id "502"
    client:query(id)
    local log = service:log(id)
    local first, second = log[2].time - log[1].time, log[3].time - log[2].time
    assert.is_true(first > 0.36 and first < 5, tostring(first))
    assert.is_true(second > 0.74 and second < 10, tostring(second))
  end)

  it("wait as long as Retry-After says, in seconds or until a date", function()
    local id = service:id("429;retry_after=1", "completed")
    assert.is_truthy(client:query(id))
    local log = service:log(id)
    assert.is_true(log[2].time - log[1].time >= 0.99)
    id = service:id("503;retry_after=date:2", "completed")
    assert.is_truthy(client:query(id))
    log = service:log(id)
    assert.is_true(log[2].time - log[1].time >= 0.9)
    assert.is_true(log[2].time - log[1].time < 30)
  end)

  it("do not wait for a Retry-After above two minutes", function()
    local started = now()
    local _, err = client:query(service:id "429;retry_after=121")
    assert.is_true(now() - started < 60)
    assert.are.equal(121, err.retry_after)
    assert.are.equal(1, err.attempts)
    _, err = client:query(service:id "429;retry_after=99999999999999999999", { retries = 9 })
    assert.are.equal(1, err.attempts)
  end)

  it("never sleep past the timeout of the call", function()
    local started = now()
    local _, err = client:query(service:id "429;retry_after=60", { timeout = 1 })
    assert.is_true(now() - started < 30)
    assert.are.equal(429, err.status)
  end)
end)

describe("time limits", function()
  it("end an attempt, and the next is asked", function()
    local client = client_of()
    local id = service:id("never", "completed")
    assert.is_truthy(client:query(id, { request_timeout = 0.2 }))
    assert.are.equal(2, #service:log(id))
    client:close()
  end)

  it("end the call as a whole", function()
    for _, base_url in ipairs { service.base_url, service.h1_url, service.tls_silent_url } do
      local client = client_of { base_url = base_url }
      local started = now()
      local _, err = client:query(service:id "never", { timeout = 0.3 })
      assert.are.equal("timeout", err.kind)
      assert.is_true(err.retryable)
      assert.is_true(now() - started >= 0.29 and now() - started < 8)
      client:close()
    end
  end)

  -- A process that was stopped, or does something else, looks at its sockets late: the connection
  -- stands by then, and the answer would be of use to nobody. The service is stopped for as long as
  -- the handshake would else end in the first step, as a resumed one can.
  it("send nothing when they are over, however late the connection is looked at", function()
    if is_before(7, 80) then return pending "libcurl asks nobody before it sends" end
    local client = client_of { base_url = service.h1_url }
    local id, timely = service:id "completed", service:id "completed"
    local late = {
      core.request(client, id, { timeout = 0.2 }),
      core.request(client, id, nil, nil, now() + 0.2),
      core.request(client, id, { timeout = 60 }, nil, now() + 0.2), -- the deadline counts
    }
    local asked = core.request(client, timely, { timeout = 0.2 }, nil, now() + 60)
    os.execute("kill -STOP " .. service.pid)
    core.step(client, 0) -- begins to connect
    os.execute("kill -CONT " .. service.pid)
    system.sleep(0.3)
    for _, request in ipairs(late) do
      while not request:done() do core.step(client, 0.1) end
      local task, err = request:result()
      assert.is_nil(task)
      assert.are.equal("timeout", err.kind)
      assert.is_true(err.retryable)
    end
    while not asked:done() do core.step(client, 0.1) end
    assert.is_truthy(asked:result())
    assert.are.same({ 0, 1 }, { #service:log(id), #service:log(timely) })
    client:close()
  end)

  it("do not count the time for which a request waits for one of few connections", function()
    local client = client_of { base_url = service.h1_url, max_connections = 4 }
    local ids = {}
    for i = 1, 40 do ids[i] = service:id "queued;delay=0.25" end
    local _, errs = client:query_all(ids, { request_timeout = 1.5, connect_timeout = 1.5,
      retries = 0 })
    assert.are.same({}, errs)
    assert.are.equal(4, client:stats().connections)
    client:close()
  end)

  it("count it when nobody is answered", function()
    local client = client_of { base_url = service.h1_url, max_connections = 1 }
    local started = now()
    local _, errs = client:query_all({ service:id "never", service:id "never" },
      { request_timeout = 0.4, retries = 0 })
    assert.is_true(now() - started < 15)
    for _, err in pairs(errs) do assert.are.equal("timeout", err.kind) end
    client:close()
  end)

  it("give up a connection of HTTP/2 on which nothing comes any more", function()
    local client = client_of()
    client:query(service:id "never", { request_timeout = 0.2, retries = 0 })
    assert.is_truthy(client:query(service:id "completed"))
    assert.are.equal(2, client:stats().connections)
    client:close()
  end)
end)

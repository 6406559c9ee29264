-- What on_attempt is told, in scripts; callbacks_spec.lua has what it may do, and driver_contract
-- shows it in every host.

local clients = require "spec.support.clients"
local sora = require "sora"
local standin = require "spec.support.standin"

local service = standin.shared()
local client, told, path

local function note(info) told[#told + 1] = info end

before_each(function()
  told, path = {}, os.tmpname()
  client = clients.new { on_attempt = note }
end)

after_each(function()
  clients.finish(client)
  os.remove(path)
end)

--- One field of each info.
local function column(name)
  local values = {}
  for i, info in ipairs(told) do values[i] = tostring(info[name]) end
  return table.concat(values, " ")
end

--- What follows on each attempt: a number of seconds, or the end.
local function followed()
  local words = {}
  for i, info in ipairs(told) do words[i] = info.next_in and "again" or "end" end
  return table.concat(words, " ")
end

describe("on_attempt", function()
  it("is told what an attempt was, and how long it took", function()
    local id = service:id "completed"
    assert(client:query(id))
    assert(client:query(id))
    local first, second = told[1], told[2]
    assert.equal(2, #told)
    assert.same({
      id = id, method = "GET", url = service.base_url .. "/v1/video/query", attempt = 1,
      status = 200, bytes = first.bytes, http_version = "2", reused = false,
      seconds = first.seconds,
    }, first)
    assert.is_true(first.bytes > 500)
    for _, name in ipairs { "queue", "dns", "connect", "tls", "first_byte", "total" } do
      assert.is_true(first.seconds[name] >= 0, name)
    end
    local took = first.seconds
    assert.is_true(took.dns + took.connect + took.tls <= took.first_byte)
    assert.is_true(took.first_byte <= took.total)
    assert.is_true(second.reused)
    assert.same({ nil, nil, nil }, { second.seconds.dns, second.seconds.connect,
      second.seconds.tls })
  end)

  it("is told of each attempt of a query, and when the next one comes", function()
    assert(client:query(service:id("503;retry_after=0", "rst_stream;code=2", "completed")))
    assert.equal("1 2 3", column "attempt")
    assert.equal("503 nil 200", column "status")
    assert.equal("http network nil", column "kind")
    assert.equal("again again end", followed())
    assert.equal(0, told[1].next_in)
    assert.is_true(told[2].next_in > 0)
  end)

  it("is told that the next one has a new connection, where kept ones have died", function()
    local h1 = clients.new { on_attempt = note, base_url = service.h1_url, max_connections = 8 }
    local ids = {}
    for i = 1, 8 do ids[i] = service:id "completed;delay=0.3" end
    h1:query_all(ids)
    assert.equal(8, h1:stats().connections)
    told = {}
    assert(h1:query(service:id("close*6", "completed"))) -- six are as many as libcurl tries
    clients.finish(h1)
    assert.equal("true false", column "reused")
    assert.equal("network nil", column "kind")
  end)

  it("is told of an attempt as soon as it is over", function()
    local told_at = {}
    client:query(service:id("503;retry_after=1", "completed"), {
      on_attempt = function(info)
        told_at[info.attempt] = { client:stats().attempts, client:in_flight() }
      end,
    })
    assert.same({ { 1, 1 }, { 2, 0 } }, told_at)
  end)

  it("is told the kind of error that the call returns", function()
    for _, script in ipairs { "404", "not_json", "success_false", "never", "big;size=20000000" } do
      local _, err = client:query(service:id(script), { retries = 0, request_timeout = 0.3 })
      assert.equal(err.kind, told[#told].kind, script)
      assert.equal(err.status, told[#told].status)
    end
    client:query("a", { base_url = service.tls_plain_url, retries = 0 })
    assert.equal("tls", told[#told].kind)
    client:query("a", { base_url = "https://127.0.0.1:1", retries = 0 })
    assert.equal("connect", told[#told].kind)
    assert.is_nil(told[#told].http_version)
    assert.is_nil(told[#told].seconds.first_byte)
  end)

  it("is told of every poll of a wait", function()
    assert(client:wait(service:id("queued", "502", "completed"), clients.quick()))
    assert.equal("200 502 200", column "status")
    assert.equal("again again end", followed())
    told = {}
    local ids = { service:id("queued", "completed"), service:id "failed" }
    client:wait_all(ids, clients.quick())
    assert.equal(3, #told)
    told = {}
    for _ in client:watch(service:id("queued", "completed"), clients.quick()) do end
    assert.equal("again end", followed())
    told = {}
    client:query_all({ service:id "completed", service:id "404" })
    assert.equal("end end", followed())
  end)

  it("counts the attempts of what makes something", function()
    local body = { model = "sora-2", prompt = "a cat script:completed" }
    service:script("/v1/video/create", { "429;retry_after=0", "made" })
    assert(client:create(body))
    assert.equal("1 2", column "attempt")
    assert.equal("429 200", column "status")
    assert.equal("again end", followed())
    assert.equal("POST", told[1].method)
    assert.equal(service.base_url .. "/v1/video/create", told[1].url)
    assert.is_nil(told[1].id)
  end)

  it("is told of a download: the question, and the video", function()
    local id = service:id "completed;video=cut=5000&times=1"
    assert(client:download(id, path, { timeout = 20 }))
    assert.equal("GET GET GET", column "method")
    assert.equal("200 200 206", column "status")
    assert.equal("again again end", followed())
    assert.equal("1 1 2", column "attempt")
    assert.equal(id, told[3].id)
    assert.matches("^" .. service.cdn_url:gsub("%p", "%%%0") .. "/assets%%2F[^?]*$", told[2].url)
  end)

  it("is told of the call's, not the client's, where both have one", function()
    local mine = 0
    client:query(service:id "completed", { on_attempt = function() mine = mine + 1 end })
    assert.same({ 1, 0 }, { mine, #told })
  end)

  it("is told by the query of the module, which is all in C", function()
    local mine = {}
    local opts = {
      base_url = service.base_url, ca_file = service.ca_file,
      on_attempt = function(info) mine[#mine + 1] = info.status end,
    }
    assert(sora.query(service:id("503;retry_after=0", "completed"), opts))
    assert.same({ 503, 200 }, mine)
  end)

  it("ends a query in whose middle it raises", function()
    local id = service:id("503;retry_after=60", "completed")
    local ok, err = pcall(client.query, client, id, { on_attempt = function() error "mine" end })
    assert.is_false(ok)
    assert.matches("mine", err)
    assert.equal(0, client:in_flight())
    assert.equal(1, #service:log(id))
  end)

  it("is told that an attempt was cancelled", function()
    local ids = { service:id "never", service:id "completed" }
    client:query_all(ids, { on_result = function() client:cancel() end })
    assert.equal("nil cancelled", column "kind")
  end)

  it("is told nothing of what had no turn", function()
    client:query_all({ service:id "never", service:id "never" }, { timeout = 0.2, concurrency = 1 })
    assert.equal(1, #told)
  end)

  it("has no secret in any field", function()
    local key = "sk-veryverysecret123"
    local proxy = "http://me:hush-hush@127.0.0.1:1"
    client:query("task_" .. key, {
      api_key = key, proxy = proxy, retries = 0, base_url = service.base_url .. "/" .. key,
      query_path = "/q/{id}?signature=abcdef",
    })
    client:call("GET", "/echo?token=abcdef")
    for _, info in ipairs(told) do
      for _, value in pairs(info) do
        assert.is_nil(tostring(value):find("verysecret", 1, true), value)
        assert.is_nil(tostring(value):find("abcdef", 1, true), value)
        assert.is_nil(tostring(value):find("hush", 1, true), value)
      end
    end
    assert.equal(2, #told)
  end)

  it("is refused where it is no function", function()
    assert.error_matches(function() client:query("a", { on_attempt = 1 }) end,
      "option 'on_attempt' must be a function, not a number")
    assert.error_matches(function() sora.client { on_attempt = {} } end,
      "option 'on_attempt' must be a function, not a table")
  end)
end)

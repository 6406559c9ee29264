-- Clients: how many requests they have in flight, what they count, how they are closed.

local core = require "sora.core"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local sora = require "sora"
local standin = require "spec.support.standin"
local system = require "system"

local service = standin.shared()

local function client_of(opts)
  opts = opts or {}
  opts.base_url, opts.ca_file = opts.base_url or service.base_url, service.ca_file
  return sora.client(opts)
end

local function connections_of(ids)
  local seen, count = {}, 0
  for _, id in ipairs(ids) do
    for _, entry in ipairs(service:log(id)) do
      if not seen[entry.connection] then
        seen[entry.connection] = true
        count = count + 1
      end
    end
  end
  return count
end

local function ids_of(count, step)
  local ids = {}
  for i = 1, count do ids[i] = service:id(step or "queued") end
  return ids
end

describe("a client", function()
  it("uses its connection again", function()
    for _, base_url in ipairs { service.base_url, service.h1_url, service.http_url } do
      local client = client_of { base_url = base_url }
      local ids = ids_of(5)
      for _, id in ipairs(ids) do assert.is_truthy(client:query(id)) end
      assert.are.equal(1, connections_of(ids))
      assert.are.equal(1, client:stats().connections)
      assert.are.equal(5, client:stats().requests)
      client:close()
    end
  end)

  it("uses it again for a call with options of its own", function()
    local client = client_of()
    client:query(service:id "queued")
    client:query(service:id "queued", { api_key = "sk-x", headers = { a = "b" }, timeout = 9 })
    client:query(service:id "queued", { base_url = service.base_url .. "/" })
    assert.are.equal(1, client:stats().connections)
    client:close()
  end)

  it("puts a hundred requests on one connection of HTTP/2 where it may have no more", function()
    local client = client_of { max_connections = 1 }
    local ids = ids_of(100, "queued;delay=0.1")
    local _, errs = client:query_all(ids)
    assert.are.same({}, errs)
    assert.are.equal(1, connections_of(ids))
    client:close()
  end)

  it("opens a further connection of HTTP/2 when each holds ten streams", function()
    local client = client_of()
    client:query(service:id "queued")
    local ids = ids_of(25, "queued;delay=0.1")
    local _, errs = client:query_all(ids)
    assert.are.same({}, errs)
    assert.are.equal(3, connections_of(ids))
    client:close()
  end)

  it("has at most max_connections of HTTP/1.1", function()
    for _, most in ipairs { 2, 8 } do
      local client = client_of { base_url = service.h1_url,
        max_connections = most ~= 8 and most or nil }
      local ids = ids_of(40, "queued;delay=0.02")
      local _, errs = client:query_all(ids)
      assert.are.same({}, errs)
      assert.are.equal(most, connections_of(ids))
      client:close()
    end
  end)

  it("keeps the connections of HTTP/1.1 for the next that many", function()
    local client = client_of { base_url = service.h1_url, max_connections = 20 }
    for _ = 1, 2 do
      local _, errs = client:query_all(ids_of(20, "queued;delay=0.1"))
      assert.are.same({}, errs)
    end
    local stats = client:stats() -- the first that is answered may serve for the last to be sent
    assert.is_true(stats.connections > 8 and stats.connections <= 20, stats.connections)
    assert.are.equal(stats.connections, stats.open_connections)
    client:close()
  end)

  it("asks again on a new connection where the old one was cut", function()
    local client = client_of { base_url = service.h1_url }
    assert.is_truthy(client:query(service:id "stale", { retries = 0 }))
    assert.is_truthy(client:query(service:id "completed"))
    client:close()
  end)

  it("gives no proxy of the environment what is for this machine", function()
    local said = shell.output_of(([[http_proxy=%s https_proxy=%s all_proxy=%s %s -e '
      local client = require "sora".client { base_url = "%s", api_key = "sk-secret" }
      print((assert(client:query "%s")).status)' 2>&1]]):format(service.refused_url,
      service.refused_url, service.refused_url, shell.LUA, service.http_url,
      service:id "completed"))
    assert.are.equal("completed", said)
  end)

  it("takes key and base URL from the environment", function()
    local id = service:id "completed"
    local said = shell.output_of(([[SORA_API_KEY=sk-env SORA_BASE_URL=%s %s -e '
      print((assert(require "sora".query "%s")).status)' 2>&1]]):format(service.http_url,
      shell.LUA, id))
    assert.are.equal("completed", said)
    assert.are.equal("Bearer sk-env", service:log(id)[1].headers.authorization)
  end)

  it("says at the caller's line what is wrong with the environment", function()
    for _, call in ipairs { "query", "wait" } do
      local said = shell.output_of(([[SORA_BASE_URL=ftp://x %s -e '
        local sora = require "sora"
        local ok, err = pcall(function() local t = sora.%s "x" return t end)
        print(err)' 2>&1]]):format(shell.LUA, call))
      assert.matches(":3: %$SORA_BASE_URL must begin with http", said)
    end
  end)

  it("prints without key", function()
    local client = client_of { api_key = "sk-secret" }
    assert.matches("^sora%.client %(https://127%.0%.0%.1:%d+, 0 in flight%)$", tostring(client))
    local request = core.request(client, "sora-2:x")
    assert.matches("^sora%.request %(sora%-2:x, %a+%)$", tostring(request))
    client:close()
    assert.are.equal("sora.client (closed)", tostring(client))
  end)

  it("prints without a key that its URL has", function()
    local key = "sk-secret-of-mine"
    for _, path in ipairs { "/" .. key, "/v1_" .. key .. "/v2", "/sk%2Dsecret%2Dof%2Dmine",
      "/c2stc2VjcmV0LW9mLW1pbmU", "/" .. ("a"):rep(370) .. "/" .. key } do
      for _, opts in ipairs { { api_key = key }, { headers = { ["X-Api-Key"] = key } } } do
        opts.base_url = "https://relay.example" .. path
        local client = sora.client(opts)
        assert.matches("^sora%.client %(https://relay%.example/.*%*%*%*.*, 0 in flight%)$",
          tostring(client))
        assert.is_nil(tostring(client):find "secret")
        client:close()
      end
    end
  end)

  it("ends what is in flight when it is closed, once and for all", function()
    local client = client_of()
    local requests = {}
    for i = 1, 5 do requests[i] = core.request(client, service:id "never", nil, {}) end
    client:step()
    client:close()
    client:close()
    for _, request in ipairs(requests) do
      local task, err = request:result()
      assert.is_nil(task)
      assert.are.equal("cancelled", err.kind)
      assert.is_false(err.retryable)
    end
    assert.are.equal(0, client:in_flight())
    assert.has_error(function() client:query "x" end)
  end)

  it("may be collected with requests in flight, in any order", function()
    for _ = 1, 20 do
      local client = client_of { base_url = service.http_url }
      for _ = 1, 3 do core.request(client, service:id "never", nil, {}) end
      client:step()
    end
    collectgarbage()
    collectgarbage()
    local ended = program.run(([[%s -e '
      local core = require "sora.core"
      local client = require "sora".client { base_url = "%s" }
      request, other = core.request(client, "%s"), core.request(client, "%s")
      client:step()
      print "end"']]):format(shell.LUA, service.http_url, service:id "never",
      service:id "never"))
    assert.are.same({ code = 0, out = "end\n", err = "" }, ended)
  end)

  it("over plain http waits for no answer before it opens a second connection", function()
    local client = client_of { base_url = service.http_url }
    local first = core.request(client, service:id "never", nil, {})
    assert.is_truthy(client:query(service:id "completed", { timeout = 5 }))
    assert.is_false(first:done())
    client:close()
  end)

  it("cancels a request that nobody holds any more", function()
    local client = client_of()
    core.request(client, service:id "never", nil, {})
    client:step()
    collectgarbage()
    collectgarbage()
    assert.are.equal(0, client:in_flight())
    client:close()
  end)

  it("takes no other userdata for its own", function()
    local meta = getmetatable(client_of())
    assert.has_error(function() meta.__gc(io.stdout) end)
    assert.has_error(function() meta.__gc() end)
    assert.has_error(function() meta.__tostring(sora.null) end)
    assert.has_error(function() meta.__index.query(io.stdout, "x") end)
  end)

  if _VERSION >= "Lua 5.4" then
    it("is closed at the end of its block", function()
      local load = load
      local closed = load([[local client = ... ; do local c <close> = client end
        return client:closed()]])(client_of())
      assert.is_true(closed)
    end)
  end

  it("ends as cancelled what has come and was not read: the key, which it may quote, is gone",
    function()
      local KEY = "sk-secret-1234"
      local quoting = ('body;status=%%d;text={"error":"bad %s"};header=X-Request-Id: %s')
        :format(KEY, KEY)
      for _, own in ipairs { false, KEY } do
        local client = client_of { api_key = own and "sk-other" or KEY }
        local opts = { retries = 9, api_key = own or nil }
        local requests = {}
        for i, status in ipairs { 401, 401, 500 } do
          requests[i] = core.request(client, service:id(quoting:format(status)), opts, {})
        end
        repeat
          client:step()
          system.sleep(0.005)
        until requests[1]:done() and requests[2]:done() and tostring(requests[3]):find "paused%)$"
        assert.is_truthy(core.finished(client))
        client:close()
        for _, request in ipairs(requests) do
          local task, err = request:result()
          assert.is_nil(task)
          assert.are.equal("cancelled", err.kind)
          assert.are.equal("the client was closed", err.message)
          assert.is_nil(err.body or err.request_id or err.status)
        end
      end
    end)

  it("holds no option of a caller's after its end", function()
    local left = setmetatable({}, { __mode = "k" })
    local function make()
      local headers = { ["X-Key"] = "sk-in-a-header" }
      left[headers] = true
      return client_of { headers = headers }
    end
    local client = make()
    client:close()
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(left))
    assert.is_true(client:closed())
  end)

  it("gives the result of a request once", function()
    local client = client_of()
    local request = core.request(client, service:id "completed", nil, {})
    repeat
      client:step()
      system.sleep(0.005)
    until request:done()
    assert.are.equal("completed", request:result().status)
    local ok, message = pcall(request.result, request)
    assert.is_false(ok)
    assert.is_truthy(message:find("taken already", 1, true))
    client:close()
  end)
end)

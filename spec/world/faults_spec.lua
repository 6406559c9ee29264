-- What the network can do, a row each, over real sockets: the kind of the error, that it came in
-- time, that a wait survives it where it should, that the next query works, that no descriptor is
-- left.

local core = require "sora.core"
local host = require "spec.support.host"
local renegotiation = require "spec.support.renegotiation"
local shell = require "spec.support.shell"
local sora = require "sora"
local standin = require "spec.support.standin"
local system = require "system"

local service = standin.shared()
local now = sora.driver.now

local LIMIT = 15  -- request_timeout and connect_timeout, seconds
local SOON = 10   -- within which every fault is told, on a busy machine too
local SHORT = 0.4 -- LIMIT where it is what ends the query
local CONTINUES, ENDS = true, false -- a wait

--- Steps of the service: what HTTP/1.1 and HTTP/2 make of them ("task": an answer all the same;
-- nil: no such fault there; several kinds: libcurl's version decides), and whether a wait goes on.
local STEPS = {
  { "reset", "network", "network", CONTINUES },
  { "reset_headers", "network", "network", CONTINUES },
  { "reset_body", "network", "network", CONTINUES },
  { "close", "network", "network", CONTINUES },
  { "close_headers", "decode network", "network", CONTINUES },
  { "close_body", "network", "network", CONTINUES },
  { "stale", "task", "task", CONTINUES },
  { "short_body", "network", nil, CONTINUES },
  { "long_body", "task", nil, CONTINUES },
  { "no_length", "task network", nil, CONTINUES },
  { "bad_chunk", "network", nil, CONTINUES },
  { "cut_chunk", "network", nil, CONTINUES },
  { "no_last_chunk", "network", nil, CONTINUES },
  { "garbage", "network", nil, CONTINUES },
  { "bad_status", "network", nil, CONTINUES },
  { "bad_header", "network task", nil, CONTINUES },
  { "nul_header", "network task", nil, CONTINUES },
  { "bad_length", "network", nil, CONTINUES },
  { "negative_length", "network", nil, CONTINUES },
  { "two_lengths", "decode network", nil, CONTINUES },
  { "bad_gzip", "network", nil, CONTINUES },
  { "never", "timeout", "timeout", CONTINUES },
  { "drip", "timeout", "timeout", CONTINUES },
  { "drip_headers", "timeout", "timeout", CONTINUES },
  { "header_flood", "too_large", "network" },
  { "big_header;size=1048576", "too_large", "network" },
  { "huge", "too_large", "too_large" },
  { "huge;chunked", "too_large", "too_large" },
  { "bomb", "too_large", "too_large" },
  { "rst_stream;code=7", nil, "task", CONTINUES }, -- refused: libcurl asks again by itself
  { "rst_stream;code=2", nil, "network", CONTINUES },
  { "goaway;last=0", nil, "network task", CONTINUES },
  { "redirect;to=host", "http", "http", ENDS },
  { "redirect;to=http", "http", "http", ENDS },
  { "redirect;to=file", "http", "http", ENDS },
  { "redirect;to=loop", "http", "http", ENDS },
  { "redirect;to=none", "http", "http", ENDS },
  { "502;body=html", "http", "http", CONTINUES },
  { "truncated", "decode", "decode", CONTINUES },
  { "empty", "decode", "decode", CONTINUES },
  { "401", "api", "api", ENDS },
}

--- Addresses: the kind, and whether to try again is for nothing.
local ADDRESSES = {
  { "refused_url", "connect" },
  { "expired_url", "tls", "final" },
  { "wrong_host_url", "tls", "final" },
  { "self_signed_url", "tls", "final" },
  { "unknown_ca_url", "tls", "final" },
  { "tls_cut_url", "tls" },
  { "tls_silent_url", "timeout" },
  { "tls_plain_url", "tls", "final" },
  { "tls_legacy_url", "tls" }, -- the renegotiation that it might ask for could be an attacker's
}

local PROXIES = { -- the user name tells the proxy how to behave
  { "refuse", "connect", "final" }, { "auth", "connect", "final" }, { "broken", "connect" },
  { "cut", "network" },
  { "die", "network" }, { "silent", "timeout" },
}

--- What this process has open, a line each, without pipes: looking makes one.
local function open_descriptors()
  collectgarbage()
  collectgarbage()
  local list = shell.output_of [[
    ls -l /proc/$PPID/fd 2>/dev/null | grep -v pipe: | grep -o '[0-9]* -> .*']]
  return list, select(2, list:gsub("[^\n]+", ""))
end

local function check_descriptors(before, count)
  local after, count_after = open_descriptors()
  if count_after > count then error("descriptors are left:\n" .. before .. "\n" .. after, 0) end
end

--- That a kind is the one, or one of those, that were expected.
local function check_kind(expected, kind)
  assert.is_truthy((" " .. expected .. " "):find(" " .. kind .. " ", 1, true),
    ("%s, where it should be %s"):format(kind, expected))
end

--- Options of a query that is to end with `kind`.
local function limits_of(kind)
  local limit = kind == "timeout" and SHORT or LIMIT
  return { request_timeout = limit, connect_timeout = limit }
end

local function client(url, opts)
  local given = {
    base_url = url, ca_file = service.ca_file, api_key = "sk-faults", retries = 0,
    request_timeout = LIMIT, connect_timeout = LIMIT,
  }
  for name, value in pairs(opts or {}) do given[name] = value end
  return sora.client(given)
end

--- Runs fn(client) and closes the client: no descriptor is left.
local function with_client(url, opts, fn)
  local before, count = open_descriptors()
  local c = client(url, opts)
  local ok, err = pcall(fn, c)
  c:close()
  if not ok then error(err, 0) end
  check_descriptors(before, count)
end

--- What a query ends with: "task", or the error and its kind.
local function outcome(c, id, opts)
  local started = now()
  local task, err = c:query(id, opts)
  assert.is_true(now() - started < SOON, "it took too long")
  if task then return "task" end
  assert.is_nil(tostring(err):find("sk-faults", 1, true))
  return err.kind, err
end

local function check_step(url, row, kind)
  with_client(url, nil, function(c)
    check_kind(kind, (outcome(c, service:id(row[1], "completed"), limits_of(kind))))
    assert.are.equal("task", (outcome(c, service:id "completed")))
    if row[4] == nil then return end
    local opts = limits_of(kind)
    opts.interval, opts.max_interval, opts.timeout = 0.01, 0.02, 60
    local task, err = c:wait(service:id("queued", row[1], "completed"), opts)
    if row[4] == CONTINUES then
      assert.are.equal("succeeded", task and sora.status(task) or tostring(err))
    else
      assert.are.equal(kind, err and err.kind)
    end
  end)
end

describe("over HTTP/1.1", function()
  for _, row in ipairs(STEPS) do
    if row[2] then
      it(row[1] .. ": " .. row[2], function() check_step(service.h1_url, row, row[2]) end)
    end
  end
end)

describe("over HTTP/2", function()
  for _, row in ipairs(STEPS) do
    if row[3] then
      it(row[1] .. ": " .. row[3], function() check_step(service.base_url, row, row[3]) end)
    end
  end
end)

describe("at the address", function()
  for _, row in ipairs(ADDRESSES) do
    it(row[1] .. ": " .. row[2], function()
      with_client(service[row[1]], nil, function(c)
        local kind, err = outcome(c, service:id "completed", limits_of(row[2]))
        assert.are.equal(row[2], kind)
        assert.are.equal(row[3] ~= "final", err.retryable)
        assert.is_truthy(c:query(service:id "completed", { base_url = service.base_url }))
      end)
    end)
  end

  it("where nobody answers: timeout, within connect_timeout", function()
    with_client(service:blackhole(), { connect_timeout = SHORT }, function(c)
      assert.are.equal("timeout", (outcome(c, "x")))
    end)
  end)

  it("whose name is in no DNS: dns", function()
    -- longer than a label may be: nobody has to be asked
    local name = ("a"):rep(64) .. ".invalid"
    with_client("https://" .. name, { proxy = "", connect_timeout = 2 }, function(c)
      assert.are.equal("dns", (outcome(c, "x")))
    end)
  end)
end)

describe("a server that asks for renegotiation", function()
  local BODY = '{"id":"x","status":"completed"}'
  local ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: " .. #BODY .. "\r\n\r\n" .. BODY

  --- Asks it, and has it ask for renegotiation; answers, or leaves it at that. Returns the outcome.
  local function ask(server, c, answers)
    local request = core.request(c, "x", nil, {})
    local function step()
      core.step(c, 0.01)
    end
    server:await("GET /v1/video/query", step)
    server:tell "R\n"
    if answers then
      server:await("SSL_do_handshake %-> 1", step) -- both sides have done theirs
      server:tell(ANSWER)
    else
      system.sleep(0.2) -- it has asked, and waits for the client's part
      server:signal "STOP"
    end
    local deadline = now() + SOON
    while not request:done() and now() < deadline do step() end
    return request:result()
  end

  for kind, answers in pairs { task = true, timeout = false } do
    it((answers and "and answers: " or "and falls silent: ") .. kind, function()
      local server = renegotiation.start()
      finally(function() server:stop() end)
      local opts = { ca_file = server.ca_file, request_timeout = answers and LIMIT or 1 }
      with_client(server.base_url, opts, function(c)
        local task, err = ask(server, c, answers)
        assert.are.equal(answers and "completed" or "timeout",
          task and task.status or err and err.kind)
        assert.is_truthy(c:query(service:id "completed",
          { base_url = service.base_url, ca_file = service.ca_file }))
      end)
    end)
  end
end)

describe("a proxy that behaves as", function()
  local function through(name) return (service.proxy_url:gsub("//", "//" .. name .. "@")) end

  for _, row in ipairs(PROXIES) do
    it(row[1] .. ": " .. row[2], function()
      with_client(service.base_url, { proxy = through(row[1]) }, function(c)
        local kind, err = outcome(c, service:id "completed", limits_of(row[2]))
        assert.are.equal(row[2], kind)
        assert.are.equal(row[3] ~= "final", err.retryable)
        assert.is_truthy(c:query(service:id "completed", { proxy = through "ok" }))
      end)
    end)
  end

  it("nobody at all: connect", function()
    with_client(service.base_url, { proxy = "http://127.0.0.1:1" }, function(c)
      assert.are.equal("connect", (outcome(c, "x")))
    end)
  end)
end)

describe("waits", function()
  it("survive a restart of the server, all thousand of them", function()
    local own = standin.start()
    local before, count = open_descriptors()
    local c = sora.client { base_url = own.base_url, ca_file = own.ca_file, retries = 0,
      request_timeout = 5 }
    local ids, told = {}, {}
    for i = 1, 1000 do ids[i] = own:id("queued*2", "completed") end
    local out = false
    local tasks, errs = c:wait_all(ids, {
      interval = 0.2, max_interval = 0.5, timeout = 60, concurrency = 200,
      max_errors = 100, -- on a busy machine the server may be back much later
      on_update = function()
        if not out then
          out = true
          own:outage(1)
        end
      end,
      on_result = function(id) told[id] = (told[id] or 0) + 1 end,
    })
    local good = 0
    for _, id in ipairs(ids) do
      good = good + (tasks[id] and 1 or 0)
      assert.are.equal(1, told[id])
    end
    local id, err = next(errs)
    assert.is_nil(id, tostring(err))
    assert.are.equal(1000, good)
    c:close()
    check_descriptors(before, count)
    own:stop()
  end)

  it("survive the network's going away and coming back", function()
    local permitted = shell.output_of "unshare -n ip link set lo up 2>/dev/null && echo yes"
    if permitted ~= "yes" then return pending "needs root, unshare(1) and ip(8)" end
    local lacking = host.lacks "cqueues"
    if lacking then return pending(lacking) end
    local said = shell.output_of("unshare -n " .. shell.LUA .. " spec/support/outage.lua 2>&1")
    assert.are.equal("unreachable: connect\nquery: timeout\n"
      .. "wait: succeeded\nquery: succeeded", said)
  end)
end)

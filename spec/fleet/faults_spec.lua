-- What a fleet says where Redis is missing, old, full, protected or gone for a while.

local self_signed = require "spec.support.self_signed"
local servers = require "spec.support.redis"

local lacking = servers.lacking()
if lacking then return pending(lacking) end

local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local inboxes = require "sora.hosts.inbox"
local links = require "spec.support.links"
local ports = require "spec.support.ports"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local socket = require "socket"
local system = require "system"

local failed = links.failed
local redis

local function connect(url, opts) return links.connect(url or redis.url, opts) end

--- Asks until Redis answers, as a worker does.
local function until_there(conn)
  assert.is_true(eventually(function()
    local reply, err = conn:command "PING"
    if not reply then assert.is_true(err.retryable, tostring(err)) end
    return reply
  end), "Redis did not come back")
end

--- A Redis that answers with these texts, one for each thing it reads, and then no more; in a
-- process of its own. Returns its port, and what ends it.
local function play(...)
  local port = ports.free(1)[1]
  local script = [[
    local socket = require "socket"
    local server = assert(socket.bind("127.0.0.1", arg[1]))
    print "there"
    io.stdout:flush()
    while true do
      local connection = server:accept()
      for i = 2, #arg do
        connection:settimeout(5)
        if not connection:receive "*l" then break end
        connection:settimeout(0.05)
        while connection:receive "*l" do end
        connection:send((arg[i]:gsub("\\r\\n", "\r\n")))
      end
      connection:settimeout(5)
      connection:receive "*l"
      connection:close()
    end]]
  local words = {}
  for i, text in ipairs { ... } do words[i] = shell.quote((text:gsub("\r\n", "\\r\\n"))) end
  local name = os.tmpname()
  files.write(name, script)
  local player = program.start(("%s %s %d %s"):format(shell.LUA, name, port,
    table.concat(words, " ")))
  assert.is_true(eventually(function()
    local probe = socket.connect("127.0.0.1", port)
    return probe and probe:close()
  end))
  return port, function()
    player:kill "KILL"
    player:wait()
    os.remove(name)
  end
end

local function hello(version)
  return ("*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$%d\r\n%s\r\n"):format(#version,
    version)
end

after_each(links.close)

describe("where there is no Redis that will do, the call says", function()
  it("that nobody listens", function()
    local port = ports.free(1)[1]
    local err = failed("connect", connect(("redis://127.0.0.1:%d"):format(port)):command "PING")
    assert.matches(("Redis at redis://127.0.0.1:%d/0: Connection refused"):format(port),
      err.message, nil, true)
    assert.is_true(err.retryable)
  end)

  it("that there is no such socket", function()
    local err = failed("connect", connect("unix:///nowhere/redis.sock"):command "PING")
    assert.matches("unix:///nowhere/redis.sock, database 0: No such file", err.message, nil, true)
  end)

  it("that the name is not known", function()
    failed("dns", connect("redis://nowhere.invalid"):command "PING")
  end)

  it("that it does not answer in time", function()
    local port, stop = play "" -- takes the connection, and says nothing
    local err = failed("timeout",
      connect(("redis://127.0.0.1:%d"):format(port), { connect_timeout = 0.2 }):command "PING")
    stop()
    assert.matches("connected, but Redis did not answer in time", err.message)
  end)

  it("that it is too old", function()
    for text, version in pairs {
      ["-ERR unknown command `HELLO`, with args beginning with: \r\n"] = "before 6.0",
      [hello "6.0.16"] = "6.0.16",
    } do
      local port, stop = play(text)
      local err = failed("api", connect(("redis://127.0.0.1:%d"):format(port)):command "PING")
      stop()
      assert.matches(("Redis %s is too old: 6.2 or later is needed"):format(version),
        err.message, nil, true)
      assert.is_false(err.retryable)
    end
  end)

  it("that something else is there, and the process lives on", function()
    for _, text in ipairs { "HTTP/1.1 400 Bad Request\r\n\r\n", "*1\r\n*-7\r\n", "$99999999999\r\n",
        hello "7.0.0" .. "+PONG\r\n+and more that nobody asked for\r\n" } do
      local port, stop = play(text)
      local _, err = connect(("redis://127.0.0.1:%d"):format(port),
        { connect_timeout = 0.5, command_timeout = 1 }):command "PING"
      stop()
      assert.is_true(err.kind == "network" or err.kind == "timeout", tostring(err))
    end
  end)
end)

describe("a Redis with passwords", function()
  local SECRET, ENCODED = "s3cr;t/p%w@rd", "s3cr%3Bt%2fp%25w%40rd"

  setup(function()
    redis = servers.start { requirepass = SECRET, databases = 4 }
    redis:call("ACL", "SETUSER", "worker", "on", ">other", "~v:*", "+@all", "-flushall")
  end)
  teardown(function() redis:stop() end)

  local function at(before, after)
    return ("redis://%s127.0.0.1:%d%s"):format(before, redis.port, after or "")
  end

  it("lets in who has the password, or a user's", function()
    assert.are.equal("PONG", connect(at(":" .. ENCODED .. "@")):command "PING")
    local conn = connect(at "worker:other@")
    assert.are.equal("worker", conn:command("ACL", "WHOAMI"))
    local err = failed("api", conn:command "FLUSHALL")
    assert.are.equal("NOPERM", err.code)
    assert.is_false(err.retryable)
  end)

  it("selects the database with each connection", function()
    local conn = connect(at(":" .. ENCODED .. "@", "/3"))
    assert.are.equal("OK", conn:command("SET", "v:where", "three"))
    redis:call("SELECT", 3)
    assert.are.equal("three", redis:call("GET", "v:where"))
    redis:call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    until_there(conn)
    assert.are.equal("three", conn:command("GET", "v:where"))
    local err = failed("api", connect(at(":" .. ENCODED .. "@", "/4")):command "PING")
    assert.matches("out of range", err.message)
  end)

  it("is reached through a Unix socket as well", function()
    local conn = connect(("unix://:%s@%s?db=2"):format(ENCODED, redis.socket))
    assert.are.equal("PONG", conn:command "PING")
    redis:call("SELECT", 2)
    conn:command("SET", "v:two", 2)
    assert.are.equal("2", redis:call("GET", "v:two"))
  end)

  it("says which password was refused, and not how it reads", function()
    for code, before in pairs { WRONGPASS = ":" .. ENCODED .. "x@", NOAUTH = "" } do
      local conn = connect(at(before))
      local err = failed("api", conn:command "PING")
      assert.are.equal(code, err.code)
      assert.is_false(err.retryable)
      for _, text in ipairs { tostring(err), err.message, tostring(conn) } do
        assert.is_nil(text:find("s3cr", 1, true))
      end
    end
  end)

  it("is not told of in what is misuse", function()
    for _, url in ipairs { "redis://:hun;ter2@host/x", "redis://hunter2@host", "http://:hunter2@h",
        "redis://:hunter2@host:0", "redis://:hunter2@:1/0", "unix://:hunter2@" } do
      local ok, message = pcall(connect, url)
      assert.is_false(ok)
      assert.matches("option 'redis'", message)
      assert.is_nil(message:find "ter2")
    end
  end)
end)

describe("a connection comes back by itself", function()
  before_each(function() redis = servers.start { appendonly = "yes", appendfsync = "always" } end)
  after_each(function() redis:stop() end)

  it("after kill -9 of Redis and its restart, with all that it had", function()
    local conn = connect()
    conn:command("SET", "kept", "yes")
    redis:kill()
    local err = failed("network", conn:command "PING")
    assert.is_true(err.retryable)
    failed("connect", conn:command "PING")
    redis:restart()
    until_there(conn)
    assert.are.equal("yes", conn:command("GET", "kept"))
  end)

  it("though the process ignores no SIGPIPE, and much is written when Redis has gone", function()
    local conn = connect()
    conn:command "PING"
    redis:kill()
    local inbox = inboxes.of(conn.commands, conn.driver, conn.calls)
    for i = 1, 2000 do conn:start(inbox, i, "ECHO", ("x"):rep(1000)) end
    local ended = 0
    while next(inbox.pending) do
      local call = inboxes.take(inbox)
      if call then
        local reply, err = call:result()
        assert.is_nil(reply)
        assert.is_true(err.retryable)
        ended = ended + 1
      else
        inbox.driver.park(inbox)
      end
    end
    assert.are.equal(2000, ended)
    redis:restart()
    until_there(conn)
  end)

  it("after CLIENT KILL, when it was idle, without an error", function()
    local conn = connect()
    conn:command "PING"
    system.sleep(1.1)
    redis:call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    assert.are.equal("PONG", conn:command "PING")
  end)

  it("after Redis was stopped: what waits for it ends with the time for a command", function()
    local conn = connect(nil, { command_timeout = 0.3, connect_timeout = 0.3 })
    conn:command "PING"
    redis:signal "STOP"
    local inbox = inboxes.of(conn.commands, conn.driver, conn.calls)
    for i = 1, 3 do conn:start(inbox, i, "INCR", "n") end
    assert.is_true(failed("timeout", links.result(inbox)).sent)
    for _ = 2, 3 do -- whose own time may be over by then, or not quite
      local value, err = links.result(inbox)
      assert.is_nil(value)
      assert.is_true(err.kind == "timeout" or err.kind == "network", err.kind)
      assert.is_true(err.sent)
    end
    failed("timeout", conn:command "PING")
    redis:signal "CONT"
    until_there(conn)
  end)

  it("from CLIENT PAUSE, which it waits for", function()
    local conn = connect()
    conn:command "PING"
    redis:call("CLIENT", "PAUSE", 300)
    assert.are.equal("PONG", conn:command "PING")
  end)

  it("with its subscriptions, which are told that they may have missed something", function()
    local conn, heard = connect(), {}
    local subscription = assert(conn:subscribe("news", function(text)
      heard[#heard + 1] = text or "back"
    end))
    local function hear(count)
      local inbox = inboxes.of(conn.messages.line, conn.driver, conn.calls)
      inbox.pending[subscription] = true
      local deadline = system.monotime() + 10
      while #heard < count and system.monotime() < deadline do inbox.driver.park(inbox, 0.1) end
    end
    redis:call("PUBLISH", "news", "one")
    hear(1)
    redis:kill()
    redis:restart()
    hear(2)
    redis:call("PUBLISH", "news", "two")
    hear(3)
    subscription:cancel()
    redis:call("PUBLISH", "news", "three")
    assert.are.equal("PONG", conn:command "PING")
    assert.are.same({ "one", "back", "two" }, heard)
  end)

  it("and a full Redis refuses with a code", function()
    local conn = connect()
    redis:call("CONFIG", "SET", "maxmemory", "1mb")
    local err = failed("api", conn:command("SET", "a", ("x"):rep(2000000)))
    assert.are.equal("OOM", err.code)
    assert.is_true(err.retryable)
    assert.are.equal(false, conn:command("GET", "a"))
  end)
end)

describe("TLS", function()
  local tls = require("sora.redis").tls

  it("is refused where hiredis has none, when the connection is made", function()
    if tls then return pending "hiredis has TLS" end
    local ok, message = pcall(connect, "rediss://:hunter2@127.0.0.1:1")
    assert.is_false(ok)
    assert.matches("option 'redis' is rediss://, for which hiredis %S+ has no TLS", message)
  end)

  it("is spoken with a server whose certificate and name are right, and with no other", function()
    if not tls then return pending "hiredis has no TLS" end
    local folder, port = files.folder(), ports.free(1)[1]
    local certificate, key = self_signed.make(folder, "DNS:localhost")
    redis = servers.start {
      ["tls-port"] = port, ["tls-cert-file"] = certificate, ["tls-key-file"] = key,
      ["tls-ca-cert-file"] = certificate, ["tls-auth-clients"] = "no",
    }
    local script = [[
      local conn = require("sora.fleet.connection").new { redis = arg[1] }
      local big = ("x"):rep(1000000)
      local said, err = conn:command("SET", "big", big)
      print(said or err.kind .. " " .. err.message, conn:command("GET", "big") == big)]]
    local function try(host, authorities)
      local url = ("%q"):format(("rediss://%s:%d"):format(host, port))
      return program.run(("%s -e %s"):format(shell.LUA, shell.quote((script:gsub("arg%[1%]",
        url)))), { env = { SSL_CERT_FILE = authorities } })
    end
    local good = try("localhost", certificate)
    local unknown, misnamed = try("localhost", "/dev/null"), try("127.0.0.1", certificate)
    redis:stop()
    files.remove(folder)
    assert.are.equal("OK\ttrue\n", good.out, good.err)
    assert.matches("^tls .*self.signed certificate", unknown.out)
    assert.matches("^tls .*IP address mismatch", misnamed.out)
  end)
end)

describe("a cluster of one node", function()
  setup(function() redis = servers.start { ["cluster-enabled"] = "yes" } end)
  teardown(function() redis:stop() end)

  it("is used as it is, once its slots are its own", function()
    local conn = connect()
    assert.are.equal("CLUSTERDOWN", failed("api", conn:command("SET", "{a}b", 1)).code)
    redis:call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    assert.is_true(eventually(function() return conn:command("SET", "{a}b", 1) end))
    assert.are.equal("1", conn:command("GET", "{a}b"))
  end)

  it("has its MOVED followed, with all that was in flight", function()
    local other = servers.start {}
    other:call("SET", "{a}b", "elsewhere")
    local answer = ("-MOVED 1234 127.0.0.1:%d\r\n"):format(other.port)
    local port, stop = play(hello "7.0.0", answer:rep(3))
    local conn = connect(("redis://127.0.0.1:%d"):format(port))
    local inbox = inboxes.of(conn.commands, conn.driver, conn.calls)
    for i = 1, 3 do conn:start(inbox, i, "GET", "{a}b") end
    for _ = 1, 3 do assert.are.equal("elsewhere", (links.result(inbox))) end
    assert.matches(other.port .. "/0", tostring(conn), nil, true)
    other:stop()
    stop()
    for _ = 1, 3 do conn:command "PING" end
    assert.matches(port .. "/0", tostring(conn), nil, true) -- back to where it began
  end)

  it("has a MOVED that goes in circles ended", function()
    local port, stop = play(hello "7.0.0", "-MOVED 1 :0\r\n", "-MOVED 1 :0\r\n")
    local conn = connect(("redis://127.0.0.1:%d"):format(port), { command_timeout = 1 })
    local reply, err = conn:command("GET", "a")
    stop()
    assert.is_nil(reply)
    assert.is_table(err)
  end)
end)

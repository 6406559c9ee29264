-- A connection to Redis: commands and scripts, and the replies of each.

local servers = require "spec.support.redis"

local lacking = servers.lacking()
if lacking then return pending(lacking) end

local connection = require "sora.fleet.connection"
local inboxes = require "sora.hosts.inbox"
local links = require "spec.support.links"

local failed = links.failed
local redis

local function connect(url, opts) return links.connect(url or redis.url, opts) end

describe("a connection to Redis", function()
  setup(function() redis = servers.start() end)
  teardown(function() redis:stop() end)
  before_each(function() redis:call "FLUSHALL" end)
  after_each(links.close)

  it("brings commands there and replies back, each as the value that it is", function()
    local conn = connect()
    assert.are.equal("OK", conn:command("SET", "a", "1\0\r\n2"))
    assert.are.equal("1\0\r\n2", conn:command("GET", "a"))
    assert.are.equal(false, conn:command("GET", "nobody"))
    assert.are.equal(42, conn:command("INCRBY", "n", 42))
    assert.are.same({ "42", false }, conn:command("MGET", "n", "nobody"))
    assert.are.same({}, conn:command("LRANGE", "nobody", 0, -1))
    local deep = conn:command("EVAL", "return {1, {2, {3, {'x'}}}, redis.error_reply('E n')}", 0)
    assert.are.same({ 1, { 2, { 3, { "x" } } }, { err = "E n" } }, deep)
  end)

  it("sends numbers with all their digits, whatever the locale", function()
    local conn = connect()
    conn:command("MSET", "float", 1700000000.123456, "tenth", 0.1, "integer", 2 ^ 53)
    assert.are.same({ "1700000000.123456", "0.1", "9007199254740992" },
      { conn:command("GET", "float"), conn:command("GET", "tenth"),
        (conn:command("GET", "integer"):gsub("%.0$", "")) })
    assert.are.equal(1, conn:command("ZADD", "z", 1700000000.123456, "m"))
    assert.are.equal("1700000000.123456", conn:command("ZSCORE", "z", "m"))
  end)

  it("carries a megabyte there and back", function()
    local conn = connect()
    local bytes = ("0123456789abcde\n"):rep(65536)
    assert.are.equal("OK", conn:command("SET", "big", bytes))
    assert.is_true(bytes == conn:command("GET", "big"))
  end)

  it("has many commands in flight at once, and gives each its own reply", function()
    local conn = connect()
    local inbox = inboxes.of(conn.commands, conn.driver, conn.calls)
    for i = 1, 1000 do conn:start(inbox, i, "ECHO", i) end
    assert.are.equal(1000, conn:in_flight())
    local order, count = {}, 0
    while next(inbox.pending) do
      local call, note = inboxes.take(inbox)
      if call then
        count = count + 1
        order[count] = note
        assert.are.equal(tostring(note), call:result())
      else
        inbox.driver.park(inbox)
      end
    end
    for i = 1, 1000 do assert.are.equal(i, order[i]) end
    assert.are.equal(0, conn:in_flight())
    assert.matches("total_connections_received:%d+", redis:call("INFO", "stats"))
  end)

  it("gives an error of Redis' own as one of kind api, with its code", function()
    local conn = connect()
    conn:command("SET", "text", "x")
    local err = failed("api", conn:command("LPUSH", "text", "y"))
    assert.are.equal("WRONGTYPE", err.code)
    assert.is_false(err.retryable)
    assert.are.equal("x", conn:command("GET", "text")) -- the connection goes on
  end)

  it("raises what is no string and no number where the call stands", function()
    local conn = connect()
    local ok, message = pcall(function() conn:command("SET", "a", {}) end)
    assert.is_false(ok)
    assert.matches("connection_spec.lua:%d+: bad argument #3", message)
  end)

  describe("a script", function()
    it("goes as a whole until Redis has said what it calls it, and again when that is forgotten",
      function()
        local conn = connect()
        local script = connection.script "return KEYS[1] .. ARGV[1]"
        assert.are.equal("k1", conn:script(script, { "k" }, { 1 }))
        assert.are.equal("k2", conn:script(script, { "k" }, { 2 }))
        assert.are.equal(40, #script.sha1)
        local before = tonumber(redis:call("INFO", "commandstats"):match "cmdstat_eval:calls=(%d+)")
        assert.are.equal("k3", conn:script(script, { "k" }, { 3 }))
        assert.are.equal("OK", conn:command("SCRIPT", "FLUSH"))
        assert.are.equal("k4", conn:script(script, { "k" }, { 4 }))
        local stats = redis:call("INFO", "commandstats")
        assert.are.equal(before + 1, tonumber(stats:match "cmdstat_eval:calls=(%d+)"))
      end)
  end)
end)

-- Options: each wrong value is refused where the call was made, by the option's name.

local standin = require "spec.support.standin"
local sora = require "sora"

local service = standin.shared()
local HERE = "^spec/transfer/options_spec%.lua:(%d+): "

-- Each entry: what the call is made with, and what the error says. The error names the line of the
-- call; nothing is sent.
local function refuses(what, call, pattern)
  it("refuses " .. what, function()
    local before = service:stats().requests
    local ok, err = pcall(call)
    assert.is_false(ok)
    local line = tonumber(tostring(err):match(HERE))
    assert.is_truthy(line, tostring(err))
    local info = debug.getinfo(call, "S")
    assert.is_true(line >= info.linedefined and line <= info.lastlinedefined, err)
    assert.matches(pattern, err)
    assert.are.equal(before, service:stats().requests)
  end)
end

describe("misuse", function()
  local client, id

  setup(function()
    client = sora.client { base_url = service.base_url, ca_file = service.ca_file }
    id = service:id "completed"
  end)

  teardown(function() client:close() end)

  describe("of an id", function()
    local bad = { { "nothing", nil }, { "a number", 7 }, { "an empty one", "" },
      { "a table", {} }, { "a line end", "task\n" }, { "a NUL", "task\0x" }, { "DEL", "a\127" },
      { "a very long one", ("x"):rep(65537) } }
    for _, case in ipairs(bad) do
      local name, value = case[1], case[2]
      refuses(name .. " for sora.query", function() local t = sora.query(value) return t end,
        "bad argument #1 to 'query' %(task id")
      refuses(name .. " for client:query", function() local t = client:query(value) return t end,
        "bad argument #1 to 'query' %(task id")
      refuses(name .. " for client:wait", function() local t = client:wait(value) return t end,
        "bad argument #1 to 'wait' %(task id")
      refuses(name .. " for client:watch", function() local t = client:watch(value) return t end,
        "bad argument #1 to 'watch' %(task id")
    end
    refuses("no list", function() local t = client:query_all "id" return t end, "table of task ids")
    refuses("a hole in a list", function() local t = client:wait_all { id, "" } return t end,
      "position 2")
    refuses("no source", function() local t = client:download(nil, "x") return t end, "#1")
    refuses("no path", function() local t = client:download(id) return t end, "#2")
  end)

  describe("of an option", function()
    local function everywhere(opts, pattern)
      local what = "at " .. pattern
      refuses(what .. " in query",
        function() local t = client:query(id, opts) return t end, pattern)
      refuses(what .. " in sora.query", function() local t = sora.query(id, opts) return t end,
        pattern)
      refuses(what .. " in wait", function() local t = client:wait(id, opts) return t end, pattern)
      refuses(what .. " in query_all",
        function() local t = client:query_all({ id }, opts) return t end,
        pattern)
      refuses(what .. " in download",
        function() local t = client:download(id, "x", opts) return t end,
        pattern)
    end

    everywhere("no table", "options must be a table, not a string")
    everywhere({ timout = 1 }, "unknown option 'timout' %(did you mean 'timeout'%?%)")
    everywhere({ colour = 1 }, "unknown option 'colour'$")
    everywhere({ true }, "names of options are strings")
    everywhere({ timeout = "1" }, "option 'timeout' must be a number of seconds, not a string")
    everywhere({ timeout = 0 }, "option 'timeout' must be above 0")
    everywhere({ timeout = 0 / 0 }, "option 'timeout' must be above 0")
    everywhere({ retries = -1 }, "option 'retries' must be a whole number from 0")
    everywhere({ retries = 1.5 }, "option 'retries' must be a whole number")
    everywhere({ retries = math.huge }, "option 'retries' must be a whole number")
    everywhere({ max_depth = 2 ^ 40 }, "option 'max_depth' must be a whole number")
    everywhere({ verify = 0 }, "option 'verify' must be a boolean, not a number")
    everywhere({ api_key = 7 }, "option 'api_key' must be a string, not a number")
    everywhere({ api_key = "a\nb" }, "option 'api_key' contains a control character")
    everywhere({ forwarded_host = "a\r\nb: c" }, "option 'forwarded_host' contains a control")
    everywhere({ user_agent = ("x"):rep(65537) }, "option 'user_agent' is longer than 65536 bytes")
    everywhere({ headers = { x = ("y"):rep(65537) } }, "option 'headers': 'x' is longer than")
    everywhere({ headers = { [("x"):rep(65537)] = "y" } }, "option 'headers' has an invalid name")
    everywhere({ headers = "x" }, "option 'headers' must be a table")
    everywhere({ headers = { "x" } }, "option 'headers' must map names to strings")
    everywhere({ headers = { x = true } }, "option 'headers' must map names to strings")
    everywhere({ headers = { ["a b"] = "x" } }, "option 'headers' has an invalid name")
    everywhere({ headers = { x = "a\nb" } }, "option 'headers': 'x' contains a control character")
    everywhere({ base_url = "ftp://host" }, "option 'base_url' must begin with http")
    everywhere({ base_url = "https://" }, "option 'base_url'")
    everywhere({ base_url = "https://a:b@host" }, "option 'base_url' must not hold a user")
    everywhere({ base_url = "https://host?a=b" }, "option 'base_url' must not hold a query")
    everywhere({ base_url = "https://ho st" }, "option 'base_url' contains a blank")
    everywhere({ http_version = "0.9" }, "option 'http_version' must be")
    everywhere({ max_connections = 1 }, "option 'max_connections' belongs to sora.client")
    everywhere({ base_url = "http://relay.invalid", api_key = "sk-secret" }, "plain http: the key")
    refuses("one of a wait in a query",
      function() local t = client:query(id, { interval = 1 }) return t end,
      "option 'interval' has no meaning for this call")
    refuses("a callback that is none",
      function() local t = client:wait(id, { on_update = 1 }) return t end,
      "option 'on_update' must be a function, not a number")
    refuses("one of a call in sora.client",
      function() local t = sora.client { timeout = 1 } return t end, "belongs to a call")
    refuses("a bad one in sora.client",
      function() local t = sora.client { base_url = "host" } return t end, "must begin with http")
    refuses("plain http with a key in sora.client",
      function() local t = sora.client { base_url = "http://relay.invalid", api_key = "sk" }
        return t end,
      "plain http")
    refuses("plain http with a key in a header",
      function()
        local t = client:query(id,
          { base_url = "http://relay.invalid", headers = { authorization = "x" } })
        return t
      end, "plain http")
    refuses("plain http to this machine through a proxy",
      function()
        local t = client:query(id,
          { base_url = service.http_url, api_key = "sk", proxy = "http://relay.invalid" })
        return t
      end, "plain http")
    refuses("what sora.decode has no use for",
      function() local t = sora.decode("{}", { timeout = 1 })
        return t end, "'timeout' has no meaning")
  end)

  describe("of a closed client", function()
    local closed = sora.client { base_url = service.base_url }
    closed:close()
    refuses("a query", function() local t = closed:query "id" return t end, "the client is closed")
    refuses("a wait", function() local t = closed:wait "id" return t end, "the client is closed")
    refuses("a download", function() local t = closed:download("id", "x") return t end,
      "the client is closed")
  end)
end)

describe("options", function()
  it("take what is without limit", function()
    local client = sora.client { base_url = service.base_url, ca_file = service.ca_file,
      request_timeout = math.huge, connect_timeout = math.huge }
    assert.is_truthy(client:query(service:id "completed", { timeout = math.huge }))
    client:close()
  end)

  it("are the table's own: a metatable is not asked", function()
    local client = sora.client { base_url = service.base_url, ca_file = service.ca_file }
    local opts = setmetatable({}, { __index = { timout = 1 } })
    assert.is_truthy(client:query(service:id "completed", opts))
    client:close()
  end)

  it("let a key travel over plain http where that is allowed", function()
    local client =
      sora.client { base_url = "http://relay.invalid", api_key = "sk", allow_http = true }
    client:close()
    sora.client({ base_url = "http://127.0.0.1:1", api_key = "sk" }):close()
    sora.client({ base_url = "http://a.localhost:1", api_key = "sk" }):close()
    sora.client({ base_url = "http://[::1]:1", api_key = "sk" }):close()
    assert.has_error(function()
      sora.client { base_url = "http://127.0.0.1.example", api_key = "sk" }
    end)
  end)
end)

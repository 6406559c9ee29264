-- Nothing that is given as an argument or an option, or comes from the service, can add a header or
-- a request: it is refused with an error that says so, or it arrives as a part of what it was meant
-- for. What is checked is what the service has received.

local option_rows = require "spec.support.option_rows"
local shell = require "spec.support.shell"
local core = require "sora.core"
local sora = require "sora"
local standin = require "spec.support.standin"

local service = standin.shared()

-- The tail of each is what a header or a second request would be made of.
local EVIL = {
  ["CR LF"] = "a\r\nX-Evil: 1", ["LF"] = "a\nX-Evil: 1", ["CR"] = "a\rX-Evil: 1",
  ["LF CR"] = "a\n\rX-Evil: 1", ["a folded line"] = "a\r\n X-Evil: 1",
  ["an empty line"] = "a\r\n\r\nGET /v1/video/query?id=evil HTTP/1.1\r\nHost: x\r\n\r\n",
  ["NUL"] = "a\0X-Evil: 1", ["a NUL before CR LF"] = "a\0\r\nX-Evil: 1",
  ["TAB"] = "a\tX-Evil: 1", ["VT"] = "a\11X-Evil: 1", ["FF"] = "a\12X-Evil: 1",
  ["ESC"] = "a\27X-Evil: 1", ["DEL"] = "a\127X-Evil: 1",
}

--- No control characters to the module, but to somebody who decodes, truncates or normalises.
local ODD = {
  ["percent-encoded"] = "a%0d%0aX-Evil:%201", ["encoded twice"] = "a%250d%250aX-Evil: 1",
  ["U+2028"] = "a\226\128\168X-Evil: 1", ["U+0085"] = "a\194\133X-Evil: 1",
  ["0x85"] = "a\133X-Evil: 1", ["U+560D U+560A"] = "a\229\152\141\229\152\138X-Evil: 1",
  ["U+010D U+010A"] = "a\196\141\196\138X-Evil: 1", ["written out"] = "a\\r\\nX-Evil: 1",
  ["an overlong LF"] = "a\192\138X-Evil: 1", ["a colon"] = "a: b",
}

local function set(names)
  local all = {}
  for name in names:gmatch "%S+" do all[name] = true end
  return all
end

--- The headers that the module and libcurl send by themselves, by the port of the service.
local USUAL = set [[host accept accept-encoding authorization content-type user-agent
  x-forwarded-host]]
local TO = {
  proxy = set "host user-agent proxy-connection proxy-authorization",
  cdn = set "host accept user-agent authorization", -- the last: of a URL with a user
}

local function client(opts)
  local given = { base_url = service.h1_url, ca_file = service.ca_file, api_key = "sk-injection",
    retries = 0, request_timeout = 5, connect_timeout = 5 }
  for name, value in pairs(opts or {}) do given[name] = value end
  return sora.client(given)
end

--- Runs fn() and looks at all that the service was sent meanwhile: each header comes once and is
-- one of the usual ones or `allowed`, and no id is "evil". Returns the number of requests.
local function watched(allowed, fn)
  service:reset()
  fn()
  local entries = service:log()
  for _, entry in ipairs(entries) do
    assert.are_not.equal("evil", entry.id)
    local seen = {}
    for _, header in ipairs(entry.header_list) do
      local name = header[1]:lower()
      assert.is_true((TO[entry.port] or USUAL)[name] or name == allowed,
        "a header that nobody gave: " .. name)
      assert.is_nil(seen[name], name .. " came twice")
      seen[name] = true
    end
  end
  return #entries
end

--- Of each call, for each text: a Lua error at the caller's line, and nothing is sent.
local function refused(texts, ...)
  local calls = { ... }
  assert.are.equal(0, watched(nil, function()
    for _, text in pairs(texts) do
      for _, call in ipairs(calls) do
        local ok, err = pcall(call, text)
        assert.is_false(ok)
        assert.is_string(err)
        assert.is_truthy(err:find("control character", 1, true) or err:find("invalid name", 1, true)
          or err:find("file expected", 1, true), err)
        assert.is_nil(err:find "%c", "the error repeats it")
      end
    end
  end))
end

describe("an id", function()
  local c

  setup(function() c = client() end)
  teardown(function() c:close() end)

  local CALLS = {
    query = function(id) return c:query(id) end,
    ["sora.query"] = function(id) return sora.query(id) end,
    request = function(id) return core.request(c, id) end,
    wait = function(id) return c:wait(id) end,
    watch = function(id) return c:watch(id) end,
    query_all = function(id) return c:query_all { "x", id } end,
    wait_all = function(id) return c:wait_all { "x", id } end,
    download = function(id) return c:download(id, "/dev/null/x") end,
  }

  for call, fn in pairs(CALLS) do
    it("of " .. call .. " is refused with any control character", function()
      local texts = { "\127" }
      for _, text in pairs(EVIL) do texts[#texts + 1] = text end
      for byte = 0, 31 do texts[#texts + 1] = "a" .. string.char(byte) .. "b" end
      refused(texts, fn)
    end)
  end

  it("is one parameter of the query, whatever else is in it", function()
    for what, text in pairs(ODD) do
      assert.are.equal(1, watched(nil, function() c:query(text) end), what)
      assert.are.equal(1, #service:log(text), what)
    end
  end)
end)

describe("an option", function()
  local c

  setup(function() c = client() end)
  teardown(function() c:close() end)

  local OPTIONS = {
    api_key = function(text) return { api_key = text } end,
    ["a header's value"] = function(text) return { headers = { ["X-Mine"] = text } } end,
    ["a header's name"] = function(text) return { headers = { [text] = "1" } } end,
    forwarded_host = function(text) return { forwarded_host = text } end,
    user_agent = function(text) return { user_agent = text } end,
    base_url = function(text) return { base_url = service.h1_url .. "/" .. text } end,
    ["the host of base_url"] = function(text) return { base_url = "https://" .. text } end,
    proxy = function(text) return { proxy = service.proxy_url .. "/" .. text } end,
    ["the user of a proxy"] = function(text)
      return { proxy = (service.proxy_url:gsub("//", function() return "//" .. text .. "@" end)) }
    end,
    ca_file = function(text) return { ca_file = service.ca_file .. text } end,
    http_version = function(text) return { http_version = "1.1" .. text } end,
  }

  -- and every other string
  for name, row in pairs(option_rows()) do
    if row.kind == "STRING" and row.scopes:find "^SCOPE_CLIENT" then
      OPTIONS[name] = OPTIONS[name] or function(text) return { [name] = text } end
    end
  end

  for name, opts in pairs(OPTIONS) do
    it(name .. " is refused with any control character", function()
      refused(EVIL, function(text) return client(opts(text)) end,
        function(text) return c:query("x", opts(text)) end,
        function(text) return c:wait("x", opts(text)) end,
        function(text) return c:query_all({ "x" }, opts(text)) end,
        function(text) return c:download("x", "/dev/null/x", opts(text)) end)
    end)

    it(name .. " adds nothing by characters that others decode or cut", function()
      watched("x-mine", function()
        for _, text in pairs(ODD) do
          pcall(c.query, c, service:id "completed", opts(text))
          local ok, own = pcall(client, opts(text))
          if ok then
            own:query(service:id "completed")
            own:close()
          end
        end
      end)
    end)
  end

  for _, name in ipairs { "api_key", "forwarded_host", "user_agent" } do
    it(name .. " arrives as it is", function()
      for what, text in pairs(ODD) do
        local id = service:id "completed"
        assert(c:query(id, { [name] = text }))
        local headers = service:log(id)[1].headers
        local value = headers[({ api_key = "authorization", forwarded_host = "x-forwarded-host",
          user_agent = "user-agent" })[name]]
        assert.are.equal((name == "api_key" and "Bearer " or "") .. text, value, what)
      end
    end)
  end

  it("of the environment is refused as well", function()
    for variable, value in pairs { SORA_API_KEY = "a\r\nX-Evil: 1",
      SORA_BASE_URL = service.h1_url .. "/\r\nX-Evil: 1" } do
      local said = shell.output_of(([[%s=%s %s -e 'print(pcall(require "sora".query, "x"))' 2>&1]])
        :format(variable, shell.quote(value), shell.LUA))
      assert.matches("^false\t.*%$" .. variable .. " contains a .*control character", said)
    end
  end)
end)

describe("a download", function()
  local c, path

  setup(function() c = client { base_url = service.base_url } end)
  teardown(function()
    c:close()
    service:reset() -- no other spec gives the CDN a password
  end)
  before_each(function() path = os.tmpname() end)
  after_each(function()
    os.remove(path)
    os.remove(path .. ".part")
  end)

  it("refuses control characters in a URL and a NUL in a path", function()
    refused(EVIL, function(text) return c:download(service.cdn_url .. "/" .. text, path) end)
    refused({ "\0x", "\0" }, function(text)
      return c:download(service.cdn_url .. "/x", path .. text)
    end)
  end)

  it("takes no control characters from a task", function()
    assert.are.equal(0, watched(nil, function()
      for what, text in pairs(EVIL) do
        for _, url in ipairs { service.cdn_url .. "/" .. text, "https://" .. text,
          (service.cdn_url:gsub("//", function() return "//" .. text .. "@" end)) .. "/x" } do
          local bytes, err = c:download({ status = "completed", video_url = url }, path)
          assert.is_nil(bytes, what)
          assert.are.equal("no_video", err.kind, what)
        end
      end
    end))
  end)

  it("asks for a task again by an id that is one, or not at all", function()
    watched(nil, function()
      for what, text in pairs(EVIL) do
        local url = service:video "size=10&status=403"
        local bytes, err = c:download({ id = text, status = "completed", video_url = url }, path)
        assert.is_nil(bytes, what)
        assert.are.equal("http", err.kind, what)
      end
    end)
  end)

  it("sends nothing that was encoded in a URL decoded", function()
    assert.is_true(watched(nil, function()
      for _, text in pairs(ODD) do
        c:download(service:video("size=10&x=" .. text:gsub(" ", "%%20")), path)
      end
      c:download((service:video "size=10":gsub("//", "//a%%0d%%0aX-Evil:b@")), path)
    end) > 5)
  end)
end)

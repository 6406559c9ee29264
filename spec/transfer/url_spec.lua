-- Base URLs, and the ids that are put behind them.

local sora = require "sora"
local standin = require "spec.support.standin"
local texts = require "spec.support.service.text"

local service = standin.shared()

--- What becomes of a base URL: the start of each query's URL, or what is wrong with it.
local TAKEN = {
  { "https://relay.example", "https://relay.example" },
  { "https://relay.example/", "https://relay.example" },
  { "https://relay.example//", "https://relay.example" },
  { "https://relay.example/v1", "https://relay.example" },
  { "https://relay.example/v1/", "https://relay.example" },
  { "https://relay.example/V1", "https://relay.example" },
  { "https://relay.example//v1//", "https://relay.example" },
  { "https://relay.example/v1/v1", "https://relay.example/v1" },
  { "https://relay.example/v12", "https://relay.example/v12" },
  { "https://relay.example/sora/v1", "https://relay.example/sora" },
  { "https://relay.example/a%20b/%7e", "https://relay.example/a%20b/%7e" },
  { "https://relay.example/a/../b", "https://relay.example/a/../b" },
  { "https://relay.example/v1/video/query", "https://relay.example" },
  { "https://relay.example/v1/video/query/", "https://relay.example" },
  { "https://relay.example/sora/V1/Video/Query", "https://relay.example/sora" },
  { "https://relay.example/v1/v1/video/query", "https://relay.example" },
  { "https://relay.example/video/query", "https://relay.example/video/query" },
  { "https://v1", "https://v1" },
  { "https://v1/v1", "https://v1" },
  { "HTTPS://Relay.Example", "HTTPS://Relay.Example" },
  { "https://relay.example:8443/x", "https://relay.example:8443/x" },
  { "https://[::1]:8443/x/", "https://[::1]:8443/x" },
  { "https://127.0.0.1", "https://127.0.0.1" },
}

local REFUSED = {
  { "relay.example", "must begin" }, { "ftp://relay.example", "must begin" },
  { "https:/relay.example", "must begin" }, { "https//relay.example", "must begin" },
  { " https://relay.example", "must begin" }, { "file:///etc/passwd", "must begin" },
  { "https://", "" }, { "https:///path", "has no host" },
  { "https:////relay.example", "has no host" },
  { "https://relay.example?", "query or a fragment" },
  { "https://relay.example/?", "query or a fragment" },
  { "https://relay.example/#", "query or a fragment" },
  { "https://relay.example#", "query or a fragment" },
  { "https://relay.example/v1?id=x", "query or a fragment" },
  { "https://user@relay.example", "user or a password" },
  { "https://:secret@relay.example", "user or a password" },
  { "https://@relay.example", "user or a password" },
  { "https://relay.example:99999", "not a valid URL" },
  { "https://relay.example:x", "not a valid URL" },
  { "https://relay.example\\@elsewhere.example", "" },
  { "https://relay .example", "blank" }, { "https://relay.example/a b", "blank" },
  { "https://[::1", "not a valid URL" }, { "https://[nonsense]", "not a valid URL" },
  { "https://relay%00.example", "not a valid URL" },
}

--- Whether a key may travel there over plain http: it never leaves this machine.
local LOOPBACK = {
  ["http://localhost"] = true, ["http://LOCALHOST:80"] = true, ["http://a.localhost"] = true,
  ["http://127.0.0.1"] = true, ["http://127.255.0.9:80"] = true, ["http://[::1]"] = true,
  ["http://[0:0:0:0:0:0:0:1]"] = true, ["http://127.1"] = true,
  ["http://localhost.example"] = false, ["http://notlocalhost"] = false,
  ["http://127.0.0.1.example"] = false, ["http://126.0.0.1"] = false, ["http://0.0.0.0"] = false,
  ["http://128.0.0.1"] = false, ["http://[::2]"] = false, ["http://[::ffff:10.0.0.1]"] = false,
  ["http://10.0.0.1"] = false, ["http://example/127.0.0.1"] = false,
  ["http://example/localhost"] = false,
}

describe("a base URL", function()
  for _, row in ipairs(TAKEN) do
    it(row[1] .. " is taken", function()
      local c = sora.client { base_url = row[1] }
      assert.are.equal("sora.client (" .. row[2] .. ", 0 in flight)", tostring(c))
      c:close()
    end)
  end

  for _, row in ipairs(REFUSED) do
    it(("%q is refused"):format(row[1]), function()
      local ok, err = pcall(sora.client, { base_url = row[1] })
      assert.is_false(ok)
      assert.is_truthy(err:find("option 'base_url'", 1, true), err)
      assert.is_truthy(err:find(row[2], 1, true), err)
      assert.is_nil(err:find("secret", 1, true))
    end)
  end

  for url, allowed in pairs(LOOPBACK) do
    it(url .. (allowed and " is" or " is not") .. " this machine", function()
      local ok, made = pcall(sora.client, { base_url = url, api_key = "sk-x" })
      assert.are.equal(allowed, ok)
      if ok then
        made:close()
      else
        assert.is_truthy(made:find("plain http", 1, true), made)
      end
      sora.client({ base_url = url }):close() -- without a key there is nothing to lose
    end)
  end
end)

describe("a base URL beside query_path", function()
  it("may end in that path, too", function()
    for _, row in ipairs {
      { "https://relay.example/v1/videos", "/v1/videos/{id}", "https://relay.example" },
      { "https://relay.example/x/v1/videos/", "/v1/videos/{id}", "https://relay.example/x" },
      { "https://relay.example/v1/video/query", "/v1/videos/{id}", "https://relay.example" },
      { "https://relay.example/api/task", "/api/task?id={id}", "https://relay.example" },
      { "https://relay.example/api/task", "/task/{id}/", "https://relay.example/api" },
      { "https://relay.example/api", "/{id}", "https://relay.example/api" },
    } do
      local c = sora.client { base_url = row[1], query_path = row[2] }
      assert.are.equal("sora.client (" .. row[3] .. ", 0 in flight)", tostring(c))
      c:close()
    end
  end)
end)

describe("a path of tasks", function()
  local REFUSED_PATHS = {
    { "", "begin" }, { "v1/{id}", "begin" }, { "//evil.example/{id}", "begin" },
    { "@evil.example/{id}", "begin" }, { ".evil.example/{id}", "begin" }, { ":80/{id}", "begin" },
    { "/v1/videos", "{id}" }, { "/v1/{ID}", "braces" }, { "/{id}/{x}", "braces" },
    { "/{id", "braces" }, { "/id}", "braces" }, { "/{{id}}", "braces" }, { "/{id}#x", "fragment" },
    { "/{id}?a=b c", "percent-encoded" }, { "/{id}\\x", "percent-encoded" },
    { "/{id}?\"", "percent-encoded" }, { "/<{id}>", "percent-encoded" },
    { "/视频/{id}", "percent-encoded" }, { "/[{id}]", "percent-encoded" },
    { "/%{id}", "two hexadecimal digits" }, { "/{id}%2", "two hexadecimal digits" },
    { "/{id}%zz", "two hexadecimal digits" }, { "/../{id}", "step" }, { "/./{id}", "step" },
    { "/{id}/..", "step" }, { "/a/%2e%2E/{id}", "step" }, { "/a/.%2e?{id}", "step" },
    { "/{id}\r\nX-Evil: 1", "control character" }, { "/{id}\0", "control character" },
    { "/{id}" .. ("x"):rep(65536), "longer" },
  }

  for _, option in ipairs { "query_path", "content_path" } do
    for _, row in ipairs(REFUSED_PATHS) do
      it(("%s %q is refused"):format(option, row[1]:sub(1, 40)), function()
        local ok, err = pcall(sora.client, { [option] = row[1] })
        assert.is_false(ok)
        assert.is_truthy(err:find("option '" .. option .. "'", 1, true), err)
        assert.is_truthy(err:find(row[2], 1, true), err)
        local c = sora.client()
        ok, err = pcall(c.query, c, "x", { [option] = row[1] })
        c:close()
        assert.is_false(ok)
        assert.is_truthy(err:find("option '" .. option .. "'", 1, true), err)
      end)
    end
  end

  it("is what is asked for, the id in it percent-encoded, wherever it stands", function()
    local c = sora.client { base_url = service.http_url, retries = 0,
      query_path = "/v1/videos/{id}" }
    local id = service:id "completed"
    local encoded = texts.percent_encode(id)
    local function path_of(asked, opts)
      service:reset()
      c:query(asked, opts)
      local requests = service:log()
      assert.are.equal(1, #requests)
      return requests[1].path
    end
    assert.are.equal("/v1/videos/" .. encoded, path_of(id))
    for path, expected in pairs {
      ["/v1/video/query?task_id={id}&model=sora-2"] =
        "/v1/video/query?task_id=" .. encoded .. "&model=sora-2",
      ["/{id}/{id}?x={id}"] = ("/%s/%s?x=%s"):format(encoded, encoded, encoded),
      ["/a:b@c/$&'()*+,;=%20/{id}/"] = "/a:b@c/$&'()*+,;=%20/" .. encoded .. "/",
      ["/x?a={id}&b=../../y?/"] = "/x?a=" .. encoded .. "&b=../../y?/",
    } do
      assert.are.equal(expected, path_of(id, { query_path = path }))
    end
    assert.are.equal("/v1/videos/a%2F..%2Fb%3Fc%23d%26e%25", path_of "a/../b?c#d&e%")
    c:close()
  end)

  it("is not left by an id of dots", function()
    local c = sora.client { base_url = service.http_url, retries = 0,
      query_path = "/v1/videos/{id}" }
    for _, id in ipairs { ".", ".." } do
      local ok, err = pcall(function() local task = c:query(id) return task end)
      assert.is_false(ok)
      assert.matches("url_spec.lua:%d+: bad argument #1 to 'query' %(task id would lead", err)
    end
    for _, path in ipairs { "/x/.{id}", "/x/{id}./y" } do
      assert.is_false((pcall(function() return c:query(".", { query_path = path }), nil end)))
    end
    assert.is_truthy(select(2, c:query("...", { query_path = "/x/{id}" })))
    assert.is_truthy(select(2, c:query("..", { query_path = "/x?{id}" })))
    c:close()
  end)
end)

describe("an id", function()
  local c

  setup(function() c = sora.client { base_url = service.http_url, retries = 0 } end)
  teardown(function() c:close() end)

  --- The path that the service is asked for it.
  local function path_of(id)
    c:query(id)
    local log = service:log(id)
    assert.are.equal(1, #log)
    return log[1].path
  end

  it("is percent-encoded byte for byte, but for the unreserved ones", function()
    local mark = service:id "completed"
    for first = 32, 255, 32 do
      local bytes, encoded = {}, {}
      for byte = first, first + 31 do
        local one = string.char(byte)
        if byte ~= 127 then
          bytes[#bytes + 1] = one
          encoded[#encoded + 1] = one:find "^[A-Za-z0-9%-._~]$" and one or ("%%%02X"):format(byte)
        end
      end
      local path = path_of(mark .. table.concat(bytes))
      assert.are.equal("/v1/video/query?id=" .. mark:gsub(":", "%%3A"):gsub(",", "%%2C")
        .. table.concat(encoded), path)
    end
  end)

  it("may look like anything", function()
    for _, id in ipairs { "..", ".", "/", "?", "#", "a/../b", "a&id=b", "a;b", "%2e", "id=x", " ",
      "sora-2:task_01kbfq03gpe0wr9ge11z09xqrj", "033fa60e-f37c-4ff6-a44d-5585ffea938d" } do
      service:reset()
      assert.matches("^/v1/video/query%?id=[%w%%._~-]+$", path_of(id))
    end
  end)

  it("may be as long as a server takes it", function()
    local id = service:id "completed" .. ("x"):rep(4000)
    assert.are.equal(1, select(2, path_of(id):gsub(("x"):rep(4000) .. "$", "")))
  end)
end)

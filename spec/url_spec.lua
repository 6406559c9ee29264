-- Base URLs, and the ids that are put behind them.

local sora = require "sora"
local standin = require "spec.support.standin"

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

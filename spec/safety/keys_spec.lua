-- However a key is given, and however the service quotes it, nothing that the module says has it.

local keys = require "spec.support.keys"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"

local service = standin.shared()
local STEP = os.getenv "KEYS" == "all" and 1 or 16 -- the ways are tried with different ones

local function said_of(name, first)
  local ended = program.run(("%s spec/support/keys.lua %s %s %s %s %d %d"):format(shell.LUA,
    shell.quote(name), service.base_url, shell.quote(service.ca_file), service.proxy_url, first,
    STEP), { env = keys.WAYS[name].env })
  assert.are.equal("", ended.err)
  assert.are.equal(0, ended.code)
  return ended.out
end

local ways = {}
for name in pairs(keys.WAYS) do ways[#ways + 1] = name end
table.sort(ways)

describe("a key that is given as", function()
  setup(function() service:scripts(keys.scripts()) end)

  for number, name in ipairs(ways) do
    it(name .. " is in no error, task or progress bar, whatever the service says", function()
      local first = number % STEP + 1
      local said, ids, hidden = said_of(name, first), {}, 0
      for id, block in said:gsub("<<< ", "\0"):gmatch "%z([^\n]*)([^%z]*)" do
        ids[#ids + 1] = id
        for _, text in ipairs(keys.FORBIDDEN) do
          local from = block:find(text, 1, true)
          if from then error(id .. ": " .. block:sub(math.max(1, from - 40), from + 60)) end
        end
        if block:find("***", 1, true) then hidden = hidden + 1 end
      end
      assert.are.same(keys.ids(first, STEP), ids)
      assert.is_true(hidden > #ids * 0.9, hidden .. " of " .. #ids)
    end)
  end
end)

describe("what is hidden, and what is not:", function()
  local core = require "sora.core"
  local sora = require "sora"

  -- secret, what a service says, what is told of it
  local ROWS = {
    { "schl\195\188ssel-1", "a schl\\u00fcssel-1, schl%C3%BCssel-1, SCHL&#252;SSEL-1",
      "a ***, ***, ***" },
    { "production-key", "products: prod-1", "products: prod-1" },
    { "hello-world-key", "hello-worldly, hello-world, hello", "hello-worldly, ***, ***" },
    { "abcd", "abcd abcde", "*** ***e" },
    { "abc", "abc", "abc" },
    { "abcdefgh", "abcde abcdX bcdefgh", "*** abcdX bcdefgh" },
    { "p\\q\"r/s", [[p\q"r/s p\\q\"r\/s p\\q\\\"r\\\/s]], "*** *** ***" },
    { "50%25off", "50%25off, 50%2", "***, 50%2" },
    { "a+b c&d", "a+b c&d a%2Bb+c%26d a&#43;b c&amp;d", "*** *** ***" },
    { "0123456789", "MDEyMzQ1Njc4OQ== and MDEyMzQ1, MDEy", "*** and ***, MDEy" },
  }

  for _, row in ipairs(ROWS) do
    it(("%q in %q"):format(row[1], row[2]), function()
      local client = sora.client { base_url = "https://relay.invalid", api_key = row[1] }
      local err = core.error({ kind = "api", message = row[2], code = row[2] }, client)
      client:close()
      assert.are.equal(row[3], err.message)
      assert.are.equal(row[3], err.code)
    end)
  end

  it("values of headers that are no secrets stay", function()
    local client = sora.client { base_url = "https://relay.invalid", headers = {
      ["Content-Type"] = "application/json", ["User-Agent"] = "something/1.0",
      ["X-Org"] = "production", Origin = "https://mine.example", ["X-Color"] = "magenta",
      ["X-Auth-Color"] = "cyan" } }
    local said = "application/json something/1.0 production magenta cyan https https://mine.x"
    local err = core.error({ kind = "api", message = said }, client)
    client:close()
    assert.are.equal("application/json something/1.0 *** magenta *** https https://mine.x",
      err.message)
  end)

  it("a closed client's error says nothing that a service said", function()
    local client = sora.client { base_url = "https://relay.invalid", api_key = "QWERTZ-1" }
    client:close()
    local err = core.error({
      kind = "failed", message = "QWERTZ-1", code = "QWERTZ-1", id = "x",
    }, client)
    assert.are.same({ "cancelled", "the client was closed", nil, "x" },
      { err.kind, err.message, err.code, err.id })
  end)

  it("an id stays as it is, where it holds no secret", function()
    local client = sora.client { base_url = "https://relay.invalid", api_key = "QWERTZ-1" }
    for _, id in ipairs { "a?b=c#d", "sk-mine", ("x"):rep(5000), "http://u:p@h" } do
      assert.are.equal(id, core.error({ kind = "api", message = "m", id = id }, client).id)
    end
    local err = core.error({ kind = "api", message = "m", id = "task-QWERTZ-1" }, client)
    assert.are.equal("task-***", err.id)
    client:close()
  end)
end)

-- Memory runs out at every place of every public call: see support/torture.lua.
-- TORTURE is how many places of each call are tried, 0 for all; the places are printed.

local helpers = require "spec.support.helpers"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"

local PLACES = os.getenv "TORTURE" or "12"

--- What the torture prints.
local function torture()
  local service, path = standin.start(), os.tmpname()
  local video = service:video "size=20000":gsub("^https://[^/]*", service.http_url)
  local words = {}
  for _, word in ipairs { helpers.build() .. "torture", "spec/support/torture.lua", PLACES,
    service.base_url, service.http_url, service.ca_file, video, path } do
    words[#words + 1] = shell.quote(word)
  end
  local output = shell.output_of("exec " .. table.concat(words, " ") .. " 2>&1")
  os.remove(path)
  service:stop()
  return output
end

describe("when memory runs out", function()
  local output

  setup(function()
    output = torture()
    if os.getenv "TORTURE" then print("\n" .. output) end
  end)

  it("every call ends with a value or a clean error, and the client goes on", function()
    local refused, failed = output:match "(%d+) requests for memory refused, (%d+) failed"
    assert.are.equal("0", failed, output)
    assert.is_true(tonumber(refused) > 300, output)
    print(("\n%s requests for memory refused"):format(refused))
  end)

  it("in Lua as well as in C", function()
    if output:find("takes no allocator", 1, true) then
      return pending "a LuaJIT without GC64 keeps to an allocator of its own on x64"
    end
    assert.is_truthy(output:find "wait_all +lua +on ", output)
  end)
end)

-- Code runs in the midst of every public call, and uses the client: see support/intrusion.lua.
-- INTRUSION is how many places of each call are tried, 0 for all; what became of them is printed.
-- INTRUSION_CALL is the name of one call, to try no other.

local helpers = require "spec.support.helpers"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"

local PLACES = os.getenv "INTRUSION" or "2"

describe("a finaliser or a debug hook that uses the client in the midst of a call", function()
  it("crashes nothing, loses nothing, leaks nothing, and every call ends", function()
    local service, path = standin.start(), os.tmpname()
    local words = { "exec", shell.LUA, "spec/support/intrusion.lua" }
    for _, word in ipairs { PLACES, service.base_url, service.http_url, service.ca_file,
      (service:video "size=20000":gsub("^https://[^/]*", service.http_url)), path,
      helpers.build() } do
      words[#words + 1] = shell.quote(word)
    end
    local call = os.getenv "INTRUSION_CALL"
    if call then words[#words + 1] = shell.quote(call) end
    local output = shell.output_of(table.concat(words, " ") .. " 2>&1")
    os.remove(path)
    service:stop()
    if os.getenv "INTRUSION" then print("\n" .. output) end
    local places, came, failed = output:match "(%d+) places, (%d+) intrusions, (%d+) failed"
    assert.are.equal("0", failed, output)
    assert.is_true(tonumber(came) > tonumber(places) / 2, output)
  end)
end)

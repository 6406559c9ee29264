-- A download whose process is killed goes on from there. kills.lua does the same against any
-- server.

local files = require "spec.support.files"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"

local COUNT = 10

describe("a download that is killed with -9", function()
  it("goes on, whenever that was, and ends right", function()
    local service = standin.shared()
    local original = os.tmpname()
    files.write(original, standin.synthetic(1000000))
    local url = service:video "size=1000000&rate=2000000"
    local result = program.run(("%s spec/support/kills.lua %d %s %s %s"):format(shell.LUA, COUNT,
      shell.quote(url), original, service.ca_file))
    os.remove(original)
    local killed, begun, parts, right = result.out:match(
      "^killed (%d+) of (%d+), parts (%d+), bytes %d+, right (%d+)\n$")
    assert.equal(COUNT, tonumber(killed), result.out .. result.err)
    assert.equal(begun, right, result.out)
    assert.is_true(tonumber(parts) > 0, result.out)
  end)
end)

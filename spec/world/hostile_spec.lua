-- The client against a server that means harm: see support/hostile.lua. Seeds are the same each
-- time; HOSTILE_SECONDS=3600 plays more of them.

local shell = require "spec.support.shell"

local PROCESSES, SECONDS = 4, tonumber(os.getenv "HOSTILE_SECONDS") or 15

describe("whatever a server sends", function()
  it("ends each call, tells each id once, quotes no key and keeps whole files", function()
    local list = {}
    for i = 1, PROCESSES do
      list[i] = ("%s spec/support/hostile.lua %d %d 2>&1 &"):format(shell.LUA, SECONDS, i * 1e6)
    end
    local output = shell.output_of(table.concat(list, " ") .. " wait")
    local _, ended = output:gsub("seeds, 0 broke a promise", "")
    assert.are.equal(PROCESSES, ended, output)
    assert.is_nil(output:find("seed %d+:"), output)
  end)
end)

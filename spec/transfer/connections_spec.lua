-- What a client knows of its connections: spec/support/connections.c asks the C code by itself.

local helpers = require "spec.support.helpers"
local shell = require "spec.support.shell"

local function ask(what) return shell.output_of(helpers.build() .. "connections " .. what) end

describe("the connections of a client", function()
  it("are found by their numbers while they are open", function()
    assert.are.equal("60 0", ask "found")
  end)

  it("are served each once that hold something back, and not when they are gone", function()
    assert.are.equal("2 5 -1", ask "held")
  end)

  it("are relieved of what their servers have left on them", function()
    assert.matches("^0 ", ask "idle 1")
    assert.matches("^0 ", ask "idle 400")
  end)

  -- Each is asked about every 5 ms at most, and the less often the more there are: of 400 that
  -- would be 80,000 times.
  it("are not asked about all the time, however many are idle", function()
    assert.are.equal("0 200", ask "idle 1")
    assert.is_true(tonumber(ask("idle 400"):match " (%d+)") < 64 * 201)
  end)
end)

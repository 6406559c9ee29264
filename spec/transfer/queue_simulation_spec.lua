-- The queue of the transfer layer against a simulated libcurl: queue_simulation.c says what must
-- hold. Each seed is one sequence of callers, answers and clock.

local helpers = require "spec.support.helpers"
local shell = require "spec.support.shell"

describe("the queue of the transfer layer", function()
  it("keeps its promises in 2,000 simulated runs", function()
    assert.are.equal("2000 seeds", shell.output_of(helpers.build() .. "queue_simulation 1 2000"))
  end)
end)

-- Real answers, altered at random: whatever comes of it is read without an error in Lua.

local mutated = require "spec.support.mutated_answers"

describe("answers that nobody expects", function()
  it("raise nothing, come to an end, and give no input for the video", function()
    assert.is_nil(mutated.run(4000, 1))
  end)
end)

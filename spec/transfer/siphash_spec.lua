-- The hash by which answers are known again, with the rounds of its authors' vectors (vectors.h of
-- github.com/veorq/SipHash, vectors_sip128): of the bytes 0, 1, 2, …, so many.

local helpers = require "spec.support.helpers"
local shell = require "spec.support.shell"

local VECTORS = {
  [0] = "a3817f04ba25a8e66df67214c7550293",
  [1] = "da87c1d86b99af44347659119b22fc45",
  [2] = "8177228da4a45dc7fca38bdef60affe4",
  [7] = "a1f1ebbed8dbc153c0b84aa61ff08239",
  [8] = "3b62a9ba6258f5610f83e264f31497b4",
  [9] = "264499060ad9baabc47f8b02bb6d71ed",
  [15] = "5493e99933b0a8117e08ec0f97cfc3d9",
  [16] = "6ee2a4ca67b054bbfd3315bf85230577",
  [62] = "5853542321f567a005d547a4f04759bd",
  [63] = "5150d1772f50834a503e069a973fbd7c",
}

describe("SipHash-2-4 with 128 bits", function()
  it("gives its authors' vectors", function()
    for length, hash in pairs(VECTORS) do
      local command = ("%ssiphash %d"):format(helpers.build(), length)
      assert.equal(hash, shell.output_of(command), length .. " bytes")
    end
  end)
end)

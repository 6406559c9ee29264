-- The pace of requests: at most so many a second, and what a service's limit does to it.

local new_pace = require("sora.waiting.pace").new

describe("pace", function()
  it("starts without silence and without slowing down", function()
    local pace = new_pace()
    assert.equal(1, pace.factor)
    assert.is_true(pace.not_before < 0)
    pace:good(0)
    assert.equal(1, pace.factor)
  end)

  it("is silent for as long as Retry-After says, within reason", function()
    local pace = new_pace()
    pace:limited(100, 30)
    assert.equal(130, pace.not_before)
    pace:limited(101, 1)
    assert.equal(130, pace.not_before)
    pace:limited(102, 1e9)
    assert.equal(702, pace.not_before)
  end)

  it("doubles the factor up to 8, and the silence with it", function()
    local pace, now = new_pace(), 0
    for _, factor in ipairs { 2, 4, 8, 8, 8 } do
      pace:limited(now)
      assert.equal(factor, pace.factor)
      assert.equal(now + factor, pace.not_before)
      now = pace.not_before
    end
  end)

  it("counts a burst of 429s as one", function()
    local pace = new_pace()
    for _ = 1, 100 do pace:limited(0) end
    assert.equal(2, pace.factor)
    assert.equal(2, pace.not_before)
  end)

  it("takes one 429 among many good answers lightly, and the next at its full weight", function()
    local pace = new_pace()
    for _ = 1, 90 do pace:good(0) end
    pace:limited(0)
    assert.equal(1, pace.factor)
    assert.equal(0.1, pace.not_before)
    pace:limited(0.2)
    assert.equal(2, pace.factor)
    assert.equal(2.2, pace.not_before)
  end)

  it("is silent as Retry-After says, however many answers were good", function()
    local pace = new_pace()
    for _ = 1, 1000 do pace:good(0) end
    pace:limited(0, 5)
    assert.equal(5, pace.not_before)
  end)

  it("eases with time and good answers, not with their number", function()
    local pace = new_pace()
    for now = 0, 30, 10 do pace:limited(now) end
    assert.equal(8, pace.factor)
    for now = 30, 59 do pace:good(now) end
    assert.equal(8, pace.factor)
    pace:good(60)
    pace:good(60)
    assert.equal(4, pace.factor)
    pace:good(90)
    pace:good(120)
    pace:good(150)
    assert.equal(1, pace.factor)
  end)
end)

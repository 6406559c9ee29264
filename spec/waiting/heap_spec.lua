-- The heap of those that sleep: the earliest comes first, and any can be taken out.

local chance = require "spec.support.chance"
local heaps = require "sora.waiting.heap"

local function drain(heap)
  local values = {}
  while heap.size > 0 do
    local key, value = heap:first(), heap:pop()
    assert.equal(key, value)
    values[#values + 1] = value
  end
  return values
end

describe("a heap", function()
  it("has no first when it is empty, and gives nothing", function()
    local heap = heaps.new()
    assert.equal(0, heap.size)
    assert.is_nil(heap:first())
  end)

  it("gives values in the order of their keys", function()
    local heap, expected, random = heaps.new(), {}, chance.new(1)
    for i = 1, 500 do
      expected[i] = random:between(0, 99) -- so that many are equal
      heap:push(expected[i], expected[i])
    end
    table.sort(expected)
    assert.same(expected, drain(heap))
  end)

  it("keeps its order while values come and go", function()
    local heap, random, last = heaps.new(), chance.new(2), -1
    local function push(key) heap:push(key, key) end
    for _ = 1, 50 do push(random:between(0, 999)) end
    for _ = 1, 300 do -- as a scheduler does: what is pushed is later than what was popped
      local first = heap:pop()
      assert.is_true(first >= last)
      last = first
      push(first + random:between(0, 999))
    end
    assert.equal(50, #drain(heap))
  end)

  it("holds on to nothing that was taken out", function()
    local heap, seen = heaps.new(), setmetatable({}, { __mode = "k" })
    for i = 1, 10 do
      local value = {}
      seen[value] = true
      heap:push(-i, value)
    end
    for _ = 1, 10 do heap:pop() end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(seen))
  end)
end)

describe("a value with an id", function()
  local function named(count)
    local heap, random = heaps.new(), chance.new(3)
    for i = 1, count do heap:push(random:between(100, 1099), { id = "id" .. i }) end
    return heap
  end

  it("is brought forward, and the others keep their order", function()
    local heap = named(200)
    for i = 7, 200, 10 do
      assert.equal("id" .. i, heap:advance("id" .. i, i % 50).id)
    end
    assert.equal("id" .. 57, heap:advance("id57", 1000).id) -- later than it is
    assert.is_nil(heap:advance("nobody", 0))
    local last, seen, early = -1, {}, 0
    while heap.size > 0 do
      local key = heap:first()
      assert.is_true(key >= last)
      last = key
      if key < 100 then early = early + 1 end
      local id = heap:pop().id
      assert.is_nil(seen[id])
      seen[id] = true
    end
    assert.equal(20, early)
    assert.is_nil(next(heap.places))
  end)

  it("is found when it came, or moved, since somebody was looked for", function()
    local heap = named(50)
    heap:advance("id1", 1)
    for round = 1, 500 do
      local value = heap:pop()
      heap:push(200 + round * 31 % 977, value)
      local id = "id" .. (round * 7 % 50 + 1)
      assert.equal(id, heap:advance(id, round * 13 % 211).id)
      local count = 0
      for name, i in pairs(heap.places) do
        assert.equal(name, heap.values[i].id)
        count = count + 1
      end
      assert.equal(50, count)
    end
  end)

  it("costs nothing where nobody is looked for", function()
    local heap = named(10)
    while heap.size > 0 do heap:pop() end
    assert.is_nil(heap.places)
  end)
end)

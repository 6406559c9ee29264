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
    local heap, expected, key = heaps.new(), {}, 1
    for i = 1, 500 do
      key = key * 16807 % 2147483647
      expected[i] = key % 100 -- so that many are equal
      heap:push(expected[i], expected[i])
    end
    table.sort(expected)
    assert.same(expected, drain(heap))
  end)

  it("keeps its order while values come and go", function()
    local heap, key, last = heaps.new(), 1, -1
    for _ = 1, 50 do
      key = key * 16807 % 2147483647
      heap:push(key % 1000, key % 1000)
    end
    for _ = 1, 300 do -- as a scheduler does: what is pushed is later than what was popped
      local first = heap:pop()
      assert.is_true(first >= last)
      last = first
      key = key * 16807 % 2147483647
      heap:push(first + key % 1000, first + key % 1000)
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

-- The heap of those that sleep: the earliest comes first, and any can be brought forward. That
-- memory may run out while it grows is looked at in safety/torture_spec.lua.

local chance = require "spec.support.chance"
local core = require "sora.core"
local finalised = require "spec.support.finalised"
local set_collector = require "spec.support.collector"

--- Takes everything out; returns the values in their order.
local function drain(heap)
  local values, last = {}, -math.huge
  for i = 1, heap:size() do
    local key = heap:first()
    assert.is_true(key >= last)
    values[i], last = heap:pop(), key
    assert.is_truthy(values[i])
  end
  assert.equal(0, heap:size())
  assert.is_nil(heap:pop())
  return values
end

--- A heap of so many values with ids, "id1" and so on, and keys from 100 to 1099.
local function named(count)
  local heap, random = core.heap(), chance.new(3)
  for i = 1, count do heap:push(random:between(100, 1099), { id = "id" .. i }) end
  return heap
end

--- Whether the value with that id is in the heap; it stays where it is.
local function has(heap, id)
  local value = heap:advance(id, math.huge)
  if value then assert.equal(id, value.id) end
  return value ~= nil
end

describe("a heap", function()
  it("has no first when it is empty, and gives nil", function()
    local heap = core.heap()
    for _ = 1, 2 do
      assert.equal(0, heap:size())
      assert.is_nil(heap:first())
      assert.is_nil(heap:pop())
      assert.is_nil(heap:advance("id", 0))
      heap:push(1, { id = "x" })
      assert.equal(1, heap:size())
      assert.equal("x", heap:pop().id)
    end
  end)

  it("gives values in the order of their keys", function()
    local heap, expected, random = core.heap(), {}, chance.new(1)
    for i = 1, 500 do
      expected[i] = random:between(0, 99) -- so that many are equal
      heap:push(expected[i], expected[i])
    end
    table.sort(expected)
    assert.same(expected, drain(heap))
  end)

  it("gives each value once where all keys are equal", function()
    local heap, seen = core.heap(), {}
    for i = 1, 100 do heap:push(math.huge, i) end
    for _, value in ipairs(drain(heap)) do
      assert.is_nil(seen[value])
      seen[value] = true
    end
    assert.equal(100, #seen)
  end)

  it("gives a value only when its key is not above what is asked for", function()
    local heap = core.heap()
    for _, key in ipairs { 2.5, math.huge, -1 } do heap:push(key, key) end
    assert.is_nil(heap:pop(-1.5))
    assert.equal(-1, heap:pop(-1))
    assert.is_nil(heap:pop(2))
    assert.equal(2.5, heap:pop(3))
    assert.is_nil(heap:pop(1e300))
    assert.equal(math.huge, heap:pop(math.huge))
  end)

  it("keeps its order while values come and go", function()
    local heap, random, last = core.heap(), chance.new(2), -1
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

  it("takes a hundred thousand", function()
    local heap, random, sum = core.heap(), chance.new(4), 0
    for i = 1, 100000 do heap:push(random:number(), i) end
    assert.equal(100000, heap:size())
    for _, value in ipairs(drain(heap)) do sum = sum + value end
    assert.equal(100000 * 100001 / 2, sum)
  end)

  for _, looked_for in ipairs { false, true } do
    it("holds on to nothing that was taken out" .. (looked_for and ", by its id" or ""), function()
      local heap, seen = core.heap(), setmetatable({}, { __mode = "k" })
      for i = 1, 40 do
        local value = { id = "id" .. i }
        seen[value] = true
        heap:push(-i, value)
      end
      if looked_for then assert.is_true(has(heap, "id1")) end
      for _ = 1, 40 do heap:pop() end
      collectgarbage()
      collectgarbage()
      assert.is_nil(next(seen))
      assert.equal(0, heap:size())
    end)
  end

  it("asks for no memory when a value comes in the place of one that went", function()
    if jit then jit.off() end -- whose traces are memory, too
    collectgarbage()
    collectgarbage "stop"
    local grown = {}
    for i, looked_for in ipairs { false, true } do
      local heap = named(1000)
      if looked_for then assert.is_true(has(heap, "id1")) end
      heap:push(0, heap:pop())
      local before = collectgarbage "count"
      for key = 1, 1000 do heap:push(key, heap:pop()) end
      grown[i] = collectgarbage "count" - before
    end
    collectgarbage "restart"
    if jit then jit.on() end
    assert.same({ 0, 0 }, grown)
  end)
end)

describe("a value with an id", function()
  it("is brought forward, and the others keep their order", function()
    local heap = named(200)
    for i = 7, 200, 10 do
      assert.equal("id" .. i, heap:advance("id" .. i, i % 50).id)
    end
    assert.equal("id" .. 57, heap:advance("id57", 1000).id) -- later than it is
    assert.is_nil(heap:advance("nobody", 0))
    local seen, early = {}, 0
    while heap:first() < 100 do
      seen[heap:pop().id] = true
      early = early + 1
    end
    assert.equal(20, early)
    for _, value in ipairs(drain(heap)) do
      assert.is_nil(seen[value.id])
      seen[value.id] = true
    end
    for i = 1, 200 do
      assert.is_true(seen["id" .. i])
      assert.is_false(has(heap, "id" .. i))
    end
  end)

  it("is found when it came, or moved, since somebody was looked for", function()
    local heap = named(50)
    heap:advance("id1", 1)
    for round = 1, 500 do
      local value = heap:pop()
      assert.is_false(has(heap, value.id))
      heap:push(200 + round * 31 % 977, value)
      local id = "id" .. (round * 7 % 50 + 1)
      assert.equal(id, heap:advance(id, round * 13 % 211).id)
      for i = 1, 50 do assert.is_true(has(heap, "id" .. i)) end
    end
    assert.equal(50, #drain(heap))
  end)

  it("is found in the place of others that went before it", function()
    local heap, serial, random = named(20), 20, chance.new(5)
    has(heap, "id1")
    for _ = 1, 200 do
      for _ = 1, random:between(1, heap:size()) do
        assert.is_false(has(heap, heap:pop().id))
      end
      for _ = 1, random:between(1, 40 - heap:size()) do
        serial = serial + 1
        heap:push(random:between(0, 99), { id = "id" .. serial })
      end
      local id = "id" .. serial
      assert.equal(id, heap:advance(id, -serial).id)
      assert.equal(-serial, heap:first())
      assert.equal(id, heap:pop().id)
    end
  end)
end)

describe("misuse of a heap", function()
  it("is raised, and the heap stays as it was", function()
    local heap = core.heap()
    heap:push(1, "a value without an id")
    for _, case in ipairs {
      { "number expected, got nil", function() heap:push(nil, {}) end },
      { "value expected", function() heap:push(0, nil) end },
      { "value expected", function() heap:push(0, false) end },
      { "number expected, got table", function() heap:pop {} end },
      { "string expected, got number", function() heap:advance(1, 1) end },
      { "number expected, got no value", function() heap:advance "id" end },
      { "without an id", function() heap:advance("id", 1) end },
      { "heap expected", function() heap.first {} end },
      { "heap expected", function() heap.pop(io.stdout) end },
    } do
      local ok, err = pcall(case[2])
      assert.is_false(ok)
      assert.matches(case[1], err)
    end
    assert.equal(1, heap:size())
    assert.equal("a value without an id", heap:pop())
  end)

  it("is a value without an id where others are looked for", function()
    local heap = named(16) -- and it would have to grow
    has(heap, "id1")
    for _, value in ipairs { "id", {}, { id = 1 } } do
      assert.has_error(function() heap:push(1, value) end, "a value without an id")
      assert.equal(16, heap:size())
      assert.is_true(has(heap, "id16"))
    end
    assert.equal(16, #drain(heap))
  end)
end)

describe("a finaliser that uses the heap", function()
  --- Calls act() with garbage about whose finaliser is finalise(), which runs in the midst of it.
  local function interrupted(act, finalise)
    local inside, came = false, nil
    collectgarbage()
    collectgarbage "stop"
    finalised(function()
      came = inside
      finalise()
    end)
    local pause = set_collector("pause", 0)
    local step = set_collector("stepmul", 1000000) -- each step is a whole cycle
    collectgarbage "restart"
    inside = true
    act()
    inside = false
    set_collector("pause", pause)
    set_collector("stepmul", step)
    return came
  end

  local function push_some(heap)
    for i = 1, 40 do heap:push(i, { id = "some" .. i }) end
  end

  local function is_complete(heap)
    for i = 1, 40 do assert.is_true(has(heap, "some" .. i)) end
    for i = 1, 16 do assert.is_true(has(heap, "id" .. i)) end
    assert.is_false(has(heap, "nobody"))
  end

  it("finds it whole while it grows, and loses nothing", function()
    for _, looks in ipairs { false, true } do
      local heap, new = named(16), { id = "new" }
      local came = interrupted(function() heap:push(0, new) end, function()
        if looks then has(heap, "id1") end
        push_some(heap)
      end)
      assert.is_true(came)
      assert.is_true(has(heap, "new"))
      assert.equal("new", heap:pop().id)
      is_complete(heap)
      assert.equal(56, #drain(heap))
    end
  end)

  it("can take values out while it grows", function()
    local heap, new = named(16), { id = "new" }
    local came = interrupted(function() heap:push(0, new) end, function()
      for _ = 1, 10 do heap:pop() end
    end)
    assert.is_true(came)
    assert.equal("new", heap:pop().id)
    assert.equal(6, #drain(heap))
  end)

  it("finds it whole while its ids are taken down, and loses nothing", function()
    local heap = named(16)
    local came = interrupted(function() has(heap, "id1") end, function()
      push_some(heap)
      has(heap, "id2")
    end)
    assert.is_true(came)
    is_complete(heap)
    assert.equal(56, #drain(heap))
  end)
end)

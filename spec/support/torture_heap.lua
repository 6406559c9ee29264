-- A heap that grows, and whose values are looked for, while memory runs out: see torture.lua. What
-- could not be pushed is not in it, and all else is.

local calls = require "spec.support.torture_calls"

local NEW, LATE = {}, { id = "late" }
for i = 1, 20 do NEW[i] = { id = "new" .. i } end

--- A heap of sixteen, which has to grow for one more.
local function full_heap()
  local heap = require("sora.core").heap()
  for i = 1, 16 do heap:push(i, { id = "id" .. i }) end
  return heap
end

--- Raises, without memory, unless so many values are in the heap, in their order.
local function look_through(heap, count)
  local last = -1
  if heap:size() ~= count then error("the heap has changed", 0) end
  for _ = 1, count do
    local key = heap:first()
    if not heap:pop() or key < last then error("the heap is in disorder", 0) end
    last = key
  end
end

local function grow(_, heap)
  local looked, pushed, late = false, 0, false
  local ok, err = pcall(function()
    heap:advance("id16", 0.5)
    looked = true
    for i, value in ipairs(NEW) do
      heap:push(i / 2, value)
      pushed = i
    end
  end)
  if not ok and looked then
    late = pcall(heap.push, heap, 99, LATE) -- into the slot that the other did not get
    if heap:advance(NEW[pushed + 1].id, 0) then error("found, but not pushed", 0) end
  end
  look_through(heap, 16 + pushed + (late and 1 or 0))
  if not ok then error(err, 0) end
  return pushed
end

return { "heap that grows", function() return calls.client(), full_heap() end, grow }

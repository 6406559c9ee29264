--- A binary heap of values by a number: what is due first comes out first.

local Heap = {}
Heap.__index = Heap

local M = {}

---@class sora.heap
---@field size integer
---@return sora.heap
function M.new()
  return setmetatable({ size = 0, keys = {}, values = {} }, Heap)
end

---@param key number
---@param value any
function Heap:push(key, value)
  local keys, values, i = self.keys, self.values, self.size + 1
  keys[i], values[i] = key, value -- memory may run out here, and the heap stays as it was
  self.size = i
  while i > 1 do
    local parent = (i - i % 2) / 2
    if keys[parent] <= key then break end
    keys[i], values[i] = keys[parent], values[parent]
    i = parent
  end
  keys[i], values[i] = key, value
end

--- Takes everything out.
function Heap:clear()
  for i = 1, self.size do self.keys[i], self.values[i] = nil, nil end
  self.size = 0
end

--- The least key, or nil.
---@return number?
function Heap:first() return self.keys[1] end

--- Takes out the value with the least key.
---@return any
function Heap:pop()
  local keys, values, size = self.keys, self.values, self.size
  local popped = values[1]
  local key, value = keys[size], values[size]
  keys[size], values[size] = nil, nil
  size = size - 1
  self.size = size
  if size == 0 then return popped end
  local i = 1
  while true do
    local child = i * 2
    if child > size then break end
    if child < size and keys[child + 1] < keys[child] then child = child + 1 end
    if keys[child] >= key then break end
    keys[i], values[i] = keys[child], values[child]
    i = child
  end
  keys[i], values[i] = key, value
  return popped
end

return M

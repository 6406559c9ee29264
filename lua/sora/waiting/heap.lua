--- A binary heap of values by a number: what is due first comes out first.
--
-- A value that has an `id` can be brought forward by that. Where a value stands is only kept once
-- somebody has asked for one: a million tasks that wait, and are never woken, pay nothing for it.

local Heap = {}
Heap.__index = Heap

local M = {}

---@class sora.heap
---@field size integer
---@field places table<string, integer>?  by id
---@return sora.heap
function M.new()
  return setmetatable({ size = 0, keys = {}, values = {}, places = nil }, Heap)
end

--- Moves a value up from the place i, where its key may be less than its parent's.
local function rise(self, i, key, value)
  local keys, values, places = self.keys, self.values, self.places
  while i > 1 do
    local parent = (i - i % 2) / 2
    local above = keys[parent]
    if above <= key then break end
    local moved = values[parent]
    keys[i], values[i] = above, moved
    if places then places[moved.id] = i end
    i = parent
  end
  keys[i], values[i] = key, value
  if places then places[value.id] = i end
end

---@param key number
---@param value any
function Heap:push(key, value)
  local i, places = self.size + 1, self.places
  self.keys[i], self.values[i] = key, value -- memory may run out here …
  if places then places[value.id] = i end   -- … and here, and the heap stays as it was
  self.size = i
  rise(self, i, key, value)
end

--- Takes everything out.
function Heap:clear()
  for i = 1, self.size do self.keys[i], self.values[i] = nil, nil end
  self.size, self.places = 0, nil
end

--- The least key, or nil.
---@return number?
function Heap:first() return self.keys[1] end

--- Takes out the value with the least key.
---@return any
function Heap:pop()
  local keys, values, places, size = self.keys, self.values, self.places, self.size
  local popped = values[1]
  local key, value = keys[size], values[size]
  keys[size], values[size] = nil, nil
  size = size - 1
  self.size = size
  if places then places[popped.id] = nil end
  if size == 0 then return popped end
  local i = 1
  while true do
    local child = i * 2
    if child > size then break end
    if child < size and keys[child + 1] < keys[child] then child = child + 1 end
    if keys[child] >= key then break end
    local moved = values[child]
    keys[i], values[i] = keys[child], moved
    if places then places[moved.id] = i end
    i = child
  end
  keys[i], values[i] = key, value
  if places then places[value.id] = i end
  return popped
end

local function find_places(self)
  local places = {}
  for i = 1, self.size do places[self.values[i].id] = i end
  self.places = places
  return places
end

--- Brings the value with that id forward to a key that is not above its own.
---@param id string
---@param key number
---@return any? value  nil: there is none of that id
function Heap:advance(id, key)
  local i = (self.places or find_places(self))[id]
  local value = i and self.values[i]
  if value and key < self.keys[i] then rise(self, i, key, value) end
  return value
end

return M

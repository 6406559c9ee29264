--- Chance with a seed, the same under every Lua: the minimal standard generator (Park and Miller,
-- 1988). Parts of one run draw from streams of their own, so that the order in which they are asked
-- does not matter.

local M = {}

local MODULUS, FACTOR = 2147483647, 16807

---@class spec.chance
local Chance = {}
Chance.__index = Chance

---@param ... integer  the seed, and what tells the stream from others of that seed
---@return spec.chance
function M.new(...)
  local state = 1
  for i = 1, select("#", ...) do
    state = (state * FACTOR + select(i, ...) * 69621 + 7) % MODULUS
  end
  local chance = setmetatable({ state = state == 0 and 1 or state }, Chance)
  for _ = 1, 3 do chance:number() end
  return chance
end

--- From 0 to 1.
function Chance:number()
  self.state = self.state * FACTOR % MODULUS
  return (self.state - 1) / (MODULUS - 1)
end

--- Whether something happens whose probability is p.
function Chance:is(p) return self:number() < p end

--- A whole number from `low` to `high`.
function Chance:between(low, high)
  return low + math.floor(self:number() * (high - low + 1) * 0.999999)
end

--- One of a list.
function Chance:of(list) return list[self:between(1, #list)] end

--- A number from `low` to `high`, whose logarithm is evenly distributed.
function Chance:scale(low, high) return low * (high / low) ^ self:number() end

return M

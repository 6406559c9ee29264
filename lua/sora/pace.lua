--- What all waits of one client share: how much the service has asked them to slow down.
--
-- A 429 to one wait concerns them all: it silences the client for a while and lengthens every pause
-- by a factor that good answers bring back to 1. Knows nothing of single waits. Times are seconds
-- of one monotonic clock.

local M = {}

local MAX_FACTOR = 8     -- by which pauses are lengthened, at most
local HOLD = 1           -- seconds × factor of silence after a 429 without Retry-After
local MAX_HOLD = 600     -- seconds that one Retry-After may silence a whole client
local EASE = 30          -- seconds between halvings of the factor

---@class sora.pace
---@field not_before number  until then nobody asks
---@field factor number  1..8, lengthens every pause
---@field eased_at number  when the factor was last changed
local Pace = {}
Pace.__index = Pace

---@return sora.pace
function M.new()
  return setmetatable({ not_before = -math.huge, factor = 1, eased_at = -math.huge }, Pace)
end

--- A 429 came. Many of them while the client is silent answer requests that were under way, and
-- count as one.
---@param now number
---@param retry_after number?  seconds
function Pace:limited(now, retry_after)
  if now >= self.not_before then
    self.factor, self.eased_at = math.min(MAX_FACTOR, self.factor * 2), now
  end
  local hold = math.min(MAX_HOLD, retry_after or HOLD * self.factor)
  self.not_before = math.max(self.not_before, now + hold)
end

--- A good answer came.
---@param now number
function Pace:good(now)
  if self.factor > 1 and now - self.eased_at >= EASE then
    self.factor, self.eased_at = self.factor / 2, now
  end
end

return M

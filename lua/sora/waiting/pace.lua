--- What all waits of one client share: how much the service has asked them to slow down.
--
-- A 429 to one wait concerns them all: it silences the client for a while and lengthens every pause
-- by a factor that good answers bring back to 1. Knows nothing of single waits. Times are seconds
-- of one monotonic clock.

local M = {}

local MAX_FACTOR = 8     -- by which pauses are lengthened, at most
-- After a 429 without Retry-After the client is silent for HOLD × factor / (1 + good / WEIGHT)
-- seconds, `good` being the good answers since the last 429.
local HOLD, WEIGHT = 1, 10
local MAX_HOLD = 600     -- seconds that one Retry-After may silence a whole client
local EASE = 30          -- seconds between halvings of the factor

---@class sora.pace
---@field not_before number  until then nobody asks
---@field factor number  1..8, lengthens every pause
---@field eased_at number  when the factor was last changed
---@field good_answers integer  since the last 429
local Pace = {}
Pace.__index = Pace

---@return sora.pace
function M.new()
  local never = -math.huge
  return setmetatable({ not_before = never, factor = 1, eased_at = never, good_answers = 0 }, Pace)
end

--- A 429 came. Those that come while the client is silent answer requests that were under way: they
-- count as one. A 429 among many good answers says that the pace is nearly right, and silences for
-- less: otherwise a thousand waits, one in a hundred of which is told to slow down, would stand
-- still.
---@param now number
---@param retry_after number?  seconds
function Pace:limited(now, retry_after)
  local good = self.good_answers
  if now >= self.not_before then
    if good < WEIGHT then
      self.factor, self.eased_at = math.min(MAX_FACTOR, self.factor * 2), now
    end
    self.good_answers = 0
  end
  local hold = math.min(MAX_HOLD, retry_after or HOLD * self.factor / (1 + good / WEIGHT))
  self.not_before = math.max(self.not_before, now + hold)
end

--- A good answer came.
---@param now number
function Pace:good(now)
  self.good_answers = self.good_answers + 1
  if self.factor > 1 and now - self.eased_at >= EASE then
    self.factor, self.eased_at = self.factor / 2, now
  end
end

return M

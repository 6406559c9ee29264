--- What a worker makes of a claim: the task's poller, in the state in which another worker left it.

local core = require "sora.core"
local pollers = require "sora.waiting.poller"
local record = require "sora.fleet.record"
local states = require "sora.waiting.state"

local M = {}

local MOST_TRIES = 10 -- claims without a report, after which a task is not asked about any more

--- The rules of a task: those of the fleet, with a deadline of its own. By what other name the
-- service may know the id is in the poller's state, so nothing is looked up or kept here.
local function rules_of(claim, fleet)
  local policy = setmetatable({ timeout = math.max(0, claim.age + claim.left) },
    { __index = fleet.policy })
  local rules = pollers.rules(policy, fleet.make_error)
  function rules.names(id) return id end
  function rules.keep() end
  return rules
end

---@param claim sora.claim
---@param fleet sora.fleet
---@param pace sora.pace
---@param now number
---@return sora.poller
function M.poller(claim, fleet, pace, now)
  local function read() return (record.decode(claim.answer, claim.id)) end
  return states.restore(claim.id, rules_of(claim, fleet), pace, now, core.decode(claim.state) or {},
    { started = claim.age, exported = claim.idle }, claim.answer ~= "" and read or nil)
end

--- The end of a task that was claimed again and again, and never reported: it may be what ends its
-- workers.
---@param claim sora.claim
---@return sora.error? err
function M.poison(claim)
  if claim.tries <= MOST_TRIES then return nil end
  return core.error {
    kind = "cancelled", id = claim.id,
    message = ("task %s was claimed %d times, and no worker came back to report")
      :format(core.plain(claim.id, 80), claim.tries - 1),
  }
end

return M

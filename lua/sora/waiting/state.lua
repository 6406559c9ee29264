--- The state of a poller, to go on with in another process: its pace, its errors, the estimate of
-- the time left. Its last answer moves beside it, and the deadline is the rules'; the mark of the
-- answer stays, for it is of one process.
--
-- Moments are written as ages, since no two processes have the same clock.

local pollers = require "sora.waiting.poller"
local task = require "sora.answers.task"

local M = {}

local MOST_TEXT = 300 -- bytes of the last error

local function milliseconds(seconds) return math.floor(seconds * 1000 + 0.5) / 1000 end

--- Of a task that was never asked about.
---@param name string?  what the service is asked for, where it is not the id
---@param other string?  what else the id may be called
---@return table state  to be encoded
function M.new(name, other) return { name = name, other = other } end

---@param poller sora.poller
---@param now number
---@return table state  to be encoded
function M.export(poller, now)
  local function age(moment) return moment and milliseconds(now - moment) end
  local trouble = poller.trouble or {}
  return {
    name = poller.name, other = poller.other,
    polls = poller.polls, grace = poller.grace, pause = milliseconds(poller.pause),
    changed = age(poller.changed_at),
    first = poller.first_progress, first_since = age(poller.first_at),
    error = trouble.error and tostring(trouble.error):sub(1, MOST_TEXT),
    errors = trouble.errors, missing = trouble.missing, missing_since = age(trouble.since),
  }
end

--- A poller that is to ask now, in the state that another one was in.
---@param id string  the caller's
---@param rules sora.rules  whose timeout counts from `started`
---@param pace sora.pace
---@param now number
---@param state table  decoded; what it does not have is as in a new poller
---@param since { started: number, exported: number }  seconds ago, of this process's clock
---@param answer table?  the last good one
---@return sora.poller
function M.restore(id, rules, pace, now, state, since, answer)
  local exported = now - since.exported
  local function moment(age) return age and exported - age end
  local poller = pollers.new(id, rules, pace, now - since.started)
  poller.next_at = now
  poller.name, poller.other = state.name or poller.name, state.other or poller.other
  poller.polls, poller.grace = state.polls or 0, state.grace or 0
  poller.pause = state.pause or rules.interval
  poller.changed_at = moment(state.changed) or poller.started
  poller.first_progress, poller.first_at = state.first, moment(state.first_since)
  if state.error then
    poller.trouble = {
      error = state.error, errors = state.errors or 0, missing = state.missing or 0,
      since = moment(state.missing_since),
    }
  end
  if answer then
    poller.task, poller.word = answer, task.word(answer)
    poller.progress = task.progress(answer)
  end
  return poller
end

return M

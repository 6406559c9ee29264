--- The state of a poller, to go on with in another process: its pace, its errors, the estimate of
-- the time left, and of its last answer the mark, the status and the progress. The answer moves
-- beside it, and is read only by who has to; the deadline is the rules'. All of it is written at
-- once after each poll, so that the mark is that of the last answer, whoever had it.
--
-- Moments are written as ages, since no two processes have the same clock.

local core = require "sora.core"
local pollers = require "sora.waiting.poller"
local task = require "sora.answers.task"

local M = {}

local MOST_TEXT = 300 -- bytes of the last error
local READ_ANEW = 10  -- polls of which one is read whatever is known: what an answer means may be
                      -- another thing to the version of this module that goes on with the task

local TO_HEX, FROM_HEX = {}, {} -- a mark is bytes, and JSON text
for byte = 0, 255 do
  local hex = ("%02x"):format(byte)
  TO_HEX[string.char(byte)], FROM_HEX[hex] = hex, string.char(byte)
end

local function milliseconds(seconds) return math.floor(seconds * 1000 + 0.5) / 1000 end

--- Of a task that was never asked about.
---@param name string?  what the service is asked for, where it is not the id
---@param other string?  what else the id may be called
---@return table state  to be encoded
function M.new(name, other) return { name = name, other = other } end

--- What the next poller need not read in the last answer; nil where it has to, or where a status is
-- no word: it goes to Redis with each report.
local function seen(poller)
  if poller.mark == "" or #tostring(poller.word) > MOST_TEXT then return nil end
  return {
    mark = poller.mark:gsub(".", TO_HEX), word = poller.word, progress = poller.progress,
  }
end

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
    error = trouble.error and core.plain(tostring(trouble.error), MOST_TEXT),
    errors = trouble.errors, missing = trouble.missing, missing_since = age(trouble.since),
    seen = seen(poller),
  }
end

--- Has the poller know its last answer, by what was seen of it or, where that is not known or not
-- to be relied on, by reading it.
local function recall(poller, known, read)
  poller.task = read
  if known and poller.polls % READ_ANEW ~= 0 then
    poller.mark = known.mark:gsub("..", FROM_HEX)
    poller.word, poller.progress = known.word, known.progress
    return
  end
  local answer = poller:show()
  if answer then poller.word, poller.progress = task.word(answer), task.progress(answer) end
end

--- A poller that is to ask now, in the state that another one was in.
---@param id string  the caller's
---@param rules sora.rules  whose timeout counts from `started`
---@param pace sora.pace
---@param now number
---@param state table  decoded; what it does not have is as in a new poller
---@param since { started: number, exported: number }  seconds ago, of this process's clock
---@param read (fun(): table?)?  reads the last good answer; nil: there was none
---@return sora.poller
function M.restore(id, rules, pace, now, state, since, read)
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
  if read then recall(poller, state.seen, read) end
  return poller
end

return M

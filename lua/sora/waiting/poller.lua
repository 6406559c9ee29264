--- The rules of waiting for one task: when to ask again, and when and how the wait ends.
--
-- A poller is fed the time and the answers and says what is next; it does no I/O, has no clock and
-- knows nothing of coroutines, so that a spec can play an hour in no time. Times are seconds of one
-- monotonic clock. The whole loop of a wait is
--
--     local action, value, remaining = poller:due(now())
--     while action == "ask" do
--       if value > 0 then
--         sleep(value)
--       else
--         action, value = poller:answer(now(), query(id, remaining, poller.mark))
--       end
--       if action == "ask" then action, value, remaining = poller:due(now()) end
--     end
--
-- Most answers say what the one before has said, byte for byte. The core knows them by their marks
-- and does not decode them: `query` returns neither a task nor an error then. Nothing else is
-- different: the poller has the task of the answer before, which nobody else has seen; one that was
-- shown may have been changed by whoever got it, and is read anew.
--
-- A poller is small (one table of 16 fields, no closures), for ten thousand may wait at once; what
-- they have in common is in `rules` (one per call) and `pace` (one per client).
--
-- It is longer than other files: the rules of one wait depend on each other, and stand together.

local core = require "sora.core"
local task = require "sora.answers.task"
local troubles = require "sora.waiting.trouble"

local M = {}

local GROWTH = 1.5       -- of the pause from poll to poll, as long as nothing changes
local JITTER = 0.2       -- the part of a pause that chance may take away
local GRACE = 5          -- polls that a task may stay without a URL after it has succeeded
local LAST_POLL = 5      -- seconds kept for the last poll before the deadline, at most
local NO_TIME = 1e-3     -- seconds before the deadline into which nothing fits any more

---@class sora.rules
---@field shortest number  seconds: no pause is shorter, however near the end
---@field last_poll number  seconds kept for the last poll before the deadline
---@field missing_for number  seconds over which a task has to be unknown to be believed gone
---@field names (fun(id: string): name: string, other: string?)?  by what to ask for an id
---@field keep (fun(id: string))?  the other name is the one that the service knows

--- The options of the wait family, for all pollers of one call.
---@param opts table  interval, max_interval, timeout and max_errors, as core.options fills them in
---@param make_error (fun(spec: table): any)?  gets kind, message, id, task, elapsed and polls;
---   default: returns them
---@param chance (fun(): number)?  0..1
---@return sora.rules
function M.rules(opts, make_error, chance)
  local interval, timeout = opts.interval, opts.timeout
  return {
    interval = interval,
    max_interval = math.max(interval, opts.max_interval),
    timeout = timeout,
    max_errors = opts.max_errors,
    error = make_error or function(spec) return spec end,
    random = chance or core.random,
    shortest = math.min(interval, math.max(1, interval / 5)),
    last_poll = math.min(LAST_POLL, interval, timeout / 10),
    missing_for = troubles.missing_for(timeout),
  }
end

-- Poller

---@class sora.poller
---@field id string  the caller's
---@field name string?  what the service is asked for, where it is another one
---@field other string?  what else the id may be called, not tried yet
---@field rules sora.rules
---@field pace sora.pace
---@field started number
---@field polls integer  answers so far, bad ones included
---@field mark string  of the answer that said `task`; "": the next one is to be decoded anyway
---@field trouble sora.trouble?  what came since the last good answer, where nothing good did
---@field grace integer  answers that said succeeded and had no URL
---@field pause number  seconds, before pace, chance and hints
---@field next_at number  when the next poll is due
---@field changed_at number  when status or progress last changed
---@field task table|(fun(): table?)|nil  the last good answer, or what reads it: see Poller:show
---@field word string?  the status in `task`, as the service calls it
---@field progress number?  the progress in `task`
---@field first_progress number?  where the estimate of the time left starts
---@field first_at number?  when that was

local Poller = {}
Poller.__index = Poller

---@alias sora.action "ask"|"done"|"error"

---@param id string  the caller's id
---@param rules sora.rules
---@param pace sora.pace
---@param now number
---@return sora.poller
function M.new(id, rules, pace, now)
  local poller = setmetatable({
    id = id,
    rules = rules,
    pace = pace,
    started = now,
    polls = 0,
    mark = "",
    grace = 0,
    pause = rules.interval,
    next_at = now,
    changed_at = now,
    -- named, so that the table has its final size at once
    task = nil, word = nil, progress = nil, first_progress = nil, first_at = nil, trouble = nil,
  }, Poller)
  if rules.names then
    local name, other = rules.names(id)
    if other or name ~= id then poller.name, poller.other = name, other end -- few have any
  end
  return poller
end

--- Seconds until the deadline, for the timeout of the next query.
---@param self sora.poller
---@param now number
---@return number
local function remaining_of(self, now) return self.started + self.rules.timeout - now end
Poller.remaining = remaining_of

--- "error" and an error of our own making.
local function give_up(self, now, kind, message, code)
  return "error", self.rules.error {
    kind = kind,
    message = message,
    code = code,
    retryable = kind == "timeout", -- one can wait again
    id = self.id,
    task = self:show(),
    elapsed = now - self.started,
    polls = self.polls,
  }
end

local function time_out(self, now)
  local last = self:show()
  local seen = last and task.describe(last) or core.plain(self.id, 80) .. " never seen"
  local message = ("timeout after %.1f s (polls: %d): %s")
    :format(now - self.started, self.polls, seen)
  local trouble = self.trouble
  if trouble then message = message .. "; last error: " .. tostring(trouble.error) end
  return give_up(self, now, "timeout", message)
end

--- "ask" and `pause`, cut where it would pass the deadline: to end 1..2 × last_poll before it, or,
-- where the service demanded more than that or nothing worth a poll is left, at the deadline.
local function schedule(self, now, pause, demanded)
  local rules, remaining = self.rules, remaining_of(self, now)
  if remaining < NO_TIME then return time_out(self, now) end
  if pause > remaining - rules.last_poll then
    pause = remaining - rules.last_poll * (1 + rules.random())
    if pause < math.max(rules.shortest, demanded) then pause = remaining end
  end
  self.next_at = now + pause
  return "ask", pause
end

--- "ask" and a pause of about `pause` seconds, at least `demanded`.
-- Chance shortens a pause, so that it never exceeds max_interval, and lengthens a demanded one, so
-- that those who were stopped together do not come back together.
local function ask(self, now, pause, demanded)
  local chance = self.rules.random()
  local longest = pause * self.pace.factor
  local chosen = longest * (1 - JITTER * chance)
  if not demanded then return schedule(self, now, chosen, 0) end
  return schedule(self, now, math.max(chosen, demanded + chance * longest), demanded)
end

--- Seconds left until the task ends, if it goes on as it did. nil without two different values, and
-- 0 is none: a leap from 0 is common and says nothing.
local function estimate(self, now)
  local progress, first = self.progress, self.first_progress
  if not first or progress <= first then return nil end
  return (1 - progress) * (now - self.first_at) / (progress - first)
end

--- Remembers a good answer; whether its status or progress differ from the one before.
local function note(self, now, answer)
  local progress, word = task.progress(answer), task.word(answer)
  local changed = not self.task or progress ~= self.progress or word ~= self.word
  if progress == nil or progress < (self.progress or 0) then self.first_progress = nil end
  if not self.first_progress and progress and progress > 0 then
    self.first_progress, self.first_at = progress, now
  end
  if changed then self.changed_at = now end
  self.task, self.word, self.progress, self.trouble = answer, word, progress, nil
  return changed
end

local function lengthen(self)
  local pause, most = self.pause * GROWTH, self.rules.max_interval
  self.pause = pause < most and pause or most
end

--- The pause after an answer that says "running": grows while nothing changes; near the end half
-- the estimated time left, or half the time for which the estimate has been wrong.
local function running_pause(self, now, changed)
  if changed then self.pause = self.rules.interval else lengthen(self) end
  local left = estimate(self, now)
  if not left then return self.pause end
  local near = math.max(left / 2, (now - self.changed_at) / 2, self.rules.shortest)
  return math.min(self.pause, near)
end

--- The task runs, and says what it said before.
local function same_answer(self, now)
  self.trouble = nil
  self.pace:good(now)
  local action, value = ask(self, now, running_pause(self, now, false))
  return action, value, false
end

local function good_answer(self, now, answer, mark)
  local rules, class = self.rules, task.status(answer)
  local changed = note(self, now, answer)
  self.mark = class == "running" and mark or ""
  self.pace:good(now)
  if class == "succeeded" and task.video_url(answer) then return "done", answer, true end

  local action, value
  local name = "task " .. core.plain(self.id, 80)
  if class == "succeeded" then
    self.grace = self.grace + 1
    if self.grace <= GRACE then
      action, value = ask(self, now, rules.interval)
    else
      action, value = give_up(self, now, "no_video", name .. " succeeded, but has no video URL")
    end
  elseif class == "failed" then
    local reason = task.failure(answer)
    reason = reason and ": " .. core.plain(reason) or ""
    action, value = give_up(self, now, "failed", name .. " failed" .. reason, task.code(answer))
  elseif class == "cancelled" then
    action, value = give_up(self, now, "cancelled", name .. " was cancelled at the service")
  else
    action, value = ask(self, now, running_pause(self, now, changed))
  end
  return action, value, changed
end

--- "error" and the error of a query, which learns what the wait knows.
local function end_with(self, now, err, reason)
  err.task = err.task or self:show()
  err.elapsed, err.polls = now - self.started, self.polls
  if reason then err.message = ("%s (the wait ended: %s)"):format(err.message, reason) end
  return "error", err
end

local function bad_answer(self, now, err)
  troubles.note(self, err)
  local demanded = err.retry_after
  if err.status == 429 then
    self.pace:limited(now, demanded)
    demanded = math.max(demanded or 0, self.pace.not_before - now)
  end
  if troubles.is_final(self, err) then return end_with(self, now, err) end
  if remaining_of(self, now) < NO_TIME then return time_out(self, now) end
  local reason = troubles.reason_to_end(self, now, err)
  if reason then return end_with(self, now, err, reason) end
  lengthen(self)
  return ask(self, now, self.pause, demanded)
end

--- What to ask the service for.
---@return string
function Poller:asked() return self.name or self.id end

--- Takes the outcome of one query.
---@param now number
---@param answer table?  the decoded answer; nil without an error: it has the mark of the one before
---@param err any  the error, where there is no answer
---@param mark string?  the answer's
---@return sora.action
---@return any  "ask": seconds from now, within the deadline; "done": the task; "error": `err`
---   itself, with the last task added, or one of rules.error
---@return boolean?  whether status or progress changed with this answer; true with "done"
function Poller:answer(now, answer, err, mark)
  self.polls = self.polls + 1
  if err ~= nil and troubles.tries_other(self, err) then
    self.next_at = now
    return "ask", 0
  end
  if err ~= nil then return bad_answer(self, now, err) end
  if answer == nil then return same_answer(self, now) end
  if self.name and self.name ~= self.id then self.rules.keep(self.id) end
  return good_answer(self, now, answer, mark)
end

--- The last good answer, read by now, for the caller, who may do with it what he likes.
---@return table? task
function Poller:show()
  self.mark = ""
  if type(self.task) == "function" then self.task = self.task() end
  return self.task
end

--- What is to be done now: before the first query, and after each pause. A poller that wakes while
-- a 429 silences its client pauses on.
---@param now number
---@return "ask"|"error"
---@return any  "ask": seconds from now, 0 for at once; "error": the error
---@return number?  of "ask" at once: seconds that the query has, as `remaining` says
function Poller:due(now)
  local remaining = remaining_of(self, now)
  if remaining < NO_TIME then return time_out(self, now) end
  local left, silence = self.next_at - now, self.pace.not_before - now
  if left > 0 then return "ask", left end
  if silence > 0 then
    return schedule(self, now, silence + self.rules.random() * self.pause, silence)
  end
  return "ask", 0, remaining
end

--- Ends its pause, where it is the one for that id and pauses. While a 429 silences its client it
-- pauses on all the same.
---@param id string
---@param now number
---@return boolean
function Poller:advance(id, now)
  if self.id ~= id or self.next_at <= now then return false end
  self.next_at = now
  return true
end

--- What `on_update` is told beside the task.
---@param now number
---@return { id: string, elapsed: number, polls: integer, next_poll: number, progress: number?,
---   eta: number? } info  with the caller's id; all times in seconds from now
function Poller:info(now)
  return {
    id = self.id,
    elapsed = now - self.started,
    polls = self.polls,
    next_poll = math.max(0, self.next_at - now),
    progress = self.progress,
    eta = estimate(self, now),
  }
end

return M

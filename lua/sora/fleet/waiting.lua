--- Waiting for a task that a fleet watches: `wait` and `watch`. Redis is asked, not the service.
--
-- Messages are told at most once. So a waiter listens first, then looks, and looks again every few
-- seconds, whatever it hears.

local core = require "sora.core"
local inboxes = require "sora.hosts.inbox"
local record = require "sora.fleet.record"
local task = require "sora.answers.task"

local M = {}

local AGAIN = 5    -- seconds between two looks, at most
local JITTER = 0.2 -- the part of them that chance takes away

---@class sora.waiter
---@field fleet sora.fleet
---@field id string
---@field inbox sora.inbox
---@field started number
---@field timeout number
---@field looks integer
---@field task sora.task?  the last answer that is known
---@field text string?  as it was written
---@field error sora.error?  why the last look failed

---@return sora.waiter
local function new(fleet, id, timeout)
  local inbox = inboxes.new(fleet.client)
  return { fleet = fleet, id = id, inbox = inbox, started = inbox.driver.now(), timeout = timeout,
    looks = 0 }
end

local function fail(waiter, kind, message, retryable)
  return nil, core.error({
    kind = kind, message = message, retryable = retryable, id = waiter.id, task = waiter.task,
    elapsed = waiter.inbox.driver.now() - waiter.started,
  }, not waiter.inbox.client:closed() and waiter.inbox.client or nil), true
end

local function time_out(waiter)
  local seen = waiter.task and task.describe(waiter.task)
    or core.plain(waiter.id, 80) .. " not asked about yet"
  local message = ("timeout after %.1f s: %s"):format(waiter.timeout, seen)
  if waiter.error then message = message .. "; last error: " .. tostring(waiter.error) end
  return fail(waiter, "timeout", message, true)
end

--- Takes in a task's last answer. Returns the task, where its status or progress is another than
-- before, else nil.
local function change(waiter, text)
  if text == "" or text == waiter.text then return nil end
  local before = waiter.task
  local now = record.decode(text, waiter.id)
  if not now then return nil end
  waiter.text, waiter.task = text, now
  local same = before and task.word(before) == task.word(now)
    and task.progress(before) == task.progress(now)
  return not same and now or nil
end

--- One look. Returns nothing where the wait goes on; else the task or nil and an error, and whether
-- that is the end.
local function look(waiter, until_change)
  local state, text = waiter.fleet.store:look(waiter.id)
  waiter.looks = waiter.looks + 1
  waiter.error = not state and text or nil
  if state == "ended" then
    local outcome = record.outcome(text, waiter.id)
    return outcome.task, outcome.err, true
  elseif state == "unknown" then
    local message = "the fleet does not watch task " .. core.plain(waiter.id, 80) .. ": add it"
    local _, err = fail(waiter, "api", message)
    err.not_found = true
    return nil, err, true
  elseif not state and waiter.looks == 1 then
    return nil, text, true
  end
  local changed = state and change(waiter, text)
  if changed and until_change then return changed end
end

--- Looks until the task has ended or, with `until_change`, its status or progress has changed.
local function follow(waiter, until_change)
  local driver = waiter.inbox.driver
  while true do
    local found, err, ended = look(waiter, until_change)
    if found or err then return found, err, ended end
    local why = inboxes.stopped(waiter.inbox)
    if why then return fail(waiter, "cancelled", why) end
    local left = waiter.started + waiter.timeout - driver.now()
    if left <= 0 then return time_out(waiter) end
    inboxes.sleep(waiter.inbox, math.min(left, AGAIN * (1 - JITTER * core.random())))
  end
end

--- Listens, before the first look.
local function listen(waiter)
  local inbox = waiter.inbox
  local ok, err = waiter.fleet.store:open()
  if not ok then return nil, err end
  local subscription
  subscription, err = waiter.fleet.store:listen(waiter.id, function()
    inbox.driver.wake(inbox)
  end, inbox)
  waiter.subscription = subscription
  return subscription, err
end

local function leave(waiter)
  if waiter.subscription then waiter.subscription:cancel() end
  waiter.subscription = nil
end

local function wait_for(waiter, until_change)
  if not waiter.subscription then
    local ok, err = listen(waiter)
    if not ok then return nil, err, true end
  end
  return follow(waiter, until_change)
end

---@param fleet sora.fleet
---@param id string
---@param opts { timeout: number }
---@return sora.task? task
---@return sora.error? err
function M.wait(fleet, id, opts)
  local waiter = new(fleet, id, opts.timeout)
  local found, err = inboxes.guard(waiter.inbox, wait_for, waiter)
  leave(waiter)
  if err then return nil, err end
  return found
end

--- The fourth value closes the loop in Lua 5.4.
function M.watch(fleet, id, opts)
  local waiter, over = new(fleet, id, opts.timeout), false
  local function next_change()
    if over then return nil end
    local found, err, ended = inboxes.guard(waiter.inbox, wait_for, waiter, true)
    if ended then
      over = true
      leave(waiter)
    end
    if err then error(err, 0) end
    return found
  end
  local closer = setmetatable({}, { __close = function()
    over = true
    leave(waiter)
  end })
  return next_change, nil, nil, closer
end

return M

--- Bad answers of a wait: which are the end, and when so many of those that may pass are. Without a
-- clock, as poller.lua, which asks here.

local M = {}

--- A replica that lags says that it has no such task, in the first seconds and now and then later.
-- This is believed when it came so many times with no good answer in between, over so many seconds
-- or that part of the wait's timeout, whichever is less.
local MISSING_TIMES, MISSING_FOR, MISSING_PART = 3, 15, 1 / 4

---@class sora.trouble
---@field error any  the last bad answer
---@field errors integer  bad answers, without …
---@field missing integer  … those which say that there is no such task
---@field since number?  when the first of these came

--- Seconds over which a task has to be unknown to be believed gone.
---@param timeout number  of the wait
---@return number
function M.missing_for(timeout) return math.min(MISSING_FOR, timeout * MISSING_PART) end

--- Notes a bad answer.
---@param poller sora.poller
---@param err any
function M.note(poller, err)
  poller.trouble = poller.trouble or { errors = 0, missing = 0 }
  poller.trouble.error = err
end

--- Whether an error says that there is no such task, in whatever words.
local function is_missing(err)
  if err.retryable or err.kind == "cancelled" then return false end
  return err.not_found or err.status == 404
end

--- Whether asking again is of no use. A page of HTML comes from a wrong base URL or from the
-- challenge of a CDN, unless the same URL has answered well before: then it is a hiccup.
function M.is_final(poller, err)
  if is_missing(err) then return false end
  if err.kind == "cancelled" then return true end
  if err.page and poller.task then return false end
  return err.retryable == false
end

--- Why an error that need not be the end is the end, or nil.
function M.reason_to_end(poller, now, err)
  local trouble = poller.trouble
  if is_missing(err) then
    trouble.since = trouble.since or now
    trouble.missing = trouble.missing + 1
    local seconds = now - trouble.since
    if trouble.missing < MISSING_TIMES or seconds < poller.rules.missing_for then return nil end
    return ("said %d times over %.0f s"):format(trouble.missing, seconds)
  end
  trouble.errors = trouble.errors + 1
  if trouble.errors < poller.rules.max_errors then return nil end
  return ("bad answers in a row: %d"):format(trouble.errors)
end

--- Some services give a bare id, and know it only with the model in front. Where the one is
-- unknown, the other is tried once, at once.
function M.tries_other(poller, err)
  local unknown = not err.retryable and (err.not_found or err.status == 404 or err.status == 400)
  if not unknown or poller.task then return false end
  local other = poller.other
  if not poller.name then return false end
  poller.name, poller.other = other or poller.id, nil
  return other ~= nil
end

return M

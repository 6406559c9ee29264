--- The rules of a download: what is to be done next, without a socket, a file or a clock.
--
-- As a poller (waiting/poller.lua) it is asked what is due, and told what came of it:
--
--   due        what is to be done                  what is told then
--   "look_up"  the task is to be asked for         looked_up(now, task, err)
--   "fetch"    the URL, into the part              fetched(now, result, err, bytes, whole)
--   "put"      bytes, which are the whole video    has_put(message, too_large)
--   "sleep"    seconds                             –
--   "keep"     the part is whole: to be named      –
--   "error"    the end, and why                    –
--
-- A URL that is dead is looked up again, once, by the caller's id; then the relay's own copy is
-- tried. A 404 after that is a hiccup for a while: storage may lag behind the answer.

local task = require "sora.answers.task"
local urls = require "sora.answers.urls"

local M = {}

local LONGEST_RETRY_AFTER = 120 -- seconds; a longer one is the caller's to wait for
local MOST_REDIRECTS = 5
local SMALL, MOST_SMALL = 4096, 100 -- so many answers that bring fewer bytes are no failures
local MOST_ATTEMPTS = 10000
local LAG = 60                  -- seconds since success was seen in which a 404 may pass

--- What says that a URL is dead, of whatever storage.
local DEAD = { [400] = true, [401] = true, [403] = true, [404] = true, [410] = true }

---@class sora.transfer
---@field id string?  that the task is asked for by; without it there is nothing to look up
---@field task table?  the last one seen
---@field url string?  of the video
---@field hop string?  where its redirects have led
---@field content string?  the URL of the relay's own copy, until it is tried
---@field retries integer
---@field deadline number?  monotonic
---@field seen number?  when success was seen
local Transfer = {}
Transfer.__index = Transfer

function Transfer:make_error(kind, message, retryable)
  return self.error {
    kind = kind, message = message, id = self.id, task = self.task,
    attempts = self.attempts > 0 and self.attempts or nil, retryable = retryable,
  }
end

--- Ends it.
function Transfer:fail(err)
  err.attempts = self.attempts > 0 and self.attempts or err.attempts
  err.task = err.task or self.task
  self.failure = err
end

--- Waits for so long, where the deadline allows it; else `err` is the end.
function Transfer:pause(now, seconds, err)
  if seconds > LONGEST_RETRY_AFTER or self.deadline and now + seconds >= self.deadline then
    return self:fail(err)
  end
  self.resume_at = now + seconds
end

--- After an attempt that may go better the next time.
function Transfer:retry(now, err)
  if self.failures >= self.retries then return self:fail(err) end
  self.failures = self.failures + 1
  self:pause(now, err.retry_after or self.backoff(self.failures), err)
end

--- What is to be done now.
---@param now number
---@return string action
---@return any value
function Transfer:due(now)
  if self.failure then return "error", self.failure end
  if self.whole then return "keep" end
  if self.deadline and now >= self.deadline then
    self:fail(self:make_error("timeout", "no video within the timeout", true))
    return "error", self.failure
  end
  if self.resume_at > now then return "sleep", self.resume_at - now end
  if not self.url then return "look_up" end
  if not self.url:find "^[Dd][Aa][Tt][Aa]:" then
    return "fetch", ((self.hop or self.url):gsub(" ", "%%20")) -- all else is signed as it is
  end
  local bytes = urls.data(self.url)
  if bytes and bytes ~= "" then return "put", bytes end
  self:fail(self:make_error("decode", "the video in the answer cannot be decoded"))
  return "error", self.failure
end

--- Seconds until something else is asked for; nil: nothing is.
---@param now number
---@return number?
function Transfer:next_in(now)
  if self.failure or self.whole then return nil end
  return math.max(0, self.resume_at - now)
end

-- URLs

--- Goes on with the relay's own copy; `before` is the URL to come back to, false where there is
-- none. Returns false where there is no copy, or it was tried.
function Transfer:try_content()
  if not self.content or not self.id then return false end
  self.url, self.content, self.before = self.content, nil, self.url or false
  return true
end

--- Takes a task that was looked up.
function Transfer:take(now, answer)
  self.task = answer
  local succeeded = task.status(answer) == "succeeded"
  if succeeded then self.seen = self.seen or now end
  self.url = task.video_url(answer)
  if self.url or succeeded and self:try_content() then return end
  self:fail(self.refusal or self:make_error("no_video", "the task has no video URL"))
end

---@param answer table?  the task
---@param err sora.error?
function Transfer:looked_up(now, answer, err)
  if answer then
    self:take(now, answer)
  elseif self.refusal and err.kind ~= "cancelled" then
    self:fail(self.refusal)
  else
    self:fail(err)
  end
end

--- The video that the URL itself holds was put into the part.
---@param message string?  why it was not
function Transfer:has_put(message, too_large)
  self.whole = not message
  if message then self:fail(self:make_error(too_large and "too_large" or "io", message)) end
end

--- The URL is dead, or seems so.
function Transfer:refused(now, err)
  local lagging = err.status == 404
  if self.before ~= nil then -- the relay's copy is refused: not every relay has one
    err = self.refusal or self:make_error("no_video", "the task has no video URL")
    self.url, self.before = self.before or nil, nil
    lagging = err.status == 404
    if not self.url then return self:fail(err) end
  elseif self.id and not self.looked_up_again then
    self.looked_up_again, self.refusal, self.url = true, err, nil
    return
  elseif self.id then
    self.refusal = err
    if self:try_content() then return end
  end
  if not (lagging and self.id and self.retries > 0 and self.seen and now - self.seen < LAG) then
    return self:fail(err)
  end
  self.lags = (self.lags or 0) + 1
  self:pause(now, self.backoff(self.lags), err)
end

--- Follows a redirect: the scheme may get safer, not less safe.
function Transfer:redirected(target)
  local from = self.hop or self.url
  self.hops = self.hops + 1
  if self.hops > MOST_REDIRECTS then
    return self:fail(self:make_error("http", "more than 5 redirects"))
  elseif not target:find "^[Hh][Tt][Tt][Pp][Ss]?://[^/]" or target:find "[%z\1-\31\127]" then
    return self:fail(self:make_error("http", "a redirect to what is no URL of HTTP"))
  elseif from:find "^[Hh][Tt][Tt][Pp][Ss]:" and not target:find "^[Hh][Tt][Tt][Pp][Ss]:" then
    local what = "a redirect from https to http, which is not followed"
    return self:fail(self:make_error("http", what))
  end
  self.hop = target
end

-- Attempts

--- Whether the attempt has brought more than there ever was: then the failures are counted anew. A
-- server may send a byte with each answer, so after MOST_SMALL whole answers that bring little,
-- further ones count as failures.
function Transfer:progressed(bytes, answered)
  local brought = bytes - self.most
  if brought <= 0 then return false end
  self.most = bytes
  if answered and brought < SMALL then
    self.small = self.small + 1
    if self.small > MOST_SMALL then return false end
  end
  self.failures = 0
  return true
end

--- An attempt has begun; a redirect that is followed belongs to the one before.
function Transfer:began()
  if not self.hop then self.attempts = self.attempts + 1 end
end

---@param result table?  of core.fetch
---@param err sora.error?
---@param bytes integer  in the part
---@param whole boolean
function Transfer:fetched(now, result, err, bytes, whole)
  local progressed = self:progressed(bytes, result ~= nil)
  if result and result.redirect then return self:redirected(result.redirect) end
  self.hop, self.hops = nil, 0
  self.whole = whole and bytes > 0
  if self.whole then return end
  if self.attempts >= MOST_ATTEMPTS then
    return self:fail(self:make_error("network", "too many answers, and each brings too little"))
  end
  if result and (result.again or progressed) then return end
  if result and whole then
    err = self:make_error("network", "the server sent an empty video", true)
  elseif result then
    err = self:make_error("network", "the server sends too little at once", true)
  end
  if err.kind == "http" and (DEAD[err.status] or self.before ~= nil and not err.retryable) then
    return self:refused(now, err)
  end
  if not err.retryable then return self:fail(err) end
  self:retry(now, err)
end

---@param spec table  id, task, url, content, retries, deadline, seen; backoff(failures) → seconds;
---   error(fields) → an error object
---@return sora.transfer
function M.new(spec)
  local self = setmetatable(spec, Transfer)
  self.attempts, self.failures, self.hops, self.resume_at = 0, 0, 0, 0
  self.most, self.small = 0, 0
  if self.task and not self.url then self:take(self.seen, self.task) end
  return self
end

return M

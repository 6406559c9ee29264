--- The finished video, from its URL to a file.
--
-- Bytes go to `path.part`, in C, and never through Lua; the part is renamed when it is whole. The
-- modification time of a part is what the server said of the video (Last-Modified): that is the
-- validator with which a later call goes on (If-Range, RFC 9110, 13.1.5). A part that was changed,
-- or was left by a process that died, has another time, and the server then sends the whole.

local core = require "sora.core"
local inboxes = require "sora.hosts.inbox"
local task = require "sora.answers.task"

local M = {}

local LONGEST_RETRY_AFTER = 120 -- seconds; a longer one is the caller's to wait for
local REPORT = 0.1              -- seconds between two calls of on_progress
local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = {
  "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
}

--- RFC 9110, 5.6.7, whatever the locale.
local function http_date(seconds)
  local t = os.date("!*t", seconds)
  return ("%s, %02d %s %04d %02d:%02d:%02d GMT"):format(DAYS[t.wday], t.day, MONTHS[t.month],
    t.year, t.hour, t.min, t.sec)
end

---@class sora.transfer  one call of download
local Transfer = {}
Transfer.__index = Transfer

function Transfer:error(kind, message)
  return core.error {
    kind = kind, message = message, id = self.id, task = self.task, attempts = self.attempts,
  }
end

--- Seconds left, or nil without a timeout.
function Transfer:remaining()
  return self.deadline and math.max(1e-3, self.deadline - self.inbox.driver.now())
end

--- Finds the URL in the task.
---@return string? url
---@return sora.error? err
function Transfer:url_of(answer)
  self.task = answer
  local url = task.video_url(answer)
  if url then return url end
  return nil, self:error("no_video", "the task has no video URL")
end

--- Asks for the task, and finds the URL in it.
---@return string? url
---@return sora.error? err
function Transfer:look_up()
  self.given.timeout = self:remaining()
  local answer, err = inboxes.query(self.inbox, self.id, self.given)
  if err then return nil, err end
  return self:url_of(answer)
end

--- Where the part ends, and the validator that says whether it still fits.
function Transfer:part_state()
  local size, modified = core.stat(self.part)
  if not size or size == 0 or self.restart then return 0, nil end
  return size, self.etag or http_date(modified)
end

function Transfer:report(request)
  if not self.on_progress then return end
  local received, total = request:progress()
  if received ~= self.reported then
    self.reported = received
    self.on_progress(received, total)
  end
end

--- One attempt: the part grows by what comes.
---@return userdata request
function Transfer:attempt(url)
  local offset, validator = self:part_state()
  self.attempts, self.restart = self.attempts + 1, nil
  self.given.timeout = self:remaining()
  local request = core.fetch(self.inbox.client, {
    id = self.id, url = url, path = self.part, offset = offset, validator = validator,
  }, self.given, self.inbox)
  inboxes.add(self.inbox, request)
  while not inboxes.take(self.inbox) do
    self.inbox.driver.park(self.inbox, self.on_progress and REPORT)
    self:report(request)
  end
  self.etag = request:etag() or self.etag
  self:report(request)
  return request
end

--- Waits before the next attempt. Returns false when there is to be none.
function Transfer:pause(err)
  if not err.retryable or self.failures >= self.retries then return false end
  local pause = err.retry_after or core.backoff(self.failures + 1)
  if pause > LONGEST_RETRY_AFTER then return false end
  if self.deadline and self.inbox.driver.now() + pause >= self.deadline then return false end
  self.failures = self.failures + 1
  inboxes.sleep(self.inbox, pause)
  return true
end

--- What to do after a bad attempt: a URL to go on with, or nil and the error to end with.
function Transfer:after(err, url)
  local status = err.kind == "http" and err.status
  if (status == 416 or status == 206) and not self.started_over then
    self.started_over, self.restart = true, true -- the part is no beginning of this video
    return url
  elseif (status == 403 or status == 410) and self.id and not self.looked_up then
    self.looked_up = true
    return self:look_up()
  elseif not self:pause(err) then
    return nil, err
  end
  local stopped = inboxes.stopped(self.inbox)
  if stopped then return nil, self:error("cancelled", stopped) end
  return url
end

--- Puts the part, when it is the whole, in its place. Returns nothing when there is more to come.
---@return integer? bytes
---@return sora.error? err
function Transfer:keep(request, result)
  local bytes, total = request:progress()
  if result.received == 0 then
    request:release()
    return nil, self:error("network", "the server sent an empty video")
  elseif total and bytes < total then
    request:release()
    return nil
  end
  local ok, message = core.rename(self.part, self.path)
  request:release()
  if not ok then return nil, self:error("io", self.path .. ": " .. message) end
  return bytes
end

--- Attempts until the video is whole or there is no use in going on.
---@return integer? bytes
---@return sora.error? err
function Transfer:run(url)
  local err
  while url do
    local request = self:attempt(url)
    local result, failure = request:result()
    if result then
      local bytes
      bytes, failure = self:keep(request, result)
      if bytes or failure then return bytes, failure end
    else
      failure.attempts, failure.task = self.attempts, self.task
      if failure.kind == "io" then failure.message = self.part .. ": " .. failure.message end
      url, err = self:after(failure, url)
    end
  end
  return nil, err
end

--- Removes a part with nothing in it; after an error of the file it may be somebody else's.
function Transfer:tidy(err)
  if err.kind ~= "io" and core.stat(self.part) == 0 then os.remove(self.part) end
end

--- From the source, whatever it is, to the file.
---@return integer? bytes
---@return sora.error? err
function Transfer:download(source)
  local url, err
  if core.stat(self.path .. "/.") then
    return nil, self:error("io", self.path .. ": is a folder")
  elseif type(source) == "table" then
    local id = task.id(source) -- as the service has given it: it need not be one
    self.id = not core.id_fault(id) and id or nil
    url, err = self:url_of(source)
  else
    url = task.video_url { video_url = source } -- trimmed, when it is one
    if not url then
      self.id = source
      url, err = self:look_up()
    end
  end
  if err then return nil, err end
  local bytes
  bytes, err = self:run(url)
  if err then
    self:tidy(err)
    return nil, err
  end
  return bytes
end

--- client:download(source, path, opts), its arguments checked: `source` is a task, a URL or a
-- task's id.
---@return integer? bytes
---@return sora.error? err
function M.download(client, source, policy, given, path)
  given = given or {}
  local inbox = inboxes.new(client)
  local transfer = setmetatable({
    path = path, part = path .. ".part", inbox = inbox, given = given,
    retries = given.retries or core.retries(client), on_progress = policy.on_progress,
    deadline = policy.timeout and inbox.driver.now() + policy.timeout, attempts = 0, failures = 0,
  }, Transfer)
  return inboxes.guard(inbox, transfer.download, transfer, source)
end

return M

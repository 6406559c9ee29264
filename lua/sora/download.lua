--- The finished video, from its URL to a file.
--
-- Bytes go to `path.part`, in C, and never through Lua; the part is renamed when it is whole. The
-- modification time of a part is what the server said of the video (Last-Modified): that is the
-- validator with which a later call goes on (If-Range, RFC 9110, 13.1.5). A part that was changed,
-- or was left by a process that died, has another time, and the server then sends the whole.

local core = require "sora.core"
local inboxes = require "sora.inbox"
local task = require "sora.task"

local M = {}

local FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8 -- seconds between attempts, doubled from one to the next
local REPORT = 0.1                        -- seconds between two calls of on_progress
local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

--- RFC 9110, 5.6.7, whatever the locale.
local function http_date(seconds)
  local t = os.date("!*t", seconds)
  return ("%s, %02d %s %04d %02d:%02d:%02d GMT"):format(DAYS[t.wday], t.day, MONTHS[t.month], t.year,
    t.hour, t.min, t.sec)
end

---@class sora.transfer  one call of download
local Transfer = {}
Transfer.__index = Transfer

function Transfer:error(kind, message, err)
  return core.error {
    kind = kind, message = message, id = self.id, task = self.task, status = err and err.status,
    attempts = self.attempts,
  }
end

--- Seconds left, or nil without a timeout.
function Transfer:remaining()
  return self.deadline and math.max(1e-3, self.deadline - self.driver.now())
end

--- Asks for the task, and finds the URL in it.
---@return string? url
---@return sora.error? err
function Transfer:look_up()
  local opts = {}
  for name, value in pairs(self.given) do opts[name] = value end
  opts.timeout = self:remaining()
  inboxes.query(self.driver, self.inbox, self.client, self.id, opts)
  local answer, err = inboxes.result(self.driver, self.inbox)
  if not answer then return nil, err end
  self.task = answer
  local url = task.video_url(answer)
  if url then return url end
  return nil, self:error("no_video", "the task has no video URL")
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
---@return table? result
---@return sora.error? err
function Transfer:attempt(url)
  local offset, validator = self:part_state()
  self.attempts, self.restart = self.attempts + 1, nil
  self.given.timeout = self:remaining()
  local request = self.client:fetch({
    id = self.id, url = url, path = self.part, offset = offset, validator = validator,
  }, self.given, self.inbox)
  self.inbox.pending[request] = true
  self.driver.attach(self.client)
  while not inboxes.take(self.inbox) do
    self.driver.park(self.inbox, self.on_progress and REPORT)
    self:report(request)
  end
  self.etag = request:etag() or nil
  self:report(request)
  return request:result()
end

--- What to do after a bad attempt: a URL to go on with, or nil and the error to end with.
function Transfer:after(err, url)
  if err.status == 416 and not self.started_over then -- the part is no beginning of this video
    self.started_over, self.restart = true, true
    return url
  end
  if (err.status == 403 or err.status == 410) and self.id and not self.looked_up then
    self.looked_up = true
    return self:look_up()
  end
  if not err.retryable or self.failures >= self.retries then return nil, err end
  local pause = math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ^ self.failures)
  pause = err.retry_after or pause * (0.75 + 0.25 * math.random())
  self.failures = self.failures + 1
  if self.deadline and self.driver.now() + pause >= self.deadline then return nil, err end
  self.driver.park(self.inbox, pause)
  return url
end

--- Puts the whole part in its place.
function Transfer:keep(result)
  local bytes = result.offset + result.received
  if bytes == 0 then return nil, self:error("network", "the video is empty") end
  local ok, message = core.rename(self.part, self.path)
  if not ok then return nil, self:error("io", message) end
  return bytes
end

function Transfer:run(url)
  local err
  while url do
    local result, failure = self:attempt(url)
    if result then return self:keep(result) end
    failure.attempts, failure.task = self.attempts, self.task
    url, err = self:after(failure, url)
  end
  if core.stat(self.part) == 0 then os.remove(self.part) end
  return nil, err
end

local function is_url(text) return text:find "^[Hh][Tt][Tt][Pp][Ss]?://" ~= nil end

--- client:download(source, path, opts), its arguments checked: `source` is a task, a URL or a
-- task's id.
---@return integer? bytes
---@return sora.error? err
function M.download(driver, client, source, path, policy, given)
  local self = setmetatable({
    driver = driver, client = client, path = path, part = path .. ".part", inbox = inboxes.new(),
    given = given or {}, on_progress = policy.on_progress, attempts = 0, failures = 0,
    deadline = policy.timeout and driver.now() + policy.timeout,
  }, Transfer)
  self.retries = self.given.retries or client:retries()
  if type(source) == "string" and is_url(source) then return self:run(source) end
  local url, err
  if type(source) == "string" then
    self.id = source
    url, err = self:look_up()
  else
    self.task, self.id = source, task.id(source)
    url = task.video_url(source)
    if not url then err = self:error("no_video", "the task has no video URL") end
  end
  if not url then return nil, err end
  local ok, bytes, failure = pcall(self.run, self, url)
  if ok then return bytes, failure end
  inboxes.cancel(self.inbox) -- a callback's error, or Ctrl-C
  error(bytes, 0)
end

return M

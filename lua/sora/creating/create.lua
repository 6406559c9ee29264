--- Starting tasks.
--
-- A second task is a second bill. So what makes something is sent once: again only where nothing
-- can have been sent, or where the service says that nothing was made.

local bodies = require "sora.creating.body"
local core = require "sora.core"
local ids = require "sora.creating.ids"
local inboxes = require "sora.hosts.inbox"

local M = {}

local LONGEST_RETRY_AFTER = 120 -- seconds; a longer one is the caller's to wait for

--- With these words a service says that it had no upstream to give the task to.
local NO_CHANNEL = { "no available channel", "no available channels", "无可用渠道", "無可用渠道" }

local function says_no_channel(err)
  local said = (err.message .. " " .. (err.body or "")):gsub("[A-Z]", function(letter)
    return string.char(letter:byte() + 32) -- whatever the locale
  end)
  for _, words in ipairs(NO_CHANNEL) do
    if said:find(words, 1, true) then return true end
  end
  return false
end

--- Whether the service says that it has made nothing (RFC 6585, 4; RFC 8470, 5.2; RFC 9110,
-- 15.6.4).
local function made_nothing(err)
  if err.status == 429 or err.status == 425 then return true end
  return err.status == 503 and (err.retry_after ~= nil or says_no_channel(err))
end

--- Whether to send it again cannot make a second one.
---@param err sora.error
---@return boolean
function M.is_harmless(err)
  if err.sent == false then return err.retryable end
  return made_nothing(err)
end

--- A key of chance for one logical call: a UUID (RFC 9562, 5.4).
---@return string
function M.key()
  local digits = ("xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx"):gsub("[xy]", function(letter)
    local digit = math.floor(core.random() * (letter == "x" and 16 or 4))
    return ("%x"):format(letter == "x" and digit or 8 + digit)
  end)
  return digits
end

---@param client sora.client
---@param fault sora.fault
---@return sora.error
function M.error(client, fault)
  return core.error({ kind = fault.kind, message = fault.message, sent = false }, client)
end

--- Seconds before the next attempt; nil when there is to be none.
local function pause(inbox, err, attempts, retries, deadline)
  if attempts > retries then return nil end
  local seconds = err.retry_after or core.backoff(attempts)
  if seconds > LONGEST_RETRY_AFTER then return nil end
  if deadline and inbox.driver.now() + seconds >= deadline then return nil end
  return seconds
end

--- Sends a call, again as long as `again` allows it.
---@param inbox sora.inbox
---@param call table  see core.call
---@param policy table
---@param given table?
---@param again fun(err: sora.error): boolean
---@return any? answer
---@return sora.error|table err_or_metatable
---@return integer? attempts
function M.perform(inbox, call, policy, given, again)
  local opts = { retries = 0 }
  for name, value in pairs(given or {}) do if name ~= "retries" then opts[name] = value end end
  local retries = given and given.retries or core.retries(inbox.client)
  local deadline = policy.timeout and inbox.driver.now() + policy.timeout
  local attempts = 0
  while true do
    opts.timeout = deadline and math.max(1e-3, deadline - inbox.driver.now())
    inboxes.add(inbox, core.call(inbox.client, call, opts, inbox))
    local request = inboxes.await(inbox)
    local answer, err = request:result()
    attempts = attempts + 1
    if answer ~= nil then
      inboxes.tell(inbox, request, nil, nil, attempts)
      return answer, err, attempts
    end
    err.attempts = attempts
    local seconds = again(err) and pause(inbox, err, attempts, retries, deadline) or nil
    inboxes.tell(inbox, request, err, seconds, attempts)
    if not seconds then return nil, err end
    if not inboxes.stopped(inbox) then inboxes.sleep(inbox, seconds) end
    local stopped = inboxes.stopped(inbox)
    if stopped then
      return nil, core.error { kind = "cancelled", message = stopped, sent = err.sent,
        attempts = attempts }
    end
  end
end

--- Sends what makes a task, and never makes a second one.
---@param inbox sora.inbox
---@param path string?  behind the base URL; nil: `create_path`
---@param payload sora.payload
---@param policy table
---@param given table?
---@return sora.task? task
---@return string|sora.error id_or_err
function M.make(inbox, path, payload, policy, given)
  local answer, err, attempts = M.perform(inbox, {
    method = "POST", path = path, body = payload.body, fields = payload.fields,
    files = payload.files, key = policy.idempotency_key or M.key(), once = true,
  }, policy, given, M.is_harmless)
  if answer == nil then return nil, err end
  local id = type(answer) == "table" and ids.of(answer)
  if not id then
    return nil, core.error({ kind = "api", message = "the answer names no task", sent = true,
      attempts = attempts }, inbox.client)
  end
  ids.note(answer, id)
  return setmetatable(answer, err), id
end

local function create(inbox, body, policy, given)
  local client = inbox.client
  local payload, model = bodies.of_task(body, policy.files)
  if not payload then return nil, M.error(client, model) end
  local task, id_or_err = M.make(inbox, nil, payload, policy, given)
  if not task then return nil, id_or_err end
  ids.remember(client, id_or_err, model)
  return task
end

--- client:create(body, opts), its arguments checked.
---@return sora.task? task
---@return sora.error? err
function M.create(client, body, policy, given)
  local inbox = inboxes.new(client, given)
  return inboxes.guard(inbox, create, inbox, body, policy, given)
end

return M

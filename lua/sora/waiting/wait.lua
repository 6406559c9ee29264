--- Waiting for one task: `wait` and `watch`. The rules are poller.lua's; here they meet a driver.

local calls = require "sora.hosts.calls"
local core = require "sora.core"
local ids = require "sora.creating.ids"
local inboxes = require "sora.hosts.inbox"
local paces = require "sora.waiting.pace"
local pollers = require "sora.waiting.poller"

local M = {}

--- What all waits of one client share.
---@return sora.pace
function M.pace(client)
  local shared = core.shared(client)
  shared.pace = shared.pace or paces.new()
  return shared.pace
end

--- The options for each poll: those of the caller. A poll is not repeated by itself, unless the
-- caller asks for it: the wait is what goes on after an error.
---@param given table?
---@return table
function M.poll_options(given)
  local opts = { retries = 0 }
  for name, value in pairs(given or {}) do opts[name] = value end
  return opts
end

local function ask_once(inbox, id, opts)
  inboxes.ask(inbox, id, opts)
  local request = inboxes.await(inbox)
  local task, err = request:result()
  inboxes.tell(inbox, request, err)
  if err then return nil, err end
  return task
end

--- client:query(id, opts) of a host in which the function in C would block.
---@return any? task
---@return sora.error? err
function M.query(client, id, policy, given)
  local opts, inbox = { timeout = policy.timeout }, inboxes.new(client, given)
  for name, value in pairs(given or {}) do opts[name] = value end
  return inboxes.guard(inbox, ask_once, inbox, id, opts)
end

--- The error of a wait that was ended before its task.
---@return sora.error
function M.cancelled(message, poller)
  return core.error { kind = "cancelled", message = message, id = poller.id, task = poller.task }
end

--- Tells the caller of a change, and returns what is next: the poller's own action, unless the
-- caller ends a wait that would go on.
---@param policy table
---@param poller sora.poller
---@param now number
---@param action sora.action
---@param value any
---@return sora.action
---@return any
function M.tell(policy, poller, now, action, value)
  local on_update = policy.on_update
  if on_update and on_update(poller:show(), poller:info(now)) == false and action == "ask" then
    return "error", M.cancelled("on_update ended the wait", poller)
  end
  return action, value
end

--- Polls until the task ends or, with `until_change`, until its status or progress changed. What is
-- next is decided anew after each callback, which may have taken any time, and by one look at the
-- clock.
---@return any? task
---@return sora.error? err
---@return boolean? ended
local function follow(inbox, poller, policy, opts, until_change)
  local driver, request = inbox.driver, nil
  while true do
    local stopped = inboxes.stopped(inbox)
    if stopped then return nil, M.cancelled(stopped, poller), true end
    local now = driver.now()
    local action, value, remaining = poller:due(now)
    if action == "error" then return nil, value, true end
    if value > 0 then
      inboxes.sleep(inbox, value)
    else
      opts.timeout = remaining
      inboxes.ask_again(inbox, request, poller:asked(), opts)
      request = inboxes.await(inbox)
      local task, err, mark = request:result(poller.mark)
      local changed
      now = driver.now()
      action, value, changed = poller:answer(now, task, err, mark)
      inboxes.tell(inbox, request, err, action == "ask" and value or nil)
      if changed then action, value = M.tell(policy, poller, now, action, value) end
      if action == "done" then return value, nil, true end
      if action == "error" then return nil, value, true end
      if changed and until_change then return poller:show() end
    end
  end
end

--- The rules of a call, with errors that keep its keys to themselves, and those of the client: a
-- service may quote them.
---@return sora.rules
function M.rules(policy, client, given)
  local rules = pollers.rules(policy, function(spec) return core.error(spec, client, given) end)
  rules.names = function(id) return ids.names(client, id) end
  rules.keep = function(id) ids.keep(client, id) end
  return rules
end

local function begin(client, id, policy, given)
  local inbox = inboxes.new(client, given)
  local poller = pollers.new(id, M.rules(policy, client, given), M.pace(client), inbox.driver.now())
  calls.enter(inbox, poller)
  return inbox, poller, M.poll_options(given)
end

--- client:wait(id, opts), its arguments checked.
---@return any? task
---@return sora.error? err
function M.wait(client, id, policy, given)
  local inbox, poller, opts = begin(client, id, policy, given)
  local task, err = inboxes.guard(inbox, follow, inbox, poller, policy, opts)
  calls.leave(inbox)
  if err then return nil, err end
  return task
end

--- client:watch(id, opts), its arguments checked. The fourth value closes the loop in Lua 5.4;
-- elsewhere nothing is in flight while the loop's body runs.
function M.watch(client, id, policy, given)
  local inbox, poller, opts = begin(client, id, policy, given)
  local over = false
  local function next_change()
    if over then return nil end
    local task, err, ended = inboxes.guard(inbox, follow, inbox, poller, policy, opts, true)
    over = ended
    if over then calls.leave(inbox) end
    if err then error(err, 0) end
    return task
  end
  local closer = setmetatable({}, { __close = function()
    over = true
    inboxes.cancel(inbox)
    inbox.driver.wake(inbox) -- it has to learn that a coroutine which waits here was closed
  end })
  return next_change, nil, nil, closer
end

return M

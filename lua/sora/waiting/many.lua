--- Many tasks in one flow of control: `query_all` and `wait_all`.
--
-- One loop starts queries, at most `concurrency` at a time, and feeds the answers to pollers; a
-- task that waits is a poller in a heap, without a coroutine and without a timer of the host's.

local calls = require "sora.hosts.calls"
local core = require "sora.core"
local deliveries = require "sora.videos.deliveries"
local inboxes = require "sora.hosts.inbox"
local pollers = require "sora.waiting.poller"
local waits = require "sora.waiting.wait"

local M = {}

--- What query_all has in a poller's place: one query each, until the deadline.
local Once = {}
Once.__index = Once

function Once:asked() return self.id end

function Once:due(now)
  if now < self.deadline then return "ask", 0, self.deadline - now end
  local message = "not asked within the timeout"
  return "error",
    core.error { kind = "timeout", message = message, retryable = true, id = self.id }
end

function Once.answer(_, _, task, err)
  if err then return "error", err end
  return "done", task
end

---@class sora.round  one call of query_all or wait_all
local Round = {}
Round.__index = Round

--- The next poller that may be asked now: a task that was never asked, else the one that is due
-- first.
function Round:next_due(now)
  local id = self.ids[self.next_id]
  if id then
    self.next_id = self.next_id + 1
    return self.new_poller(id, self.started)
  end
  return self.sleeping:pop(now)
end

--- Has a task that sleeps asked for at once.
function Round:advance(id, now)
  local poller = self.sleeping:advance(id, now)
  return poller ~= nil and poller:advance(id, now)
end

--- An id has come to its end.
function Round:tell(id, task, err, path)
  self.tasks[id], self.errs[id] = task, err
  if self.policy.on_result then self.policy.on_result(id, task, err, path) end
end

--- Takes what a poller says is next.
function Round:follow(poller, now, action, value)
  if action == "ask" then
    self.sleeping:push(now + value, poller)
  elseif action == "done" and self.deliveries then
    self.deliveries:add(poller.id, value)
  elseif action == "done" then
    self:tell(poller.id, value)
  elseif self.deliveries and value.kind == "no_video" then
    self.deliveries:add(poller.id, value.task) -- the relay may have a copy of its own
  else
    if self.deliveries then value.step = "wait" end
    self:tell(poller.id, nil, value)
  end
end

--- Asks, or follows what a poller says in place of that: then a callback may have done anything.
---@return boolean asked
function Round:start(poller, now)
  local action, value, remaining = poller:due(now)
  if action ~= "ask" or value > 0 then
    self:follow(poller, now, action, value)
    return false
  end
  local opts, taken = self.opts, self.taken
  local last = #taken
  local request = taken[last]
  taken[last] = nil
  opts.timeout = remaining
  inboxes.ask_again(self.inbox, request, poller:asked(), opts, poller)
  self.in_flight = self.in_flight + 1
  return true
end

function Round:take(request, poller)
  local now = self.now()
  if poller.transfer then return self.deliveries:take(poller, request, now) end
  self.in_flight = self.in_flight - 1
  local task, err, mark = request:result(poller.mark)
  self.taken[#self.taken + 1] = request
  local action, value, changed = poller:answer(now, task, err, mark)
  inboxes.tell(self.inbox, request, err, action == "ask" and value or nil)
  if changed then action, value = waits.tell(self.policy, poller, now, action, value) end
  self:follow(poller, now, action, value)
end

function Round:stopped() return inboxes.stopped(self.inbox) end

--- Starts what may be started now. The end of a task, at its deadline, calls back, and that may
-- take any time: the clock is looked at for each.
---@return string? why  the call is to end
function Round:fill()
  local concurrency, why = self.policy.concurrency, self:stopped()
  while self.in_flight < concurrency and not why do
    local now = self.now()
    local poller = self:next_due(now)
    if not poller then break end
    if not self:start(poller, now) then why = self:stopped() end
  end
  if not self.deliveries or why then return why end
  self.deliveries:fill()
  return self:stopped()
end

--- Ends every wait that has no query in flight, when the whole call is to end.
function Round:stop(why)
  local poller = self:next_due(math.huge)
  while poller do
    self:follow(poller, 0, "error", waits.cancelled(why, poller))
    poller = self:next_due(math.huge)
  end
  if self.deliveries then self.deliveries:stop(why) end
end

--- Waits until a request has ended or another one may be started.
function Round:park()
  local due = self.in_flight < self.policy.concurrency and self.sleeping:first() or nil
  local other = self.deliveries and self.deliveries:next_at()
  if not due or other and other < due then due = other end
  inboxes.sleep(self.inbox, due and math.max(0, due - self.now()))
end

--- Whether there is nothing left to wait for.
function Round:is_over()
  return self.in_flight == 0 and self.sleeping:size() == 0 and not self.ids[self.next_id]
    and not (self.deliveries and not self.deliveries:is_over())
end

function Round:run()
  while true do
    local why = self:fill()
    if why then self:stop(why) end
    if self:is_over() then return end
    self:park()
    -- no iterator: it may call back, and in Lua 5.1 cannot yield
    local request, poller = inboxes.take(self.inbox)
    while request do
      self:take(request, poller)
      request, poller = inboxes.take(self.inbox)
    end
  end
end

--- Has the videos downloaded.
function Round:deliver(client, opts)
  local policy = self.policy
  self.deliveries = deliveries.new(policy.download, policy.downloads, {
    inbox = self.inbox, opts = opts, retries = opts.retries or core.retries(client),
    deadline = policy.timeout and self.started + policy.timeout,
  }, function(...) self:tell(...) end)
end

local function copy(given)
  local opts = {}
  for name, value in pairs(given or {}) do opts[name] = value end
  return opts
end

local function all(client, ids, policy, given, opts, new_poller)
  local inbox = inboxes.new(client, given)
  local now = inbox.driver.now
  local round = setmetatable({
    ids = ids, next_id = 1, policy = policy, opts = opts, new_poller = new_poller,
    sleeping = core.heap(), inbox = inbox, now = now, started = now(), in_flight = 0,
    taken = {}, tasks = {}, errs = {},
  }, Round)
  if policy.download then round:deliver(client, copy(given)) end
  calls.enter(inbox, round)
  inboxes.guard(inbox, round.run, round)
  calls.leave(inbox)
  return round.tasks, round.errs
end

--- client:query_all(ids, opts), its arguments checked: no id is there twice.
function M.query_all(client, ids, policy, given)
  local timeout = policy.timeout or math.huge
  return all(client, ids, policy, given, copy(given), function(id, started)
    return setmetatable({ id = id, deadline = started + timeout }, Once)
  end)
end

--- client:wait_all(ids, opts), its arguments checked: no id is there twice. The timeout is that of
-- the whole call.
function M.wait_all(client, ids, policy, given)
  local rules, pace = waits.rules(policy, client, given), waits.pace(client)
  return all(client, ids, policy, given, waits.poll_options(given), function(id, started)
    return pollers.new(id, rules, pace, started)
  end)
end

return M

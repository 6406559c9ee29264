--- A worker of a fleet: claims what is due, asks the service, reports.
--
-- One flow of control for all its tasks, as in waiting/many.lua; but the heap of those that sleep
-- is the sorted set in Redis. A turn, once in ten milliseconds at most, reports what has come and
-- claims what there is room for: two scripts for many polls.
--
-- Longer than other files: claiming, asking, reporting and ending change the same few counters.

local claimed = require "sora.fleet.claimed"
local core = require "sora.core"
local inboxes = require "sora.hosts.inbox"
local record = require "sora.fleet.record"
local states = require "sora.waiting.state"
local waits = require "sora.waiting.wait"

local M = {}

local TICK = 0.01        -- seconds between two turns, at least
local IDLE = 0.25        -- seconds between two claims, at most
local HORIZON = 0.2      -- seconds for which permits are taken ahead
local PERMIT_AGE = 1     -- seconds: an older permit is not used
local MARGIN = 1         -- seconds before the end of its lease at which a query is given up
local MOST = 100         -- tasks in one script
local SEEN = 3           -- seconds between two signs of life (a claim is one), at most
local LONGEST_PAUSE = 10 -- seconds, after an error of Redis

local nginx = rawget(_G, "ngx")

---@class sora.worker
local Worker = {}
Worker.__index = Worker

--- What was claimed, until it is reported.
---@class sora.held
---@field id string
---@field token string
---@field permit_at number  when it may be asked about
---@field lease_until number
---@field poller sora.poller

---@param fleet sora.fleet
---@param opts table  concurrency, drain
---@return sora.worker
function M.new(fleet, opts)
  local client = fleet.client
  local inbox = inboxes.new(client)
  return setmetatable({
    fleet = fleet, store = fleet.store, client = client, inbox = inbox, now = inbox.driver.now,
    pace = waits.pace(client), opts = waits.poll_options(), concurrency = opts.concurrency,
    drain = opts.drain, name = ("%08x"):format(math.floor(core.random() * (2 ^ 32 - 1))),
    queue = {}, head = 1, tail = 0, -- claimed and not asked about yet, by their permits
    taken = {}, -- requests whose answers were taken, to be asked again
    in_flight = 0, reports = {}, failures = 0, turn_at = 0, claim_at = 0, seen_at = 0,
  }, Worker)
end

--- How many tasks it holds.
function Worker:held() return self.tail - self.head + 1 + self.in_flight + #self.reports end

-- What was claimed

--- Remembers what is to be reported of a task. What comes due before the next claim makes that one
-- come earlier.
function Worker:note(held, word, fields)
  local report = fields or {}
  report.id, report.token, report.word, report.lease_until = held.id, held.token, word,
    held.lease_until
  if report.delay then self.claim_at = math.min(self.claim_at, self.now() + report.delay) end
  self.reports[#self.reports + 1] = report
end

function Worker:give_back(held, delay) self:note(held, "back", { delay = delay }) end

function Worker:finish(held, task, err)
  self:note(held, record.word(err), { text = record.encode(task or err and err.task, err) })
end

--- Takes in a claim that was asked for at `sent`. Redis counted from a later moment: so by this
-- clock a permit begins, and a lease ends, too early rather than too late.
function Worker:hold(claim, sent)
  local held = {
    id = claim.id, token = claim.token, permit_at = sent + claim.permit,
    lease_until = sent + self.fleet.lease,
  }
  local poison = claimed.poison(claim)
  if poison then return self:finish(held, nil, poison) end
  held.poller = claimed.poller(claim, self.fleet, self.pace, self.now())
  self.tail = self.tail + 1
  self.queue[self.tail] = held
end

-- Asking

--- Asks about a task, if its permit is fresh and its lease long enough; else gives it back.
function Worker:ask(held, now)
  if now - held.permit_at > PERMIT_AGE or held.lease_until - now < 2 * MARGIN then
    self.fleet.counts.unused = self.fleet.counts.unused + 1
    return self:give_back(held, 0)
  end
  local poller = held.poller
  local action, value = poller:due(now)
  if action == "error" then return self:finish(held, nil, value) end
  if value > 0 then return self:give_back(held, value) end -- not yet: a 429 has come meanwhile
  -- a moment, no time from now on: this process may be stopped at any point
  local deadline = math.min(now + poller:remaining(now), held.lease_until - MARGIN)
  local request = table.remove(self.taken)
  inboxes.ask_again(self.inbox, request, poller:asked(), self.opts, held, deadline)
  self.in_flight = self.in_flight + 1
end

--- Asks about what has its permit by now. After a stop all is given back instead.
function Worker:start()
  while self.queue[self.head] do
    local held, now = self.queue[self.head], self.now()
    if held.permit_at > now and not self.stopping then return end
    self.head = self.head + 1 -- first: what is raised in between loses none of those behind
    self.queue[self.head - 1] = nil
    if self.stopping then self:give_back(held, 0) else self:ask(held, now) end
  end
  self.head, self.tail = 1, 0
end

--- Takes an answer.
function Worker:take(request, held)
  self.in_flight = self.in_flight - 1
  local task, err, mark = request:result(held.poller.mark)
  self.taken[#self.taken + 1] = request
  if err and err.kind == "cancelled" then -- by client:cancel() in this process
    inboxes.tell(self.inbox, request, err)
    return self:give_back(held, 0)
  end
  self.fleet.counts.polls = self.fleet.counts.polls + 1
  local poller, now = held.poller, self.now()
  local action, value, changed = poller:answer(now, task, err, mark)
  inboxes.tell(self.inbox, request, err, action == "ask" and value or nil)
  if err and err.status == 429 then
    self.silence = math.max(self.silence or 0, self.pace.not_before - now)
  end
  if action == "ask" then
    self:note(held, "next", {
      delay = value, state = core.encode(states.export(poller, now)),
      text = changed and record.encode(task) or "",
    })
  elseif action == "done" then
    self:finish(held, value)
  else
    self:finish(held, nil, value)
  end
end

function Worker:take_all()
  local request, held = inboxes.take(self.inbox)
  while request do
    if held then self:take(request, held) end -- else give_up has given it back already
    request, held = inboxes.take(self.inbox)
  end
end

-- Turns

--- Redis has refused, or was not reached: the next turn comes later, and later each time.
function Worker:failed(err)
  self.failures = self.failures + 1
  self.turn_at = self.now() + math.min(LONGEST_PAUSE, core.backoff(self.failures))
  self.last = err
  self.fleet:complain(err)
  -- a report whose lease is over is of no use: its task comes due again by itself
  local kept, now = {}, self.now()
  for _, report in ipairs(self.reports) do
    if report.lease_until > now then kept[#kept + 1] = report end
  end
  self.reports = kept
  return false
end

function Worker:report_hold()
  if not self.silence then return true end
  local _, err = self.store:hold(self.silence)
  if err then return self:failed(err) end
  self.silence = nil
  return true
end

function Worker:report()
  while #self.reports > 0 do
    local sent = self.reports
    local part = { (table.unpack or unpack)(sent, 1, MOST) }
    local results, err = self.store:report(part)
    if not results then return self:failed(err) end
    local rest = {}
    for i = #part + 1, #self.reports do rest[#rest + 1] = self.reports[i] end
    self.reports = rest
    for _, result in ipairs(results) do
      if result == "stale" then self.fleet.counts.stale = self.fleet.counts.stale + 1 end
    end
  end
  return true
end

--- Whether there is room for more, or it is time for a sign of life.
function Worker:wants_claim(now)
  if self.stopping then return false end
  return now >= self.claim_at and self:held() < self.concurrency or now >= self.seen_at + SEEN
end

function Worker:claim()
  local held, sent = self:held(), self.now()
  local room = math.max(0, math.min(MOST, self.concurrency - held))
  if not self:wants_claim(sent) then return true end
  local rate = self.fleet.rate
  local wait, claims = self.store:claim {
    worker = self.name, held = held, most = room, lease = self.fleet.lease,
    interval = rate and rate.seconds / rate.requests or 0, horizon = HORIZON,
  }
  if not wait then return self:failed(claims) end
  for _, claim in ipairs(claims) do self:hold(claim, sent) end
  self.claim_at, self.seen_at = sent + math.min(IDLE, wait), sent
  return true
end

--- Reports, and claims. Returns whether Redis did as it should.
function Worker:turn()
  self.turn_at = self.now() + TICK
  local ok = self:report_hold() and self:report() and self:claim()
  if ok then self.failures = 0 end
  return ok
end

function Worker:wants_turn(now)
  return #self.reports > 0 or self.silence ~= nil or self:wants_claim(now)
end

--- When the worker has something to do next, if no answer comes before.
function Worker:next_at()
  local at = math.huge
  if #self.reports > 0 or self.silence then
    at = self.turn_at
  elseif not self.stopping and self:held() < self.concurrency then
    at = math.max(self.turn_at, self.claim_at)
  end
  local first = self.queue[self.head]
  if first then at = math.min(at, first.permit_at) end
  if self.stopping then at = math.min(at, self.stopping) end
  return at
end

-- Ending

--- Has the worker end: nothing is claimed any more; what is in flight has `drain` seconds.
function Worker:stop()
  if self.stopping then return end
  self.stopping = self.now() + self.drain
  self.inbox.driver.wake(self.inbox)
end

--- Gives back what is in flight when `drain` is over.
function Worker:give_up()
  for _, held in pairs(self.inbox.pending) do
    self:give_back(held, 0)
    self.in_flight = self.in_flight - 1
  end
  inboxes.cancel(self.inbox)
end

--- Gives back what it holds, where Redis can be reached: something was raised in the midst of the
-- work, Ctrl-C or an error of a callback.
function Worker:abandon()
  self.stopping = self.now()
  self:start()
  self:give_up()
  if self:report() then self.store:leave(self.name) end
end

--- Stops the worker where its client was closed or its calls cancelled (at once), or where nginx's
-- worker process is about to exit (with time for what is in flight).
local function stop_with_host(self)
  if inboxes.stopped(self.inbox) then
    self:stop()
    self.stopping = self.now()
  elseif nginx and nginx.worker and nginx.worker.exiting() then
    self:stop()
  end
end

--- Works until it is stopped.
---@return boolean? ok
---@return sora.error? err  what it holds could not be given back, and comes due when the leases end
function Worker:run()
  while true do
    stop_with_host(self)
    self:take_all()
    self:start()
    local now = self.now()
    if self.stopping and now >= self.stopping and self.in_flight > 0 then self:give_up() end
    if now >= self.turn_at and self:wants_turn(now) then
      if not self:turn() and self.stopping and now >= self.stopping then return nil, self.last end
      self:start()
    end
    if self.stopping and self:held() == 0 then break end
    inboxes.sleep(self.inbox, math.max(0, math.min(IDLE, self:next_at() - self.now())))
  end
  self.store:leave(self.name)
  return true
end

return M

--- The readers of a fleet's ends: each end is told at least once to each group.
--
-- An end is acknowledged after `on_result` has returned. What a reader was given and did not
-- acknowledge goes to another one of its group when the reader has said nothing for `idle` seconds,
-- and to a reader of that name when it begins again.

local core = require "sora.core"
local inboxes = require "sora.hosts.inbox"
local record = require "sora.fleet.record"

local M = {}

local LONGEST = 1        -- seconds between two looks: the message of an end may be lost
local SHORTEST = 0.1     -- seconds between two looks, however many ends there are
local MOST = 10          -- ends that are read at once
local LONGEST_PAUSE = 10 -- seconds, after an error of Redis

---@class sora.reader
local Reader = {}
Reader.__index = Reader

---@param fleet sora.fleet
---@param opts table  group, consumer, on_result, idle
---@return sora.reader
function M.new(fleet, opts)
  local inbox = inboxes.new(fleet.client)
  return setmetatable({
    fleet = fleet, store = fleet.store, inbox = inbox, now = inbox.driver.now,
    group = opts.group, on_result = opts.on_result, idle = opts.idle,
    name = opts.consumer or ("%08x"):format(math.floor(core.random() * (2 ^ 32 - 1))),
    failures = 0, search_at = 0,
  }, Reader)
end

function Reader:stop()
  self.stopping = true
  self.inbox.driver.wake(self.inbox)
end

function Reader:stopped() return self.stopping or inboxes.stopped(self.inbox) ~= nil end

--- Tells on_result of ends; each is acknowledged when that has returned.
---@param list { entry: string, id: string }[]
---@return boolean? ok
---@return sora.error? err
function Reader:deliver(list)
  if #list == 0 then return true end
  local outcomes, err = self.store:outcomes(list)
  if not outcomes then return nil, err end
  for i, item in ipairs(list) do
    if self:stopped() then return true end
    if outcomes[i] then -- else its `ttl` is over
      local outcome = record.outcome(outcomes[i], item.id)
      self.on_result(item.id, outcome.task, outcome.err, outcome.data)
    end
    local acknowledged
    acknowledged, err = self.store:acknowledge(self.group, item.entry)
    if not acknowledged then return nil, err end
    self.fleet.counts.delivered = self.fleet.counts.delivered + 1
  end
  return true
end

--- Reads from one place on until there is no more. What was not acknowledged comes again, so each
-- read begins behind the last entry.
function Reader:read_all(from)
  repeat
    local list, err = self.store:read(self.group, self.name, from, MOST)
    if not list then return nil, err end
    local ok
    ok, err = self:deliver(list)
    if not ok then return nil, err end
    if from ~= ">" and #list > 0 then from = list[#list].entry end
  until #list == 0 or self:stopped()
  return true
end

--- Takes over, and delivers, what others were given and have not acknowledged for `idle` seconds.
function Reader:take_over()
  local cursor = "0-0"
  repeat
    local list, place = self.store:take_over(self.group, self.name, self.idle, cursor, MOST)
    if not list then return nil, place end
    local ok, err = self:deliver(list)
    if not ok then return nil, err end
    cursor = place
  until cursor == "0-0" or self:stopped()
  self.search_at = self.now() + self.idle / 2
  return true
end

--- Joins the group, which is made where it is not there, and delivers what this reader owes.
function Reader:join()
  local ok, err = self.store:make_group(self.group)
  if not ok then return nil, err end
  self.joined = true
  return self:read_all "0"
end

function Reader:round()
  local ok, err = self.joined or self:join()
  if ok and self.now() >= self.search_at then ok, err = self:take_over() end
  if ok then ok, err = self:read_all ">" end
  return ok, err
end

--- Redis has refused, or was not reached: what was read and not acknowledged is read again.
function Reader:failed(err)
  self.failures, self.joined = self.failures + 1, false
  self.fleet:complain(err)
  inboxes.sleep(self.inbox, math.min(LONGEST_PAUSE, core.backoff(self.failures)))
end

--- Sleeps until a task has ended, LONGEST seconds at most and SHORTEST at least.
function Reader:rest()
  local started = self.now()
  inboxes.sleep(self.inbox, LONGEST)
  local left = SHORTEST - (self.now() - started)
  if left > 0 and not self:stopped() then inboxes.sleep(self.inbox, left) end
end

--- `on_result` has raised, or Ctrl-C: what it has not acknowledged goes to the next reader.
function Reader:abandon() inboxes.cancel(self.inbox) end

--- Reads and tells until it is stopped. Raises what `on_result` raises.
---@return boolean ok
function Reader:run()
  local inbox = self.inbox
  -- where this fails, ends are found by looking alone: up to LONGEST seconds later
  self.store:listen_to_ends(function() inbox.driver.wake(inbox) end, inbox)
  while not self:stopped() do
    local ok, err = self:round()
    if ok then
      self.failures = 0
      self:rest()
    else
      self:failed(err)
    end
  end
  inboxes.cancel(inbox)
  self.store:forget_readers(self.group, self.name)
  return true
end

return M

--- require "resty.sora": sora in OpenResty. Whatever waits yields the request's coroutine, as a
-- cosocket library does, and the worker goes on with other requests.
--
-- One of those who wait for an answer leads: it steps the clients of all and delivers, from its own
-- light thread. When it has what it waited for, the next one leads; while nobody waits, nobody has
-- to. So nothing hangs on a timer, which nginx may refuse, or accept and never run. nginx lets
-- nobody watch a descriptor that is not its own; the leader looks again every millisecond, and less
-- often the longer nothing has happened.
--
-- This is longer than the driver for cqueues because there a coroutine of its own can do the work,
-- which nothing ends; here whoever does it may be gone between one line and the next (its HTTP
-- request is aborted, its light thread killed), and no code of it runs any more. Others have to see
-- that: by its semaphore, which nginx takes it off. See sora/hosts/inbox.lua for what a driver has
-- to offer.

local core = require "sora.core"
local host = require "sora.hosts.module"
local inboxes = require "sora.hosts.inbox"
local semaphores = require "ngx.semaphore"

local ngx = ngx
local get_phase, now = ngx.get_phase, core.now
local max, min, next, pairs = math.max, math.min, next, pairs

--- All times in seconds.
local TICK = 0.001           -- the shortest wait that nginx knows
local SHARE = 1 / 16         -- of the quiet so far, for which the leader waits …
local LONGEST_PAUSE = 0.02   -- … at most
local CHECK = 0.02           -- until one who waits looks whether there still is a leader …
local CHECK_EACH = 0.005     -- … or this for each of them, where that is more
local ROUND = 0.1            -- between two searches for those who have gone
local TIMER_PERIOD = 60      -- until another timer is asked for when one did not run
local FOREVER = 86400 * 7
local BATCH = 32             -- answers delivered before other events of the worker have their turn
local MOST_KEPT = 1024       -- semaphores kept for the next to wait

--- Phases of nginx in which a light thread may yield.
local YIELDS = {}
for phase in ([[rewrite server_rewrite access content timer ssl_cert ssl_session_fetch
    ssl_client_hello preread]]):gmatch "%S+" do
  YIELDS[phase] = true
end

---@type sora.driver
local M = { now = now }

local busy = {}       -- list of the clients that have requests in flight
local waiting = {}    -- set of the inboxes whose owners wait for an answer
local count = 0       -- of them
local leader          -- one of them, or one that has gone
local news = 0        -- when something was started or ended last
local searched = 0    -- when those who have gone were searched for last

-- Waiting

local kept = {} -- semaphores that nobody waits on

--- Lets the owner of an inbox go on that waits; once, however often it is called until then.
local function post(inbox)
  if inbox.semaphore and not inbox.posted then
    inbox.posted = true
    inbox.semaphore:post()
  end
end

--- Waits until somebody posts.
local function wait(inbox, seconds)
  local semaphore = inbox.semaphore
  local posted = semaphore:wait(max(TICK, seconds))
  if inbox.posted and not posted then semaphore:wait(0) end -- both at once: it is not for the next
  inbox.posted = nil
end

--- Whether somebody waits, or will be let go on. A semaphore counts those who wait below zero.
local function is_there(inbox)
  return inbox.semaphore:count() < (inbox.posted and 1 or 0)
end

local function enter(inbox)
  inbox.semaphore = table.remove(kept) or semaphores.new()
  if next(inbox.pending) == nil then return end
  waiting[inbox] = true
  count = count + 1
end

local function leave(inbox)
  local semaphore = inbox.semaphore
  inbox.semaphore, inbox.woken = nil, nil
  if waiting[inbox] then
    waiting[inbox] = nil
    count = count - 1
  end
  if #kept < MOST_KEPT then kept[#kept + 1] = semaphore end
end

-- Leading

local function is_led() return leader ~= nil and is_there(leader) end

--- Cancels what those have in flight who have gone.
local function search()
  searched = now()
  for inbox in pairs(waiting) do
    if inbox ~= leader and not is_there(inbox) then
      waiting[inbox], inbox.semaphore = nil, nil
      count = count - 1
      inboxes.cancel(inbox)
    end
  end
end

local cycle = 0 -- of the worker, by its clock, which stands still in each
local batch = 0 -- what may be delivered in it yet

--- Delivers what has ended.
local function deliver(client, time)
  if not client:closed() then client:step() end
  while batch > 0 do
    local request, inbox = core.finished(client)
    if not request then return end
    batch, news = batch - 1, time
    if inbox then inboxes.put(inbox, request) end
  end
end

--- One look at all clients. Returns after which time there should be another.
local function turn()
  local time, more = now(), false
  if time - searched > ROUND then search() end
  if cycle ~= ngx.now() then cycle, batch = ngx.now(), BATCH end
  for i = #busy, 1, -1 do
    local client = busy[i]
    deliver(client, time)
    if client:timeout() == 0 then
      more = true
    elseif client:in_flight() == 0 then
      table.remove(busy, i)
    end
  end
  return more and TICK or max(TICK, min(LONGEST_PAUSE, (time - news) * SHARE))
end

local phase = 0

--- For how long one waits who does not lead. It differs from one to the next, so that of those who
-- are left when a leader goes, however many go with it, somebody looks soon.
local function patience()
  phase = (phase + 0.618) % 1
  return max(CHECK, count * CHECK_EACH) * (0.5 + phase)
end

local next_timer = 0 -- when a timer may be asked for

--- Has a timer look for those who have gone, where nobody is left who could. When nginx does not
-- run it, the next call does that.
local function look_later()
  if now() < next_timer then return end
  next_timer = now() + TIMER_PERIOD
  ngx.timer.at(ROUND, function()
    next_timer = 0
    if not is_led() then
      leader = nil
      search()
      turn()
    end
    if #busy > 0 then look_later() end
  end)
end

--- Leads, unless somebody does. Returns for how long to wait then.
local function lead(inbox)
  if leader ~= inbox then
    if is_led() then return patience() end
    leader = inbox
    look_later()
  end
  return turn()
end

--- Makes another one the leader, who looks at once.
local function resign()
  leader = nil
  for inbox in pairs(waiting) do
    if not inbox.woken and is_there(inbox) then
      leader = inbox
      return post(inbox)
    end
  end
end

-- The driver

function M.wake(inbox)
  inbox.woken = true
  post(inbox)
end

function M.park(inbox, seconds)
  local deadline = now() + (seconds or FOREVER)
  if not inbox.woken then
    enter(inbox)
    local left = seconds or FOREVER
    while left > 0 do
      local pause = waiting[inbox] and lead(inbox) or FOREVER
      if inbox.woken then break end
      wait(inbox, min(pause, left))
      if inbox.woken then break end
      left = deadline - now()
    end
    leave(inbox)
  end
  inbox.woken = nil
  if leader == inbox then resign() end
end

local function is_busy(client)
  for i = 1, #busy do
    if busy[i] == client then return true end
  end
  return false
end

--- What was started is sent by the leader, before other events of the worker; without one, by
-- whoever waits first.
function M.attach(client)
  if not is_busy(client) then busy[#busy + 1] = client end
  news = now()
  if is_led() then post(leader) end
end

-- The module

--- Refuses what has to wait where it cannot.
function M.begin(_, opts)
  local phase_now = get_phase()
  if not YIELDS[phase_now] then
    return nil, nil, core.error {
      kind = "cancelled",
      message = ("resty.sora has to wait, and nginx cannot in the phase '%s': "
        .. "start a timer (ngx.timer.at) and ask there"):format(phase_now),
    }
  end
  if count > 0 and not is_led() then search() end -- a file may be among what they hold
  return opts
end

return host.module(M)

--- require "resty.sora": sora in OpenResty. Whatever waits yields the request's coroutine, as a
-- cosocket library does, and the worker goes on with other requests.
--
-- One of those who wait for an answer leads: it steps the clients of all and delivers, from its own
-- light thread. When it has what it waited for, the next one leads; while nobody waits, nobody has
-- to. So nothing hangs on a timer, which nginx may refuse, or accept and never run. nginx lets
-- nobody watch a descriptor that is not its own: the leader looks again and again, most often when
-- something is about to end. docs/openresty.md says what other ways cost.
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
local PART = 7 / 8           -- of the usual quiet, until which the leader waits, and then …
local SHARE = 1 / 16         -- … for this much of the quiet so far …
local LONGEST_PAUSE = 0.02   -- … at most
local GROWTH = 1.25          -- of what is taken for usual, with each answer
local CHECK = 0.02           -- until one who waits looks whether there still is a leader …
local CHECK_EACH = 0.005     -- … or this for each of them, where that is more
local ROUND = 0.1            -- between two searches for those who have gone
local TIMER_PERIOD = 60      -- until another timer is asked for when one did not run
local FOREVER = 86400 * 7
local BATCH = 32             -- answers delivered before other events of the worker have their turn
local MOST_KEPT = 1024       -- semaphores kept for the next to wait
local GOLDEN_RATIO = 0.618

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
local leader          -- one of them, or one whose owner has gone
local looking = false -- the leader, or the timer, has its turn
local news = 0        -- when something was started or ended last
local searched = 0    -- when those who have gone were searched for last

-- Waiting

local kept = {} -- semaphores that nobody waits on

--- Lets the owner of an inbox go on who waits; once, however often it is called until then.
local function post(inbox)
  if not inbox.semaphore or inbox.posted or looking and inbox == leader then return end
  inbox.posted = true
  inbox.semaphore:post()
end

--- Waits until somebody posts, or the time is over. Raises where nginx cannot wait.
local function wait(inbox, seconds)
  local semaphore = inbox.semaphore
  local posted, err = semaphore:wait(max(TICK, seconds))
  if not posted and err ~= "timeout" then error("resty.sora cannot wait: " .. err, 0) end
  if inbox.posted and not posted then semaphore:wait(0) end -- both at once: it is not for the next
  inbox.posted = nil
end

--- Whether somebody waits, or is about to go on. A semaphore counts those who wait below zero.
local function is_there(inbox)
  return inbox.semaphore:count() < (inbox.posted and 1 or 0)
end

local function enter(inbox)
  inbox.semaphore = table.remove(kept) or semaphores.new()
  if next(inbox.pending) == nil or waiting[inbox] then return end -- it is there after an error
  waiting[inbox] = true
  count = count + 1
end

local function leave(inbox)
  if #kept < MOST_KEPT then kept[#kept + 1] = inbox.semaphore end
  inbox.semaphore = nil
  if waiting[inbox] then
    waiting[inbox] = nil
    count = count - 1
  end
end

-- Leading

local function is_led() return leader ~= nil and (looking or is_there(leader)) end

--- Cancels what those have in flight who have gone.
local function search()
  searched = now()
  if not is_led() then leader = nil end
  for inbox in pairs(waiting) do
    if inbox ~= leader and not is_there(inbox) then
      waiting[inbox], inbox.semaphore = nil, nil
      count = count - 1
      inboxes.cancel(inbox)
    end
  end
end

local cycle = 0 -- of the worker, by its clock, which stands still in each
local batch = 0 -- answers that may be delivered in it yet
local usual = 0 -- for how long nothing happens before something ends, at least, of late

--- Delivers what has ended.
local function deliver(client, time)
  if not client:closed() then client:step() end
  while batch > 0 do
    local request, inbox, goes_on = inboxes.finished(client)
    if not request then return end
    batch, news = batch - 1, time
    if inbox then inboxes.put(inbox, request, goes_on) end
  end
end

--- One turn: all clients are looked after. Returns after which time it should be repeated.
local function turn()
  local time, before, more = now(), news, false
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
  if news ~= before then usual = min(time - before, max(TICK, usual) * GROWTH) end
  local quiet = time - news
  return more and TICK or max(TICK, min(LONGEST_PAUSE, max(quiet * SHARE, usual * PART - quiet)))
end

--- Makes another one the leader, who has a turn at once.
local function resign()
  leader = nil
  for inbox in pairs(waiting) do
    if not inbox.woken and is_there(inbox) then
      leader = inbox
      return post(inbox)
    end
  end
end

--- A turn, by the leader or, when there is none, the timer. What is raised in it (memory is short,
-- somebody's hook raises) is raised there, and the next one tries: it is neither lost nor repeated.
local function look()
  looking = true
  local ok, pause = pcall(turn)
  looking = false
  if ok then return pause end
  resign()
  error(pause, 0)
end

local next_timer = 0 -- when one may be asked for

--- Has a timer look for those who have gone, where nobody is left who could. When nginx does not
-- run it, the next call does that.
local function look_later()
  if now() < next_timer then return end
  next_timer = now() + TIMER_PERIOD
  ngx.timer.at(ROUND, function()
    if not is_led() then
      search()
      look()
    end
    next_timer = 0
    if #busy > 0 then look_later() end
  end)
end

local fraction = 0

--- For how long one waits who does not lead. It differs from one to the next: of those who are left
-- when a leader has gone, however many went with it, somebody sees that soon.
local function patience()
  fraction = (fraction + GOLDEN_RATIO) % 1
  return max(CHECK, count * CHECK_EACH) * (0.5 + fraction)
end

--- Leads, unless somebody does. Returns for how long to wait then.
local function lead(inbox)
  if leader ~= inbox then
    if is_led() then return patience() end
    leader = inbox
  end
  return look()
end

-- The driver

function M.wake(inbox)
  inbox.woken = true
  post(inbox)
end

local function await(inbox, seconds)
  local deadline, left = now() + seconds, seconds
  enter(inbox)
  while not inbox.woken and left > 0 do
    local pause = waiting[inbox] and lead(inbox) or FOREVER
    if not inbox.woken then wait(inbox, min(pause, left)) end
    left = deadline - now()
  end
  leave(inbox)
  if leader == inbox then resign() end
end

function M.park(inbox, seconds)
  if not inbox.woken then await(inbox, seconds or FOREVER) end
  inbox.woken = nil
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
  look_later()
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

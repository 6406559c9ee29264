--- require "resty.sora": sora in OpenResty. Whatever waits yields the request's coroutine, as a
-- cosocket library does, and the worker goes on with other requests.
--
-- nginx cannot watch a descriptor that is not its own, so a pump, one for each worker, looks after
-- the clients that have requests in flight. It runs in a timer's light thread, from the first query
-- until there has been none for a moment. How often it looks is the rule of `pause`. Those who wait
-- are woken through semaphores.
--
-- See sora/inbox.lua for what a driver has to offer.

local core = require "sora.core"
local host = require "sora.host"
local inboxes = require "sora.inbox"
local semaphores = require "ngx.semaphore"

local ngx = ngx
local get_phase, timer_at, now = ngx.get_phase, ngx.timer.at, core.now
local next, pairs = next, pairs

--- All times in seconds.
local TICK = 0.001           -- the shortest sleep that nginx knows
local FAST = 0.002           -- where answers come within this, the pump spins for a tick
local SHARE = 1 / 16         -- of the quiet so far, for which the pump sleeps …
local LONGEST_PAUSE = 0.02   -- … at most
local LINGER = 0.5           -- that the pump stays when nothing is in flight
local ROUND = 0.1            -- between two searches for waiters that have gone
local FOREVER = 86400 * 7
local BATCH = 64             -- answers delivered before other events of the worker have their turn
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
local waiting = {}    -- inbox whose owner waits for a request -> its semaphore
local kept = {}       -- semaphores that nobody waits on

local pump = {
  alive = false,
  asleep = false,     -- it waits on `kick`
  kick = nil,         -- semaphore
  news = 0,           -- when something was started or ended last
  searched = 0,       -- when waiters that have gone were searched for last
  latency = 0,        -- how long waiters have waited lately
}

function M.wake(inbox)
  inbox.woken = true
  local semaphore = inbox.semaphore
  if semaphore then
    inbox.semaphore, waiting[inbox] = nil, nil
    semaphore:post()
  end
end

function M.park(inbox, seconds)
  if not inbox.woken then
    local count = #kept
    local semaphore = kept[count] or semaphores.new()
    kept[count] = nil
    inbox.semaphore = semaphore
    local since = next(inbox.pending) and now()
    if since then waiting[inbox] = semaphore end
    semaphore:wait(seconds or FOREVER)
    inbox.semaphore, waiting[inbox] = nil, nil
    if since then pump.latency = pump.latency + (now() - since - pump.latency) / 8 end
    if count <= MOST_KEPT and semaphore:count() == 0 then kept[#kept + 1] = semaphore end
  end
  inbox.woken = nil
end

--- Delivers what has ended, a batch of it. Returns whether there was anything.
local function deliver(client)
  if not client:closed() then client:step() end
  for count = 1, BATCH do
    local request, inbox = client:finished()
    if not request then return count > 1 end
    if inbox then inboxes.deliver(M, inbox, request) end
  end
  return true
end

--- Cancels the requests of waiters that have gone: their HTTP request was aborted, or their light
-- thread killed. Such a one is not resumed, so nothing runs in it; but nginx has taken it off the
-- semaphore, whose count is below zero while somebody waits.
local function cancel_for_the_gone()
  for inbox, semaphore in pairs(waiting) do
    if semaphore:count() >= 0 then
      waiting[inbox] = nil
      inboxes.cancel(inbox)
    end
  end
end

--- Seconds that the pump may sleep after a quiet of that many seconds. An answer that took long
-- may be noticed a little later; one that comes at once is waited for by giving the worker's other
-- events one turn after the other (0), but for a tick only, and only where answers come that fast.
local function pause(quiet)
  if quiet < TICK and (quiet == 0 or pump.latency < FAST) then return 0 end
  return math.max(TICK, math.min(LONGEST_PAUSE, quiet * SHARE))
end

local function turn()
  local news = false
  for i = #busy, 1, -1 do
    local client = busy[i]
    if deliver(client) then news = true end
    if client:in_flight() == 0 and client:timeout() ~= 0 then table.remove(busy, i) end
  end
  return news
end

local function kick() pump.kick:post() end

--- Gives the worker's other events one turn. ngx.sleep(0) would do, but warns each time that it
-- does, unless nginx was patched as OpenResty's is.
local function yield_once()
  timer_at(0, kick)
  pump.kick:wait(TICK)
end

local function run()
  while true do
    local news = turn()
    local time = now()
    if news then pump.news = time end
    local seconds
    if #busy == 0 then
      if ngx.worker.exiting() then return end
      seconds = LINGER
    else
      if time - pump.searched > ROUND then
        pump.searched = time
        cancel_for_the_gone()
      end
      seconds = pause(news and 0 or time - pump.news)
    end
    if seconds == 0 then
      yield_once()
    else
      pump.asleep = true
      local kicked = pump.kick:wait(seconds)
      pump.asleep = false
      if not kicked and #busy == 0 then return end
    end
  end
end

local start

local function run_safely()
  local ok, err = pcall(run)
  pump.alive, pump.asleep = false, false
  if ok then return end
  ngx.log(ngx.ERR, "sora: the pump failed and is started again: ", err)
  if #busy > 0 then start() end
end

function start()
  pump.kick = pump.kick or semaphores.new()
  pump.alive = true
  local ok, err = timer_at(0, run_safely)
  if not ok then
    pump.alive = false
    ngx.log(ngx.ERR, "sora: no timer for the pump: ", err)
  end
end

local function is_busy(client)
  for i = 1, #busy do
    if busy[i] == client then return true end
  end
  return false
end

function M.attach(client)
  if not is_busy(client) then busy[#busy + 1] = client end
  pump.news = now()
  if not pump.alive then
    start()
  elseif pump.asleep then
    pump.asleep = false
    pump.kick:post()
  end
end

--- Refuses what has to wait where it cannot.
function M.begin(_, opts)
  local phase = get_phase()
  if YIELDS[phase] then return opts end
  return nil, nil, core.error {
    kind = "cancelled",
    message = ("resty.sora has to wait, and nginx cannot in the phase '%s': "
      .. "start a timer (ngx.timer.at) and ask there"):format(phase),
  }
end

local sora = host.new(M)
local methods = {}
local default

local function default_client()
  default = default or sora.client()
  return default
end

host.add_query(sora, methods, default_client)
host.add_calls(sora, methods, default_client)
sora.client = core.class(methods)

return sora

--- require "resty.sora": sora in OpenResty. Whatever waits yields the request's coroutine, as a
-- cosocket library does, and the worker goes on with other requests.
--
-- A pump, one for each worker, looks after the clients that have requests in flight. It runs in a
-- timer's light thread, from the first query until there has been none for a moment. nginx cannot
-- watch a descriptor that is not its own, so a bell (csrc/lua/bell.h) tells the pump when a client
-- has something to do; without one it looks again and again. Those who wait are woken through
-- semaphores.
--
-- The pump, which nginx makes necessary, is what is longer here than in the driver for cqueues. See
-- sora/hosts/inbox.lua for what a driver has to offer.

local core = require "sora.core"
local host = require "sora.hosts.module"
local inboxes = require "sora.hosts.inbox"
local semaphores = require "ngx.semaphore"

local ngx = ngx
local get_phase, timer_at, now = ngx.get_phase, ngx.timer.at, core.now
local next, pairs = next, pairs

--- All times in seconds.
local LINGER = 0.5           -- that the pump stays when nothing is in flight
local ROUND = 0.1            -- between two searches for waiters that have gone
local TICK = 0.001           -- the shortest sleep that nginx knows
local SHARE = 1 / 16         -- of the quiet so far, for which a pump without a bell sleeps …
local LONGEST_PAUSE = 0.02   -- … at most
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
local waiting = {}    -- inbox whose owner waits for a request -> its semaphore
local kept = {}       -- semaphores that nobody waits on

local pump = {
  alive = false,
  asleep = false,     -- it waits for a kick
  semaphore = nil,    -- by which it is kicked
  bell = nil,         -- while it can be heard
  news = 0,           -- when something was started or ended last
  searched = 0,       -- when waiters that have gone were searched for last
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
    if next(inbox.pending) then waiting[inbox] = semaphore end
    semaphore:wait(seconds or FOREVER)
    inbox.semaphore, waiting[inbox] = nil, nil
    if count <= MOST_KEPT and semaphore:count() == 0 then kept[#kept + 1] = semaphore end
  end
  inbox.woken = nil
end

-- The pump

--- Delivers what has ended, a batch of it. Returns whether there was anything.
local function deliver(client)
  if not client:closed() then client:step() end
  for count = 1, BATCH do
    local request, inbox = core.finished(client)
    if not request then return count > 1 end
    if inbox then inboxes.put(inbox, request) end
  end
  return true
end

--- Returns whether anything was delivered, and whether there is more that can be done at once.
local function turn()
  local news, more = false, false
  for i = #busy, 1, -1 do
    local client = busy[i]
    if deliver(client) then news = true end
    if client:timeout() == 0 then
      more = true
    elseif client:in_flight() == 0 then
      table.remove(busy, i)
    end
  end
  return news, more
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

local function kick()
  if pump.asleep then
    pump.asleep = false
    pump.semaphore:post()
  end
end

--- Waits for a kick. Returns whether one came. One that comes as the time is over stays in the
-- semaphore, and must not be taken for the next.
local function rest(seconds)
  pump.asleep = true
  local semaphore = pump.semaphore
  local kicked = semaphore:wait(seconds) or not pump.asleep and semaphore:wait(0)
  pump.asleep = false
  return kicked
end

local function go_on() pump.semaphore:post() end

--- Gives the worker's other events one turn: what is started meanwhile kicks nobody, else the pump
-- would have several turns to their one. ngx.sleep(0) would do, but warns each time that it does,
-- unless nginx was patched as OpenResty's is.
local function yield_once()
  if timer_at(0, go_on) then
    pump.semaphore:wait(FOREVER)
  else
    rest(TICK)
  end
end

--- Waits until a client has something to do. Without a bell nobody knows, and the longer nothing
-- has happened, the longer the pump sleeps: an answer that took long may be noticed a little later.
local function await_news(quiet)
  local heard = pump.bell ~= nil
  for i = 1, #busy do
    local fd = heard and busy[i]:pollfd()
    heard = fd and pump.bell:watch(fd)
  end
  rest(heard and ROUND or math.max(TICK, math.min(LONGEST_PAUSE, quiet * SHARE)))
end

local function run()
  while true do
    local news, more = turn()
    local time = now()
    if news then pump.news = time end
    if time - pump.searched > ROUND then
      pump.searched = time
      cancel_for_the_gone()
    end
    if #busy == 0 then
      if ngx.worker.exiting() or not rest(LINGER) and #busy == 0 then return end
    elseif more or news and not pump.bell then
      yield_once()
    else
      local turn_of_worker = ngx.now() -- which nginx looks up once in each
      await_news(time - pump.news)
      if news and ngx.now() == turn_of_worker then yield_once() end
    end
  end
end

--- Has the bell kick the pump, from a light thread that reads its socket. Returns a function that
-- ends that.
local function hear()
  local bell, port, token = core.bell()
  if not bell then return function() end end
  local socket, reader = ngx.socket.udp(), nil
  socket:settimeout(FOREVER * 1000)
  if socket:setpeername("127.0.0.1", port) and socket:send(token) and bell:answer() then
    pump.bell = bell
    reader = ngx.thread.spawn(function()
      while socket:receive() do kick() end
      pump.bell = nil
    end)
  end
  return function()
    pump.bell = nil
    if reader then ngx.thread.kill(reader) end
    socket:close()
    bell:close()
  end
end

local start

local function run_safely()
  local stop_hearing = hear()
  local ok, err = pcall(run)
  stop_hearing()
  pump.alive, pump.asleep = false, false
  if not ok then ngx.log(ngx.ERR, "sora: the pump failed and is started again: ", err) end
  if #busy > 0 then start() end
end

function start()
  pump.semaphore = pump.semaphore or semaphores.new()
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
  if pump.alive then kick() else start() end
end

-- The module

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

return host.module(M)

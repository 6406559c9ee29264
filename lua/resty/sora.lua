--- require "resty.sora": sora in OpenResty. Whatever waits yields the request's coroutine, as a
-- cosocket library does, and the worker goes on with other requests.
--
-- nginx's own loop watches each client's descriptor (core.nginx_watch) and has the client looked
-- after, in no request: so it does not matter whose light thread has started what, or is gone. Who
-- waits does so on a semaphore, which delivery posts. Where nginx can't watch, whoever waits looks
-- now and then; docs/openresty.md says what that costs.
--
-- This is longer than the driver for cqueues because here who waits may be gone between one line
-- and the next (its HTTP request is aborted, its light thread killed), and no code of it runs any
-- more: it is known by its semaphore, which nginx takes it off. See sora/hosts/inbox.lua for what a
-- driver has to offer.

local core = require "sora.core"
local host = require "sora.hosts.module"
local inboxes = require "sora.hosts.inbox"
local semaphores = require "ngx.semaphore"

local ngx = ngx
local get_phase, now = ngx.get_phase, core.now
local max, min, next, pairs = math.max, math.min, next, pairs

--- All times in seconds.
local ROUND = 0.5          -- between two searches for those who have gone …
local SEARCH_EACH = 5e-5   -- … or, where a call begins, so much for each of those who wait
local BATCH = 32           -- answers delivered before other events of the worker have their turn
local MOST_KEPT = 1024     -- semaphores kept for the next to wait
local FOREVER = 86400 * 7
local TICK = 0.001         -- the shortest wait that nginx knows
local CHECK = 1            -- until one who waits looks, though nginx watches …
local CHECK_EACH = 0.005   -- … or this for each of them, where that is more
local SHARE = 1 / 16       -- of the time that it has waited, until it looks where nginx does not …
local LONGEST_PAUSE = 0.02 -- … at most, for each of them
local GOLDEN_RATIO = 0.618

--- Phases of nginx in which a light thread may yield.
local YIELDS = {}
for phase in ([[rewrite server_rewrite access content timer ssl_cert ssl_session_fetch
    ssl_client_hello preread]]):gmatch "%S+" do
  YIELDS[phase] = true
end

---@type sora.driver
local M = { now = now }

-- Waiting

local kept = {}    -- semaphores that nobody waits on
local waiting = {} -- inbox with something in flight, while its owner waits -> a growing number
local count = 0    -- of them
local serial = 0
local searched = 0 -- when those who have gone were searched for last

--- Lets the owner of an inbox go on who waits; once, however often it is called until then.
local function post(inbox)
  if not inbox.semaphore or inbox.posted then return end
  inbox.posted = true
  inbox.semaphore:post()
end

local function enter(inbox)
  inbox.semaphore = table.remove(kept) or semaphores.new()
  if next(inbox.pending) == nil and not inbox.parts then return end
  serial = serial + 1
  waiting[inbox] = serial
  count = count + 1
end

local function leave(inbox)
  if #kept < MOST_KEPT then kept[#kept + 1] = inbox.semaphore end
  inbox.semaphore, inbox.posted = nil, nil
  if waiting[inbox] then
    waiting[inbox] = nil
    count = count - 1
  end
end

--- Waits until somebody posts, or the time is over. Raises where nginx cannot wait.
local function wait(inbox, seconds)
  enter(inbox)
  local semaphore = inbox.semaphore
  local posted, err = semaphore:wait(max(TICK, seconds))
  if inbox.posted and not posted then semaphore:wait(0) end -- both at once: it is not for the next
  leave(inbox)
  if not posted and err ~= "timeout" then error("resty.sora cannot wait: " .. err, 0) end
end

--- Whether somebody waits, or is about to go on. A semaphore counts those who wait below zero.
local function is_there(inbox)
  return inbox.semaphore:count() < (inbox.posted and 1 or 0)
end

--- Cancels what those have in flight who have gone.
local function search()
  searched = now()
  for inbox in pairs(waiting) do
    if not is_there(inbox) then
      waiting[inbox], inbox.semaphore = nil, nil
      count = count - 1
      inboxes.cancel(inbox)
    end
  end
end

-- Looking after clients

local turn = 0  -- of the worker, by its clock, which stands still in each
local batch = 0 -- answers that may be delivered in it yet

--- Delivers what has ended. Those whose it is ask for more, perhaps, in the same turn.
local function deliver(client)
  while batch > 0 do
    local request, inbox, goes_on = core.finished(client)
    if not request then break end
    batch = batch - 1
    if inbox then inboxes.put(inbox, request, goes_on) end
  end
  core.remind(client, ROUND)
end

--- Serves what is ready. What is no client (sora.attached) has its own times.
local function pump(client)
  if now() - searched >= ROUND then search() end
  if client.finished then return inboxes.pump(client) end
  if turn ~= ngx.now() then turn, batch = ngx.now(), BATCH end
  client:step()
  deliver(client)
end

--- Sends what was started. Returns the descriptor.
local function send(client)
  if client.finished then
    inboxes.pump(client)
    return not client:closed() and client:pollfd() or nil
  end
  local ended, fd = core.send(client, ROUND)
  if ended then deliver(client) end -- a service that is near may have answered already
  return fd
end

--- Who waits for this client the longest; nil: nobody does.
local function longest(client)
  local first
  for inbox, number in pairs(waiting) do
    if inbox.client == client and is_there(inbox) and number < (waiting[first] or serial + 1) then
      first = inbox
    end
  end
  return first
end

--- Where it is kept how a client is watched: `watch`, and `watched`, the descriptor.
local function record_of(client) return client.finished and client or core.shared(client) end

function M.detach(client)
  local record = record_of(client)
  if record.watch then record.watch:close() end
  record.watch = nil
end

--- Called by nginx. Of what is raised here (memory is short, somebody's hook raises) no caller
-- would learn: one who waits looks itself then, and it is raised there.
local function look(client)
  local ok, err = pcall(pump, client)
  if ok then return end
  local inbox = longest(client)
  if inbox then return post(inbox) end
  M.detach(client) -- or nginx would call again at once
  ngx.log(ngx.ERR, err)
end

function M.attach(client)
  local record, fd = record_of(client), send(client)
  if fd ~= record.watched or fd and not record.watch then
    M.detach(client)
    record.watch = fd and core.nginx_watch(fd, function() look(client) end)
    record.watched = fd
  end
end

-- The driver

function M.wake(inbox)
  inbox.woken = true
  post(inbox)
end

local fraction = 0

--- For how long the owner of an inbox waits until it looks itself, after so many seconds. It
-- differs from one to the next, and is the longer the more of them there are.
local function patience(inbox, waited)
  if next(inbox.pending) == nil then return FOREVER end
  fraction = (fraction + GOLDEN_RATIO) % 1
  local pause = record_of(inbox.client).watch and max(CHECK, count * CHECK_EACH)
    or max(TICK, min(LONGEST_PAUSE, waited * SHARE) * (count + 1))
  return pause * (0.5 + fraction)
end

local function await(inbox, seconds)
  local begun, left = now(), seconds
  while not inbox.woken and left > 0 do
    wait(inbox, min(left, patience(inbox, seconds - left)))
    left = begun + seconds - now()
    if not inbox.woken and next(inbox.pending) ~= nil then pump(inbox.client) end
  end
end

function M.park(inbox, seconds)
  if not inbox.woken then await(inbox, seconds or FOREVER) end
  inbox.woken = nil
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
  if count > 0 and now() - searched > count * SEARCH_EACH then search() end -- they may hold a file
  return opts
end

return host.module(M)

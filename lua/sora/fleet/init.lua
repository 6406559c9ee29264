--- sora.fleet: many processes and machines share one watch for each task and one rate, through
-- Redis. docs/fleet.md says what is promised and how it is operated.
--
-- What is public is here: options, arguments, who does the work. What is in Redis is store.lua's.

local built, why = pcall(require, "sora.redis")
if not built then
  error("sora.fleet needs sora.redis, which is built where hiredis is: " .. tostring(why), 0)
end

local arguments = require "sora.hosts.arguments"
local connection = require "sora.fleet.connection"
local core = require "sora.core"
local ids = require "sora.creating.ids"
local inboxes = require "sora.hosts.inbox"
local options = require "sora.fleet.options"
local record = require "sora.fleet.record"
local results = require "sora.fleet.results"
local states = require "sora.waiting.state"
local stores = require "sora.fleet.store"
local waiting = require "sora.fleet.waiting"
local workers = require "sora.fleet.worker"

local M = {}

local FLEET = {
  redis = { "text", required = true }, name = { "name", required = true }, client = { "client" },
  rate = { "rate" }, ttl = { "count", default = 86400 }, lease = { "lease", default = 60 },
  interval = { "any" }, max_interval = { "any" }, max_errors = { "any" },
  connect_timeout = { "seconds" }, command_timeout = { "seconds" }, on_error = { "callback" },
}
local ADD = { timeout = { "seconds", default = 1800 }, data = { "json" } }
local WAIT = { timeout = { "seconds", default = 1800 } }
local WORK = {
  concurrency = { "count", default = 100 }, drain = { "seconds", default = 10 },
}
local RESULTS = {
  group = { "text", required = true }, on_result = { "callback", required = true },
  consumer = { "text" }, idle = { "seconds", default = 60 },
}

--- The options, by the names of their classes in api_fleet.lua.
M.options = {
  fleet_options = FLEET, fleet_add_options = ADD, fleet_wait_options = WAIT,
  fleet_work_options = WORK, fleet_results_options = RESULTS,
}

---@class sora.fleet
local Fleet = {}
Fleet.__index = Fleet
Fleet.__name = "sora.fleet"

--- Counts, and tells, what Redis has refused while the fleet goes on.
function Fleet:complain(err)
  self.counts.errors = self.counts.errors + 1
  if self.on_error then self.on_error(err) end
end

-- The work of the methods, their arguments checked

local function add(fleet, id, opts)
  local name, other = ids.names(fleet.client, id)
  local state = states.new((other or name ~= id) and name or nil, other)
  local data = opts.data == nil and "" or core.encode(opts.data)
  local said, outcome = fleet.store:add(id, opts.timeout, core.encode(state), data)
  if not said then return nil, outcome end
  if said ~= "ended" then return said end
  local ended = record.outcome(outcome, id)
  return said, ended.task, ended.err
end

--- Runs a worker or a reader until the fleet is stopped.
local function run(fleet, activity)
  fleet.running[activity] = true
  local function release()
    fleet.running[activity] = nil
    activity:abandon()
  end
  local ok, err = inboxes.guard_by(release, activity.inbox, activity.run, activity)
  fleet.running[activity] = nil
  return ok, err
end

local function work(fleet, _, opts) return run(fleet, workers.new(fleet, opts)) end

local function read(fleet, _, opts) return run(fleet, results.new(fleet, opts)) end

local function remove(fleet, id) return fleet.store:remove(id) end

local function stats(fleet)
  local found, err = fleet.store:stats()
  if not found then return nil, err end
  local here = { errors = fleet.counts.errors, polls = fleet.counts.polls,
    unused = fleet.counts.unused, stale = fleet.counts.stale, delivered = fleet.counts.delivered }
  return {
    watched = found.watched, due = found.due, in_flight = found.in_flight,
    held_back = found.held_back, workers = found.workers, dead_workers = found.dead,
    kept = found.kept, added = found.added or 0, polls = found.next or 0,
    given_back = found.back or 0, stale = found.stale or 0, holds = found.held or 0,
    succeeded = found.succeeded or 0, failed = found.failed or 0, gave_up = found.gave_up or 0,
    rate = fleet.rate, here = here,
  }
end

--- A method's work, before which Redis is found to be there, and the keys to be a fleet's.
local function opened(do_it)
  return function(fleet, ...)
    local ok, err = fleet.store:open()
    if not ok then return nil, err end
    return do_it(fleet, ...)
  end
end

-- Methods

--- How a callback is told what a method returned: the error comes first.
local function tell(callback, value, ...)
  if value == nil then return callback((...)) end
  callback(nil, value, ...)
end

local function check_fleet(fleet, call, level)
  if getmetatable(fleet) ~= Fleet then
    error(("bad self of '%s' (sora.fleet expected): call it with a colon"):format(call), level + 1)
  end
  if fleet.client:closed() then error("the client of the fleet is closed", level + 1) end
end

--- Stands where in_module's function does in hosts/call.lua: arguments.lua counts on one between
-- the check and `prepare`.
local function as_id(call, value)
  local id = arguments.id(call, value)
  return id
end

--- The arguments of a method, checked; it is called by a public function. A task becomes its id.
---@param call { name: string, id: boolean?, options: table }
local function prepare(call, fleet, argument, opts, callback)
  check_fleet(fleet, call.name, 3)
  local driver = core.driver(fleet.client)
  if driver and driver.begin then
    local refusal
    opts, callback, refusal = driver.begin(call.name, opts, callback)
    if refusal then return refusal end
  else
    callback = nil
  end
  local id = call.id and as_id(call.name, argument) or nil
  return nil, callback, id, options.read(opts, call.options, 3)
end

local function perform(fleet, do_it, refusal, callback, argument, opts)
  if refusal then return nil, refusal end
  if not callback then return do_it(fleet, argument, opts) end
  return core.driver(fleet.client).start(tell, callback, do_it, fleet, argument, opts)
end

local CALLS = {
  { name = "add", id = true, options = ADD, work = opened(add) },
  { name = "wait", id = true, options = WAIT, work = opened(waiting.wait) },
  { name = "watch", id = true, options = WAIT, work = waiting.watch },
  { name = "remove", id = true, options = {}, work = opened(remove) },
  { name = "work", options = WORK, work = opened(work) },
  { name = "results", options = RESULTS, work = opened(read) },
  { name = "stats", options = {}, work = opened(stats) },
}

for _, call in ipairs(CALLS) do
  if call.id then
    Fleet[call.name] = function(fleet, id, opts, callback)
      return perform(fleet, call.work, prepare(call, fleet, id, opts, callback))
    end
  else
    Fleet[call.name] = function(fleet, opts, callback)
      return perform(fleet, call.work, prepare(call, fleet, nil, opts, callback))
    end
  end
end

function Fleet:stop()
  check_fleet(self, "stop", 2)
  for activity in pairs(self.running) do activity:stop() end
end

function Fleet:close()
  for activity in pairs(self.running) do activity:stop() end
  self.store.conn:close()
end

Fleet.__close = Fleet.close

function Fleet:__tostring()
  return ("sora.fleet (%s, %s)"):format(self.name, tostring(self.store.conn))
end

-- Making one

M.class = Fleet

---@param default fun(): sora.client  the client where the options name none
---@param given table?
---@param level integer  the caller's, from here
---@return sora.fleet
function M.new(default, given, level)
  local opts = options.read(given, FLEET, level)
  local client = opts.client or default()
  core.check(client, nil, level, "fleet")
  local policy = core.options("wait", {
    interval = opts.interval, max_interval = opts.max_interval, max_errors = opts.max_errors,
  }, level)
  local conn = connection.new({
    redis = opts.redis, client = client, connect_timeout = opts.connect_timeout,
    command_timeout = opts.command_timeout,
  }, level)
  stores.load()
  return setmetatable({
    client = client, name = opts.name, rate = opts.rate, lease = opts.lease, policy = policy,
    on_error = opts.on_error, store = stores.new(conn, opts.name, opts.ttl), running = {},
    counts = { errors = 0, polls = 0, unused = 0, stale = 0, delivered = 0 },
    make_error = function(spec) return core.error(spec, not client:closed() and client or nil) end,
  }, Fleet)
end

return M

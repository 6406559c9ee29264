--- A fleet for specs: a real Redis, the stand-in service, processes that work and read, and what
-- can be counted when all has ended.
--
--   local world = fleets.start { lease = 3 }     -- redis: directives; rate; lease; …
--   local worker = world:process "work"          -- worker.pid, worker:kill "KILL"
--   world:add(ids)  world:settle()  world:ends()  world:overlaps()  world:stop()

local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local program = require "spec.support.program"
local redis = require "spec.support.redis"
local shell = require "spec.support.shell"
local sora = require "sora"
local standin = require "spec.support.standin"
local system = require "system"

local M = {}

--- Why there can be none here, or nil.
M.lacking = redis.lacking

local World = {}
World.__index = World

local function literal(value)
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or tostring(value)
  end
  local fields = {}
  for name, field in pairs(value) do fields[#fields + 1] = name .. "=" .. literal(field) end
  return "{" .. table.concat(fields, ",") .. "}"
end

--- opts: redis (directives), name, lease, rate, concurrency, interval, service (one's own), journal
--- (false: queries are not noted, and there is no `overlaps`)
function M.start(opts)
  opts = opts or {}
  local self = setmetatable({
    server = redis.start(opts.redis), service = opts.service or standin.start(),
    folder = files.folder(), processes = {}, started = 0, killed = {}, opts = opts,
  }, World)
  self.client_options = {
    base_url = self.service.base_url, ca_file = self.service.ca_file, api_key = "sk-fleet-secret",
    request_timeout = 20,
  }
  self.fleet_options = {
    redis = opts.url or self.server.url, name = opts.name or "spec", lease = opts.lease or 3,
    interval = opts.interval or 0.2, max_interval = opts.max_interval or 0.5, rate = opts.rate,
    max_errors = 1000, ttl = 3600, -- a busy machine is no reason to give up
  }
  files.write(self.folder .. "/fleet.lua", "return " .. literal {
    client = self.client_options, fleet = self.fleet_options,
    concurrency = opts.concurrency or 50,
  })
  self.prefix = "sora:{" .. self.fleet_options.name .. "}:"
  return self
end

--- A fleet in this process.
---@param module table?  whose clients wait: sora
---@param more table?  options of the fleet
function World:fleet(module, more)
  local opts = { client = (module or sora).client(self.client_options) }
  for name, value in pairs(self.fleet_options) do opts[name] = value end
  for name, value in pairs(more or {}) do opts[name] = value end
  return sora.fleet(opts)
end

--- Starts a process: "work", or "read" and a group.
---@param role string
---@param group string?
---@param env table?  variables of its environment
---@param url string?  of Redis, where it is not reached directly
function World:process(role, group, env, url)
  self.started = self.started + 1
  local worker = ("%d"):format(self.started)
  local variables = { LUA_INIT = "", REDIS = url }
  if self.opts.journal ~= false then variables.WORKER = worker end
  for name, value in pairs(env or {}) do variables[name] = value end
  local process = program.start(("%s spec/support/fleet_process.lua %s %s %s"):format(
    shell.quote(shell.LUA), shell.quote(self.folder), role, group or ""), { env = variables })
  self.processes[process] = worker
  return process
end

--- Kills a process, and returns what it had printed.
function World:kill(process)
  local worker = self.processes[process]
  self.processes[process] = nil
  process:kill "KILL"
  local result = process:wait()
  self.killed[worker] = system.monotime()
  return result
end

--- Adds tasks, with their place as data, until Redis has taken each.
function World:add(ids, timeout)
  self.adder = self.adder or self:fleet()
  for i, id in ipairs(ids) do
    local said, err
    repeat
      said, err = self.adder:add(id, { timeout = timeout or 600, data = { order = i } })
      if not said then system.sleep(0.05) end
    until said or not err.retryable
    assert(said, tostring(err))
  end
end

--- Waits until nothing is watched any more.
---@param seconds number?
---@return boolean
function World:settle(seconds)
  return eventually(function()
    return self.server:call("ZCARD", self.prefix .. "due") == 0
  end, seconds or 60, 0.05)
end

--- How often each task has ended in Redis.
---@return table<string, integer>
function World:ends()
  local counts = {}
  for _, entry in ipairs(assert(self.server:call("XRANGE", self.prefix .. "ends", "-", "+"))) do
    local id = entry[2][2]
    counts[id] = (counts[id] or 0) + 1
  end
  return counts
end

--- How a task has ended: the first word of what is kept, and all of it.
function World:word(id)
  local text = self.server:call("GET", self.prefix .. "end:" .. id)
  return text and text:match "^%S+", text
end

--- What a group was told: how often each id, and the last words of it.
---@return table<string, integer> counts
---@return table<string, string> words
function World:delivered(group)
  local counts, words = {}, {}
  for line in (files.read(self.folder .. "/" .. group) or ""):gmatch "[^\n]+" do
    local id, rest = line:match "^(%S+) (.*)$"
    counts[id], words[id] = (counts[id] or 0) + 1, rest
  end
  return counts, words
end

--- Waits until a group was told of each of the ids.
function World:await_delivery(group, ids, seconds)
  return eventually(function()
    local counts = self:delivered(group)
    for _, id in ipairs(ids) do if not counts[id] then return false end end
    return true
  end, seconds or 30, 0.05)
end

--- The queries of all tasks, as the service saw them: time, seconds, id.
function World:log()
  local entries = {}
  for _, entry in ipairs(self.service:log()) do
    if entry.path:find "/query" then entries[#entries + 1] = entry end
  end
  return entries
end

--- When the queries ended for the workers that had asked: an answer came, or they gave it up.
---@return table<string, number> ended
local function ended_queries(world)
  local ended = {}
  for name = 1, world.started do
    local journal = files.read(("%s/queries.%d"):format(world.folder, name)) or ""
    for query, at in journal:gmatch "(%S+) (%S+)\n" do ended[query] = tonumber(at) end
  end
  return ended
end

--- Queries of a task that began while another one of the same task was going on. Each goes on from
-- when the service has seen it until that has answered it, or until whoever asked has given it up
-- or was killed: a service that gets no CPU sees queries late, and ends them later still.
---@return integer count
---@return string[] which
function World:overlaps(log)
  local ended, started = ended_queries(self), self.service:stats().started
  local longest, which = {}, {} -- by ids: the query that goes on for the longest time
  for _, entry in ipairs(log or self:log()) do
    local query = { name = entry.headers["x-query"], from = started + entry.time }
    query.to = math.min(query.from + (entry.seconds or math.huge), ended[query.name] or math.huge,
      self.killed[query.name:match "^%d+"] or math.huge)
    local first = longest[entry.id]
    if first and query.from < math.min(first.to, query.to) then
      which[#which + 1] = ("%s: query %s %.3f…%.3f, query %s %.3f…%.3f"):format(entry.id,
        first.name, first.from, first.to, query.name, query.from, query.to)
    end
    if not first or query.to > first.to then longest[entry.id] = query end
  end
  return #which, which
end

--- The most queries in any span of so many seconds.
function World:peak(seconds, log)
  log = log or self:log()
  local first, most = 1, 0
  for i, entry in ipairs(log) do
    while entry.time - log[first].time >= seconds do first = first + 1 end
    most = math.max(most, i - first + 1)
  end
  return most
end

--- Ends all that it has started.
function World:stop()
  for process in pairs(self.processes) do self:kill(process) end
  if self.adder then self.adder:close() end
  self.server:stop()
  local complaints = self.opts.service and "" or self.service:stop()
  files.remove(self.folder)
  return complaints
end

return M

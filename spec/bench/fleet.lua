-- What a fleet takes: `make bench-fleet`. Tasks are added, claimed and ended by four workers, with
-- a service (nginx) that answers at once; then a million sleep, and it is done again.
--
--   lua spec/bench/fleet.lua [TASKS] [SLEEPING]
--
-- Prints polls a second, what Redis is sent and does for one poll, CPU, and bytes for one task; and
-- what a claim takes in Redis, with few ids and with many. Nobody waits for a network here: that
-- is all on one machine.

package.path = "./?.lua;" .. package.path

local cqueues = require "cqueues"
local files = require "spec.support.files"
local fleets = require "spec.support.fleet"
local median = require("spec.bench.measure").median
local nginx = require "spec.support.nginx"
local output_of = require("spec.support.shell").output_of
local redis_servers = require "spec.support.redis"
local sora = require "sora.cqueues"
local system = require "system"

local TASKS, SLEEPING = tonumber(arg[1]) or 100000, tonumber(arg[2]) or 1000000
local WORKERS, CONCURRENCY, ADDERS = 4, 200, 50
local ANSWER = [[{"id":"video_1","object":"video","model":"sora-2","status":"completed",]]
  .. [["progress":100,"created_at":1761234567,"completed_at":1761234667,"seconds":"10",]]
  .. [["size":"720x1280","video_url":"https://videos.example.com/az/files/00000000-eff8/raw?sig=]]
  .. ("x"):rep(64) .. [["}]]

local server = nginx.start {
  workers = 1,
  server = "location = /v1/video/query { default_type application/json; return 200 '" .. ANSWER
    .. "'; }",
}
local world = fleets.start {
  service = { base_url = server.url, stop = function() end }, concurrency = CONCURRENCY, lease = 60,
  journal = false,
}
local redis = world.server

local function say(name, format, ...) print(("%-46s " .. format):format(name, ...)) end

local function info(section, server_asked)
  local values = {}
  for name, value in (server_asked or redis):call("INFO", section):gmatch "([%w_|]+):([^\r\n]*)" do
    values[name] = value
  end
  return values
end

--- Commands that were sent by somebody, those that scripts called, and CPU of Redis.
local function redis_counts()
  local sent, called = 0, 0
  for name, value in pairs(info "commandstats") do
    local calls = tonumber(value:match "calls=(%d+)")
    if name:find "eval" then
      sent = sent + calls
    else
      called = called + calls
    end
  end
  local cpu = info "cpu"
  return { sent = sent, called = called, cpu = cpu.used_cpu_user + cpu.used_cpu_sys }
end

local function memory() return tonumber(info("memory").used_memory) end

--- Seconds of CPU that a process has used.
local function cpu_of(pid)
  local text = files.read("/proc/" .. pid .. "/stat") or ""
  local user, kernel = text:match "%) %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ (%d+) (%d+)"
  return (user + kernel) / tonumber(output_of "getconf CLK_TCK")
end

local function add_all(prefix)
  local fleet = world:fleet(sora)
  local next_task, started = 0, system.monotime()
  local controller = cqueues.new()
  for _ = 1, ADDERS do
    controller:wrap(function()
      while next_task < TASKS do
        next_task = next_task + 1
        assert(fleet:add(("sora-2:task_%s%026d"):format(prefix, next_task), { timeout = 86400 }))
      end
    end)
  end
  assert(controller:loop())
  fleet:close()
  return system.monotime() - started
end

local function round(name, prefix)
  print(name)
  local before = memory()
  local took = add_all(prefix)
  say("  added, by one process", "%8.0f /s", TASKS / took)
  say("  Redis holds for a task that waits", "%8.0f bytes", (memory() - before) / TASKS)
  local from, started, workers = redis_counts(), system.monotime(), {}
  for i = 1, WORKERS do workers[i] = world:process "work" end
  local left = tonumber(redis:call("ZCARD", world.prefix .. "due")) - TASKS
  while redis:call("ZCOUNT", world.prefix .. "due", "-inf", "9e9") > left do system.sleep(0.05) end
  local seconds, to, cpu = system.monotime() - started, redis_counts(), 0
  for i = 1, WORKERS do
    cpu = cpu + cpu_of(workers[i].pid)
    world:kill(workers[i])
  end
  say("  asked and ended, by four workers", "%8.0f polls/s", TASKS / seconds)
  say("  CPU of a worker for a poll", "%8.1f µs", cpu / TASKS * 1e6)
  say("  CPU of Redis for a poll", "%8.1f µs", (to.cpu - from.cpu) / TASKS * 1e6)
  say("  scripts that Redis is sent for a poll", "%8.3f", (to.sent - from.sent) / TASKS)
  say("  commands of these scripts for a poll", "%8.1f", (to.called - from.called) / TASKS)
  local ended = 0
  for _ in pairs(world:ends()) do ended = ended + 1 end
  say("  ended", "%8d", ended)
  say("  Redis holds for one that has ended", "%8.0f bytes", (memory() - before) / TASKS)
  redis:call("EVAL", "for _, key in ipairs(redis.call('KEYS', KEYS[1] .. 'end:*')) do "
    .. "redis.call('DEL', key) end redis.call('DEL', KEYS[1] .. 'ends')", 1, world.prefix)
  return ended == TASKS
end

--- Microseconds in Redis for a claim of ten tasks, which are given back: of each server, in turns.
---@param servers table[]
---@return number[] medians
local function claim_costs(servers)
  local claim = assert(files.read "lua/sora/fleet/scripts/claim.lua")
  local report = assert(files.read "lua/sora/fleet/scripts/report.lua")
  local costs = {}
  for i = 1, #servers do costs[i] = {} end
  for round_number = 1, 2000 do
    for i, one in ipairs(servers) do
      one:call("CONFIG", "RESETSTAT")
      local claims = one:call("EVAL", claim, 1, world.prefix, "", "bench", 0, 10, 60, 0, 0)[2]
      assert(#claims == 10)
      costs[i][round_number] =
        tonumber(info("commandstats", one).cmdstat_eval:match "usec=(%d+)")
      local words = { "", 3600 }
      for _, held in ipairs(claims) do
        for _, word in ipairs { held[1], held[2], "back", 0, "", "" } do
          words[#words + 1] = word
        end
      end
      one:call("EVAL", report, 1, world.prefix, (table.unpack or unpack)(words))
    end
  end
  for i = 1, #servers do costs[i] = median(costs[i]) end
  return costs
end

--- Puts tasks there that are due after so many seconds, a thousand with each script: a loop around
-- add.lua, whose looks at the clock and whose answer are cut out.
local function put(prefix, count, delay, server_asked)
  local add = assert(files.read "lua/sora/fleet/scripts/add.lua"):gsub("local time = [^\n]*", "")
    :gsub("local now = [^\n]*", ""):gsub("return { \"ended\", outcome }", "return")
  local loop = "local now, base = redis.call('TIME')[1] + ARGV[2], ARGV[1]\n"
    .. "for i = base + 1, base + 1000 do\n"
    .. "local ARGV = { '', 'sora-2:task_" .. prefix .. "' .. ('%026d'):format(i), 86400, 3600, "
    .. "'{}', '' }\n(function() " .. add .. " end)()\nend"
  for i = 0, count - 1, 1000 do
    local _, err = (server_asked or redis):call("EVAL", loop, 1, world.prefix, i, delay)
    assert(err == nil, err)
  end
end

local ok = round(("%d tasks"):format(TASKS), "a")
redis:call "FLUSHALL"
local before = memory()
put("s", SLEEPING, 86400)
say(("%d sleeping, bytes for each"):format(SLEEPING), "%8.0f", (memory() - before) / SLEEPING)
ok = round(("%d tasks beside %d that sleep"):format(TASKS, SLEEPING), "c") and ok

local small = redis_servers.start()
put("d", TASKS, 0, small)
put("d", TASKS, 0)
local costs = claim_costs { small, redis }
say("a claim of ten, in Redis", "%8.1f µs beside %d ids", costs[1], TASKS)
say("", "%8.1f µs beside %d ids, ratio %.2f", costs[2], TASKS + SLEEPING, costs[2] / costs[1])
small:stop()
world:stop()
server:stop()
os.exit(ok and 0 or 1)

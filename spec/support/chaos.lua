-- A fleet under random kills: every task ends exactly once in Redis, is told at least once to each
-- group, is never asked about by two workers at once, and the rate holds.
--
--   lua spec/support/chaos.lua SECONDS [TASKS] [SEED] [KILLS]
--
-- Three workers, two readers of one group and one of another, a Redis that writes every command
-- through (appendfsync always). While tasks are added, workers and readers are killed and replaced,
-- stopped for longer than a lease, cut off; Redis is killed and restarted, paused, robbed of its
-- scripts and its memory. With KILLS nothing happens but that many kill -9 of workers. Afterwards
-- what Redis holds, what the readers wrote and what the service has seen are compared. Prints what
-- was done and the verdict; ends with status 1 unless all held.

package.path = "./?.lua;" .. package.path

local fleets = require "spec.support.fleet"
local standin = require "spec.support.standin"
local system = require "system"

local SECONDS, TASKS = tonumber(arg[1]) or 120, tonumber(arg[2]) or 1000
local SEED, KILLS = tonumber(arg[3]) or 0, tonumber(arg[4])
if SEED == 0 then SEED = os.time() end
local LEASE, RATE, WORKERS = 3, 100, 3

math.randomseed(SEED)

local world = fleets.start {
  lease = LEASE, rate = { requests = RATE, seconds = 1 }, interval = 0.5, max_interval = 1,
  redis = { appendonly = "yes", appendfsync = "always" },
  service = standin.start { lifetime = SECONDS + 1800 },
}
local service = world.service
local done = {} -- how often each thing was done

local function did(what) done[what] = (done[what] or 0) + 1 end

-- The tasks: how each has to end, and the steps that answer it.

local LIVES = {
  { "succeeded", "queued", "pending;progress=0.3", "pending;progress=0.6", "completed" },
  { "succeeded", "queued*3", "500*2", "pending;progress=0.5*4", "completed" },
  { "succeeded", "pending;progress=0.1", "503", "pending;progress=0.8", "completed" },
  { "succeeded", "queued;delay=0.8", "pending;delay=0.5", "completed;delay=0.3" },
  { "failed", "queued*2", "pending;progress=0.9*3", "failed" },
}

local ids, expected, added = {}, {}, 0
for i = 1, TASKS do
  local life = LIVES[i % #LIVES + 1]
  ids[i] = service:id((table.unpack or unpack)(life, 2))
  expected[ids[i]] = life[1]
end

--- Adds what should have been added by now.
local function add(progress)
  local until_now = math.min(TASKS, math.ceil(TASKS * progress))
  for i = added + 1, until_now do world:add { ids[i] } end
  added = math.max(added, until_now)
end

-- What happens

local workers, readers = {}, {}
local stopped = {} -- process -> when it goes on

local function replace(list, i, ...)
  if list[i] then
    stopped[list[i]] = nil
    world:kill(list[i])
  end
  list[i] = world:process(...)
end

local function kill_worker()
  replace(workers, math.random(#workers), "work")
  did "kill -9 of a worker"
end

local function stop_worker()
  local worker = workers[math.random(#workers)]
  if stopped[worker] then return end
  worker:kill "STOP"
  stopped[worker] = system.monotime() + LEASE + 1 + math.random()
  did "SIGSTOP for longer than a lease"
end

local function go_on(all)
  for worker, at in pairs(stopped) do
    if all or system.monotime() >= at then
      stopped[worker] = nil
      worker:kill "CONT"
    end
  end
end

local function kill_reader()
  local i = math.random(2)
  replace(readers, i, "read", "db")
  did "kill -9 of a reader"
end

local function restart_redis()
  world.server:kill()
  system.sleep(math.random() * 2)
  world.server:restart()
  did "kill -9 of Redis and restart"
end

local function call(what, ...)
  world.server:call(...)
  did(what)
end

local EVENTS = {
  { 50, kill_worker }, { 10, stop_worker }, { 12, kill_reader }, { 5, restart_redis },
  { 8, function() call("SCRIPT FLUSH", "SCRIPT", "FLUSH") end },
  { 5, function() call("CLIENT PAUSE", "CLIENT", "PAUSE", math.random(2000), "ALL") end },
  { 5, function() call("connections cut", "CLIENT", "KILL", "TYPE", "normal") end },
  { 5, function()
    call("full Redis", "CONFIG", "SET", "maxmemory", 1)
    system.sleep(math.random())
    world.server:call("CONFIG", "SET", "maxmemory", 0)
  end },
}

local function happen()
  local place, sum = math.random() * 100, 0
  for _, event in ipairs(EVENTS) do
    sum = sum + event[1]
    if place < sum then return event[2]() end
  end
end

local function run()
  for i = 1, WORKERS do replace(workers, i, "work") end
  for i = 1, 2 do replace(readers, i, "read", "db") end
  readers[3] = world:process("read", "mail")
  local started = system.monotime()
  local function over()
    if KILLS then return (done["kill -9 of a worker"] or 0) >= KILLS end
    return system.monotime() - started >= SECONDS
  end
  local function progress()
    local part = KILLS and (done["kill -9 of a worker"] or 0) / KILLS
      or (system.monotime() - started) / SECONDS
    return part * 1.1 + 0.02
  end
  while not over() do
    add(progress())
    go_on()
    if KILLS then kill_worker() else happen() end
    system.sleep(math.random() * math.min(1, SECONDS / 60))
  end
  go_on(true)
  add(1)
end

-- The verdict

local wrong = 0

local function check(holds, message, ...)
  if holds then return end
  wrong = wrong + 1
  if wrong <= 20 then print("WRONG " .. message:format(...)) end
end

local function judge()
  check(world:settle(120), "tasks are left: %s",
    tostring(world.server:call("ZCARD", world.prefix .. "due")))
  check(world:await_delivery("db", ids, 60), "not all ends were told to db")
  check(world:await_delivery("mail", ids, 60), "not all ends were told to mail")
  local log = world:log()
  local ends, db, mail = world:ends(), world:delivered "db", world:delivered "mail"
  local ended, again = 0, 0
  for _, id in ipairs(ids) do
    check(ends[id] == 1, "%s ended %s times", id, tostring(ends[id]))
    if ends[id] then ended = ended + 1 end
    local word, text = world:word(id)
    check(word == expected[id], "%s ended as %s", id, tostring(text):sub(1, 300))
    check((db[id] or 0) >= 1, "%s was not told to db", id)
    check((mail[id] or 0) >= 1, "%s was not told to mail", id)
    again = again + (db[id] or 1) + (mail[id] or 1) - 2
  end
  local overlaps, which = world:overlaps(log)
  local second, ten = world:peak(1, log), world:peak(10, log)
  for _, line in ipairs(which) do print("overlap " .. line) end
  check(overlaps == 0, "%d queries of a task began while another one went on", overlaps)
  check(second <= 2 * RATE, "%d queries in a second", second)
  check(ten <= 11 * RATE, "%d queries in ten seconds", ten)
  print(("tasks %d, ends %d, queries %d, told again %d"):format(TASKS, ended, #log, again))
  print(("most queries in 1 s: %d, in 10 s: %d; the rate is %d a second"):format(second, ten, RATE))
  print(("overlaps %d, verdict: %s"):format(overlaps,
    wrong == 0 and "all held" or wrong .. " WRONG"))
end

print(("seed %d, %s"):format(SEED, KILLS and KILLS .. " kills" or SECONDS .. " seconds"))
io.stdout:flush()
local ok, err = xpcall(function()
  run()
  for what, times in pairs(done) do print(("%4d %s"):format(times, what)) end
  judge()
end, debug.traceback)
if not ok then print("WRONG " .. tostring(err)) end
local complaints = world:stop()
service:stop()
os.exit(ok and wrong == 0 and complaints == "" and 0 or 1)

-- One process of a fleet, for specs: a worker, or a reader of its ends.
--
--   lua spec/support/fleet_process.lua FOLDER work
--   lua spec/support/fleet_process.lua FOLDER read GROUP
--
-- FOLDER/fleet.lua returns the options of the fleet and of its client; $REDIS is another URL. A
-- reader writes a line for each end that it is told to FOLDER/GROUP: the id, the kind of the error
-- or "succeeded", the data. A worker that has a name, $WORKER, names each of its queries in a
-- header, and writes a line for each that has ended to FOLDER/queries.$WORKER: its name and when
-- that was. It works until it is killed, or until FOLDER/stop is there.
--
-- With $STOP it stops itself (SIGSTOP) once: "ask": when it has decided to ask for the first time,
-- and has not begun; "connect": when it has begun to connect for that query.

package.path = "./?.lua;" .. package.path

local core = require "sora.core"
local files = require "spec.support.files"
local inboxes = require "sora.hosts.inbox"
local sora = require "sora"

local folder, role, group = arg[1], arg[2], arg[3]
local given = dofile(folder .. "/fleet.lua")

local fleet
given.fleet.redis = os.getenv "REDIS" or given.fleet.redis
given.fleet.client = sora.client(given.client)
given.fleet.on_error = function() if files.exists(folder .. "/stop") then fleet:stop() end end
fleet = sora.fleet(given.fleet)

local stop_at = os.getenv "STOP"

local function stop_here(place)
  if stop_at ~= place then return end
  stop_at = nil
  os.execute "kill -STOP $PPID"
end

--- Has the queries named and noted, and stops where that is wanted.
local function watch_queries(worker)
  local ask, take, pump = inboxes.ask, inboxes.take, inboxes.pump
  local journal = assert(io.open(folder .. "/queries." .. worker, "a"))
  journal:setvbuf "line"
  local asked = 0
  function inboxes.ask(inbox, id, opts, held, deadline)
    stop_here "ask"
    asked = asked + 1
    held.query = worker .. "." .. asked
    opts.headers = { ["X-Query"] = held.query }
    return ask(inbox, id, opts, held, deadline)
  end
  function inboxes.take(inbox)
    local request, held = take(inbox)
    if type(held) == "table" then
      journal:write(("%s %.6f\n"):format(held.query, core.now()))
    end
    return request, held
  end
  function inboxes.pump(client)
    pump(client)
    if asked > 0 and client == given.fleet.client then stop_here "connect" end
  end
end

local function work()
  return fleet:work { concurrency = given.concurrency }
end

local function read()
  local journal = assert(io.open(folder .. "/" .. group, "a"))
  journal:setvbuf "line"
  return fleet:results {
    group = group, idle = 2,
    on_result = function(id, task, err, data)
      journal:write(("%s %s %s\n"):format(id, task and "succeeded" or err.kind,
        data and data.order or ""))
    end,
  }
end

local worker_name = os.getenv "WORKER"
if role == "work" and worker_name then watch_queries(worker_name) end
-- Where Redis is not there when it begins, work and results return the error: it tries again.
while not files.exists(folder .. "/stop") do
  local ok, err = (role == "work" and work or read)()
  if not ok then io.stderr:write(tostring(err), "\n") end
  os.execute "sleep 0.1"
end

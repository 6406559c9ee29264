-- One process of a fleet, for specs: a worker, or a reader of its ends.
--
--   lua spec/support/fleet_process.lua FOLDER work
--   lua spec/support/fleet_process.lua FOLDER read GROUP
--
-- FOLDER/fleet.lua returns the options of the fleet and of its client; $REDIS is another URL. A
-- reader writes a line for each end that it is told to FOLDER/GROUP: the id, the kind of the error
-- or "succeeded", the data. It works until it is killed, or until FOLDER/stop is there.

package.path = "./?.lua;" .. package.path

local files = require "spec.support.files"
local sora = require "sora"

local folder, role, group = arg[1], arg[2], arg[3]
local given = dofile(folder .. "/fleet.lua")

local fleet
given.fleet.redis = os.getenv "REDIS" or given.fleet.redis
given.fleet.client = sora.client(given.client)
given.fleet.on_error = function() if files.exists(folder .. "/stop") then fleet:stop() end end
fleet = sora.fleet(given.fleet)

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

-- Where Redis is not there when it begins, work and results return the error: it tries again.
while not files.exists(folder .. "/stop") do
  local ok, err = (role == "work" and work or read)()
  if not ok then io.stderr:write(tostring(err), "\n") end
  os.execute "sleep 0.1"
end

-- A soak: many queries and waits against the stand-in service, 2 % of whose answers are faulty.
--
--   lua spec/support/soak.lua [QUERIES [WAITS]]
--
-- Each id is told once, and none is lost; memory and descriptors are flat after the first tenth.

package.path = "./?.lua;" .. package.path

local resident = require("spec.support.memory").resident
local shell = require "spec.support.shell"
local sora = require "sora"
local standin = require "spec.support.standin"

local QUERIES, WAITS = tonumber(arg[1]) or 1000000, tonumber(arg[2]) or 100000
local BATCH = 2000
local FAULTS = { "502", "reset", "close_body", "truncated", "429;retry_after=0", "not_json" }

local function descriptors() return tonumber(shell.output_of "ls /proc/$PPID/fd | wc -l") end

local service = standin.start { lifetime = 86400 }
service:noise { rate = 0.02, seed = 1, steps = FAULTS }
local c = sora.client {
  base_url = service.http_url, retries = 5, request_timeout = 20, ca_file = service.ca_file,
}

local function run(what, total, call, steps, opts)
  local done, lost, twice, errors, serial = 0, 0, 0, {}, 0
  local early, early_fds, started = nil, nil, sora.driver.now()
  while done < total do
    local ids, told = {}, {}
    for i = 1, math.min(BATCH, total - done) do
      serial = serial + 1
      ids[i] = ("sora-2:task_%s~%s%d"):format(steps, what, serial)
    end
    opts.on_result = function(id) told[id] = (told[id] or 0) + 1 end
    local tasks, errs = c[call](c, ids, opts)
    for _, id in ipairs(ids) do
      if told[id] ~= 1 or not (tasks[id] or errs[id]) then
        if (told[id] or 0) > 1 then twice = twice + 1 else lost = lost + 1 end
      end
      if errs[id] then errors[errs[id].kind] = (errors[errs[id].kind] or 0) + 1 end
    end
    done = done + #ids
    service:reset()
    service:noise { rate = 0.02, seed = done, steps = FAULTS }
    if not early and done >= total / 10 then
      collectgarbage()
      collectgarbage()
      early, early_fds = resident(), descriptors()
    end
    if math.floor(done * 20 / total) > math.floor((done - #ids) * 20 / total) then
      io.stderr:write(("%s: %d of %d, %.0f s, %d KiB\n"):format(what, done, total,
        sora.driver.now() - started, resident()))
    end
  end
  collectgarbage()
  collectgarbage()
  local kinds = {}
  for kind, count in pairs(errors) do kinds[#kinds + 1] = kind .. " " .. count end
  local late, late_fds = resident(), descriptors()
  print(("%s: %d in %.0f s, lost %d, told twice %d, errors: %s; KiB %d -> %d, descriptors %d -> %d")
    :format(what, done, sora.driver.now() - started, lost, twice,
      #kinds > 0 and table.concat(kinds, ", ") or "none", early, late, early_fds, late_fds))
  return lost == 0 and twice == 0 and late < early * 1.1 + 1024 and late_fds <= early_fds + 8
end

local good = run("queries", QUERIES, "query_all", "minimal", { concurrency = 100 })
good = run("waits", WAITS, "wait_all", "queued,completed",
  { concurrency = 100, interval = 0.05, max_interval = 0.2, max_errors = 20, timeout = 600 })
  and good
local stats = c:stats()
print(("attempts %d, connections %d, open %d"):format(stats.attempts, stats.connections,
  stats.open_connections))
c:close()
if not good then error("the soak failed", 0) end

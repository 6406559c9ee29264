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

--- What the process uses when all that is garbage has gone.
local function use()
  collectgarbage()
  collectgarbage()
  return { kib = resident(), descriptors = descriptors() }
end

--- One call for these ids; adds what came of it to the counts.
local function batch(counts, call, ids, opts)
  local told = {}
  function opts.on_result(id) told[id] = (told[id] or 0) + 1 end
  local tasks, errs = c[call](c, ids, opts)
  for _, id in ipairs(ids) do
    local times, err = told[id] or 0, errs[id]
    if times > 1 then
      counts.twice = counts.twice + 1
    elseif times == 0 or not (tasks[id] or err) then
      counts.lost = counts.lost + 1
    end
    if err then counts.errors[err.kind] = (counts.errors[err.kind] or 0) + 1 end
  end
end

local function run(what, total, call, steps, opts)
  local counts, done, started = { lost = 0, twice = 0, errors = {} }, 0, sora.driver.now()
  local early
  while done < total do
    local ids = {}
    for i = 1, math.min(BATCH, total - done) do
      ids[i] = ("sora-2:task_%s~%s%d"):format(steps, what, done + i)
    end
    batch(counts, call, ids, opts)
    local before = done
    done = done + #ids
    service:reset()
    service:noise { rate = 0.02, seed = done, steps = FAULTS }
    if done >= total / 10 then early = early or use() end
    if math.floor(done * 20 / total) > math.floor(before * 20 / total) then -- each twentieth
      io.stderr:write(("%s: %d of %d, %.0f s, %d KiB\n"):format(what, done, total,
        sora.driver.now() - started, resident()))
    end
  end
  local late, kinds = use(), {}
  for kind, count in pairs(counts.errors) do kinds[#kinds + 1] = kind .. " " .. count end
  print(("%s: %d in %.0f s, lost %d, told twice %d, errors: %s; KiB %d -> %d, descriptors %d -> %d")
    :format(what, done, sora.driver.now() - started, counts.lost, counts.twice,
      #kinds > 0 and table.concat(kinds, ", ") or "none", early.kib, late.kib, early.descriptors,
      late.descriptors))
  return counts.lost == 0 and counts.twice == 0 and late.kib < early.kib * 1.1 + 1024
    and late.descriptors <= early.descriptors + 8
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

-- Waits for ten thousand tasks of the stand-in service at once, with 5 % of all answers faulty:
-- `make bench-wait`. Every task has to end as its script says, none twice, none lost. Before that,
-- what a sleeping wait takes, its last answer included: the error of a timeout carries it. Ends
-- with status 1 when something is not as it has to be.
-- Usage: lua spec/bench/wait_all.lua [TASKS] [RATE of faults, 0..1]
--
-- No 429 among the faults: one of them silences the client for seconds, as it should. Connections
-- are broken rarely, for each time all that is in flight on one fails with it.

package.path = "./?.lua;" .. package.path

local flows = require "spec.support.flows"
local memory = require "spec.support.memory"
local sora = require "sora"
local sora_cqueues = require "sora.cqueues"
local standin = require "spec.support.standin"

local COUNT = tonumber(arg[1]) or 10000
local RATE = tonumber(arg[2]) or 0.05
local CONCURRENCY = 100
local FAULTS = {
  "500", "502;body=html", "503;body=text", "504;body=empty", "520", "empty", "truncated",
  "not_json", "bad_utf8", "array", "error_object", "no_data", "rst_stream", "short_body", "reset",
}

local service = standin.start { lifetime = 600 }
local wrong = 0

local function check(condition, message, ...)
  if condition then return end
  wrong = wrong + 1
  if wrong <= 20 then print("WRONG " .. message:format(...)) end
end

local function report(name, format, ...) print(("%-44s " .. format):format(name, ...)) end

local function new_client(module)
  return module.client { base_url = service.base_url, ca_file = service.ca_file, api_key = "sk-x" }
end

local function used()
  collectgarbage()
  collectgarbage()
  return collectgarbage "count" * 1024
end

--- Bytes that each of the sleeping waits takes when all of them have had that answer.
local function measure(step)
  local client, ids = new_client(sora_cqueues), {}
  for i = 1, COUNT do ids[i] = service:id(step) end
  local before, during
  flows.run(function()
    assert(client:query(ids[1]))
    before = used()
    local all = flows.spawn(client.wait_all, client, ids, { interval = 600 })
    repeat flows.sleep(0.2) until client:stats().requests > COUNT and client:stats().in_flight == 0
    flows.sleep(0.2)
    during = used()
    client:close()
    all:join()
  end)
  return (during - before) / COUNT
end

--- Every fiftieth task fails, every tenth leaps to its end.
local function script(i)
  if i % 50 == 0 then return "queued", "failed" end
  if i % 10 == 0 then return "completed" end
  return "queued", "pending;progress=0.5", "completed"
end

local function run()
  local client, ids, told = new_client(sora), {}, {}
  for i = 1, COUNT do ids[i] = service:id(script(i)) end
  service:reset()
  service:noise { rate = RATE, seed = 42, steps = FAULTS }
  local started, in_flight, open = sora.driver.now(), 0, 0
  local tasks, errs = client:wait_all(ids, {
    interval = 1, max_interval = 4, timeout = 300, concurrency = CONCURRENCY, max_errors = 20,
    on_result = function(id)
      told[id] = (told[id] or 0) + 1
      local stats = client:stats()
      in_flight = math.max(in_flight, stats.in_flight)
      open = math.max(open, stats.open_connections)
    end,
  })
  local seconds = sora.driver.now() - started
  local succeeded, failed = 0, 0
  for i, id in ipairs(ids) do
    check(told[id] == 1, "%s: told %s times", id, tostring(told[id]))
    if i % 50 == 0 then
      failed = failed + 1
      check(errs[id] and errs[id].kind == "failed", "%s: %s", id, tostring(errs[id]))
    else
      succeeded = succeeded + 1
      check(tasks[id] and sora.video_url(tasks[id]), "%s: %s", id, tostring(errs[id]))
    end
    tasks[id], errs[id], told[id] = nil, nil, nil
  end
  check(not next(tasks) and not next(errs) and not next(told), "results of tasks nobody asked for")

  service:noise()
  local stats = client:stats()
  check(stats.in_flight == 0, "%d in flight", stats.in_flight)
  check(in_flight < CONCURRENCY, "%d others in flight", in_flight)
  check(open <= 8, "%d connections", open)
  report("tasks", "%d succeeded, %d failed as they should", succeeded, failed)
  report("wall time", "%.1f s", seconds)
  report("polls", "%d, %.0f a second, %.2f for each task", stats.requests, stats.requests / seconds,
    stats.requests / COUNT)
  report("at once", "%d queries, %d connections (%d in all)", in_flight + 1, open,
    stats.connections)
  client:close()
end

report("a sleeping wait, minimal answer", "%.0f bytes", measure "minimal")
report("a sleeping wait, the API page's sample", "%.0f bytes", measure "sample")
run()
report("processor time of this process", "%.1f s", os.clock())
report("resident at most", "%.1f MB", memory.most_resident() / 1024)
local complaints = service:stop()
check(complaints == "", "the service complains: %s", complaints)
os.exit(wrong == 0 and 0 or 1)

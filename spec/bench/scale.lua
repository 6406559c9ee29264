-- wait_all of very many tasks against nginx: `make bench-scale`, or
-- LUA spec/bench/scale.lua [TASKS …]. For each number of tasks, with plain HTTP/1.1:
--
--   saturated   polls a second and processor time a poll, where all are due all the time
--   70 % load   the same where the pauses leave a third of that time free, and how late polls are
--               asked: median and 99th of a hundred, against when they are due
--
-- and the memory of one more task, asleep with its answer: resident, with what the collector has
-- not come to, and of Lua alone. Each number has a process of its own; the answers are all the
-- same, the 3,150 bytes of the API page's sample.

package.path = "./?.lua;" .. package.path

local resident = require("spec.support.memory").resident
local shell = require "spec.support.shell"

local SECONDS = 10 -- of measuring, at least

--- KiB that Lua cannot give back.
local function lua_memory()
  collectgarbage()
  collectgarbage()
  return collectgarbage "count"
end

--- Polls of `count` tasks for a while after each was asked once, with pauses of about `interval`
-- seconds. Prints polls a second, processor seconds a poll, how late they were, KiB a task.
local function measure(url, count, interval)
  local inboxes = require "sora.hosts.inbox"
  local pollers = require "sora.waiting.poller"
  local sora = require "sora"
  local client = sora.client { base_url = url, api_key = "bench", request_timeout = 600 }
  assert(client:query "sora-2:task_0")
  local ids, ask, now = {}, inboxes.ask_again, sora.driver.now
  for i = 1, count do ids[i] = "sora-2:task_" .. i end
  local late, polls, from, cpu, before, of_lua = {}, 0, nil, nil, resident(), lua_memory()
  local new = pollers.new
  function pollers.new(...) -- their first polls are spread, as those of tasks that come one by one
    local poller = new(...)
    poller.next_at = poller.next_at + math.random() * interval
    return poller
  end
  function inboxes.ask_again(inbox, request, id, opts, poller)
    local time = now()
    polls = polls + 1
    if polls == count * 2 then from, cpu, late = time, os.clock(), {} end -- all were asked again
    if from then late[#late + 1] = time - poller.next_at end
    if from and time - from >= SECONDS and #late > 1000 then
      table.sort(late)
      local taken, kib = os.clock() - cpu, (resident() - before) / count
      print(#late / (time - from), taken / #late, late[math.ceil(#late / 2)],
        late[math.ceil(#late * 0.99)], kib, (lua_memory() - of_lua) / count)
      os.exit(0)
    end
    return ask(inbox, request, id, opts, poller)
  end
  client:wait_all(ids, { interval = interval, max_interval = interval, timeout = 1e6 })
end

if arg[1] == "measure" then
  measure(arg[2], tonumber(arg[3]), tonumber(arg[4]))
  return
end

local LUA = arg[-1]
local server = require("spec.bench.server").start()

local function run(count, interval)
  local output = shell.output_of(("timeout 600 %s %s measure %s %d %.9f"):format(LUA, arg[0],
    server.http, count, interval))
  local rate, cpu, median, worst, kib, of_lua =
    output:match "^(%S+)%s+(%S+)%s+(%S+)%s+(%S+)%s+(%S+)%s+(%S+)$"
  assert(rate, output)
  return tonumber(rate), cpu * 1e6, median * 1e3, worst * 1e3, tonumber(kib), tonumber(of_lua)
end

print("| tasks | polls a second, saturated | CPU a poll, µs | at 70 %: polls a second "
  .. "| CPU a poll, µs | late, ms: median | 99 of 100 | KiB a task, resident | of Lua |")
print "|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
local counts = #arg > 0 and arg or { 100, 1000, 10000, 100000 }
for _, given in ipairs(counts) do
  local count = tonumber(given)
  local rate, cpu = run(count, 1e-9)
  local interval = count / (rate * 0.7 * 0.9) -- chance takes away a tenth of a pause on average
  local eased, eased_cpu, median, worst, kib, of_lua = run(count, interval)
  print(("| %d | %.0f | %.1f | %.0f | %.1f | %.1f | %.1f | %.1f | %.2f |"):format(count, rate,
    cpu, eased, eased_cpu, median, worst, kib, of_lua))
end
server.stop()

-- Queries one after the other while much else is in flight or asleep on the same client:
-- step.lua flight|paused|sleeping OTHERS QUERIES URL CA. Counted by run.lua and instructions.lua.

local core = require "sora.core"
local sora = require "sora"

local kind, others, queries, url, authorities = ...
others, queries = tonumber(others), tonumber(queries)

local client = sora.client {
  base_url = url, ca_file = authorities, api_key = "bench", request_timeout = 3600, retries = 3,
}
local held = {}

--- Until nothing happens any more.
local function settle()
  local quiet
  repeat
    local attempts = client:stats().attempts
    quiet = sora.driver.now() + 0.3
    core.step(client, 0.3)
  until attempts == client:stats().attempts and sora.driver.now() >= quiet
end

--- The queries that are counted, after twenty that are not.
local function query()
  for i = 1, 20 do assert(client:query("sora-2:late_task_" .. i)) end
  core.terminal(-1) -- see between_marks in measure.lua
  for i = 1, queries do assert(client:query("sora-2:late_task_" .. i)) end
  core.terminal(-1)
end

local started = sora.driver.now()
if kind == "sleeping" then
  local ids, asked = {}, 0
  for i = 1, others do ids[i] = "sora-2:task_s" .. i end
  client:wait_all(ids, {
    interval = 3600, max_interval = 3600, timeout = 1e6, concurrency = 500,
    on_update = function()
      asked = asked + 1
      if asked < others then return end
      query() -- all of them sleep
      os.exit(0)
    end,
  })
else
  local id = kind == "flight" and "sora-2:hold_task_" or "sora-2:busy_task_"
  for i = 1, others do held[i] = core.request(client, id .. i) end
  settle()
  assert(#held == client:in_flight() and sora.driver.now() - started < 90)
  query()
  os.exit(0)
end

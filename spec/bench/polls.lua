-- What one client asks again and again, counted by instructions.lua between two calls of
-- core.terminal: polls.lua KIND COUNT URL CA.
--
--   query      one after the other
--   query_all  100 at once
--   wait       polls of one wait, all of whose answers are the same
--   wait_all   the same of ten tasks, one at a time

local core = require "sora.core"
local sora = require "sora"

local kind, count, url, authorities = ...
count = tonumber(count)

local client = sora.client {
  base_url = url, ca_file = authorities, api_key = "bench", request_timeout = 600, retries = 0,
}

--- The ids of so many tasks; server.lua says which begin with something else.
local function ids_of(number, prefix)
  local ids = {}
  for i = 1, number do ids[i] = (prefix or "sora-2:task_") .. i end
  return ids
end

local function query(number)
  for i = 1, number do assert(client:query("sora-2:task_" .. i)) end
end

local kept = {} -- as floor.c keeps them: what is collected meanwhile would be another call's

local function query_all(number, prefix)
  local tasks, errs = client:query_all(ids_of(number, prefix), { concurrency = 100 })
  assert(next(errs) == nil)
  kept[#kept + 1] = tasks
end

--- Marks the polls that come after the first fifty, of which each asks chance once, and ends.
local function mark_polls()
  local random, polls = core.random, 0
  function core.random()
    polls = polls + 1
    if polls == 50 or polls == 50 + count then core.terminal(-1) end
    if polls > 50 + count then os.exit(0) end
    return random()
  end
end

local AT_ONCE = { interval = 1e-9, max_interval = 1e-9, timeout = 1e6 }

if kind == "wait" then
  mark_polls()
  client:wait("sora-2:task_1", AT_ONCE)
elseif kind == "wait_all" then
  mark_polls()
  AT_ONCE.concurrency = 1
  client:wait_all(ids_of(10), AT_ONCE)
elseif kind == "query" then
  query(20)
  core.terminal(-1)
  query(count)
  core.terminal(-1)
else
  query_all(1000, "late_") -- while these wait, all connections are opened
  core.terminal(-1)
  query_all(count)
  core.terminal(-1)
end
os.exit(0)

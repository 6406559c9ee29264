-- sora, with the command line of libcurl.c.

local core = require "sora.core"
local sora = require "sora"

local mode, count, in_flight, url, authorities = ...
count = tonumber(count)
if mode ~= "many" then in_flight, url, authorities = nil, in_flight, url end

local client = sora.client {
  base_url = url, api_key = "bench", request_timeout = 600, retries = 0,
  ca_file = authorities:find "^/" and authorities or nil,
}

local function id(number) return "sora-2:task_" .. number end

if mode == "many" then
  local ids = {}
  for i = 1, count do ids[i] = id(i) end
  local _, errs = client:query_all(ids, { concurrency = tonumber(in_flight) })
  assert(next(errs) == nil, select(2, next(errs)))
elseif mode == "hold" then
  local requests = {}
  for i = 1, count do requests[i] = core.request(client, "sora-2:hold_task_" .. i) end
  local quiet = sora.driver.now() + 0.5
  repeat
    core.step(client, quiet - sora.driver.now())
  until sora.driver.now() >= quiet
  assert(#requests == count)
else
  for i = 1, count do assert(client:query(id(i))) end
end
os.exit(0) -- as the others: without giving back every table first

-- What each thread of support/threads.c does: threads COUNT threads.lua BASE_URL HTTP_URL CA_FILE

local sora = require "sora"

local base_url, http_url, ca_file = arg[1], arg[2], arg[3]
local serial = 0

local function id(steps)
  serial = serial + 1
  return ("sora-2:task_%s~thread%d_%d"):format(steps, thread, serial) -- luacheck: ignore thread
end

for _, url in ipairs { base_url, http_url, (http_url:gsub("127.0.0.1", "localhost")) } do
  local c = sora.client { base_url = url, ca_file = ca_file, api_key = "sk-threads" }
  for _ = 1, 10 do assert(c:query(id "sample")) end
  assert(c:wait(id "queued,completed", { interval = 0.01 }))
  local ids = {}
  for i = 1, 20 do ids[i] = id "completed" end
  assert(not next(select(2, c:query_all(ids))))
  assert(not c:query "nobody")
  if url ~= base_url then c:close() end
end

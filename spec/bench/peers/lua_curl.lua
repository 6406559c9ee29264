-- Lua-cURL (its third API) with lua-cjson, its handles kept, with the command line of libcurl.c.

local cjson = require "cjson"
local curl = require "cURL"

local mode, count, in_flight, url, authorities = ...
count = tonumber(count)
if mode ~= "many" then in_flight, url, authorities = nil, in_flight, url end

local parts = {} -- handle -> what it received

local function new_handle()
  local easy = curl.easy {
    httpheader = {
      "Authorization: Bearer bench", "Content-Type: application/json", "Accept: application/json",
    },
    useragent = "lua-sora/0.1.0",
    accept_encoding = "", nosignal = true, pipewait = true,
    cainfo = authorities:find "^/" and authorities or nil,
    capath = not authorities:find "^/" and os.getenv "SSL_CERT_DIR" or nil,
  }
  parts[easy] = {}
  easy:setopt_writefunction(function(bytes)
    local received = parts[easy]
    received[#received + 1] = bytes
    return true
  end)
  return easy
end

local function aim(easy, number)
  parts[easy] = {}
  easy:setopt_url(url .. "/v1/video/query?id=sora-2%3Atask_" .. number)
end

local function answer(easy) return assert(cjson.decode(table.concat(parts[easy]))) end

if mode == "many" then
  local multi = curl.multi { maxconnects = 100 }
  multi:setopt_max_host_connections(8)
  if multi.setopt_max_concurrent_streams then multi:setopt_max_concurrent_streams(10000) end
  local started, ended, tasks = 0, 0, {} -- kept, as by the others
  local function launch(easy)
    if started == count then return end
    started = started + 1
    aim(easy, started)
    multi:add_handle(easy)
  end
  for _ = 1, tonumber(in_flight) do launch(new_handle()) end
  while ended < count do
    multi:perform()
    local easy, ok, err = multi:info_read(true)
    while easy and easy ~= 0 do
      assert(ok, err)
      ended = ended + 1
      tasks[ended] = answer(easy)
      launch(easy)
      easy, ok, err = multi:info_read(true)
    end
    if ended < count then multi:wait(1000) end
  end
  assert(#tasks == count)
else
  local easy = new_handle()
  for i = 1, count do
    aim(easy, i)
    easy:perform()
    answer(easy)
  end
end
os.exit(0)

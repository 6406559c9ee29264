-- lua-http with lua-cjson, its connection kept, with the command line of libcurl.c.

require "spec.support.lua_http"

local cjson = require "cjson"
local http_client = require "http.client"
local http_headers = require "http.headers"
local http_tls = require "http.tls"

local mode, count, url, authorities = ...
local scheme, host, port = url:match "^(%w+)://([^:/]+):(%d+)$"

local context = http_tls.new_client_context()
if authorities:find "^/" then context:getStore():add(authorities) end

local function connect()
  return http_client.connect({
    host = host, port = tonumber(port), tls = scheme == "https", ctx = context,
  }, 10)
end

local function query(connection, number)
  local headers = http_headers.new()
  headers:append(":method", "GET")
  headers:append(":scheme", scheme)
  headers:append(":authority", host .. ":" .. port)
  headers:append(":path", "/v1/video/query?id=sora-2%3Atask_" .. number)
  headers:append("authorization", "Bearer bench", true)
  headers:append("content-type", "application/json")
  headers:append("accept", "application/json")
  headers:append("user-agent", "lua-sora/0.1.0")
  local stream = assert(connection:new_stream())
  assert(stream:write_headers(headers, true, 10))
  assert(stream:get_headers(10))
  return assert(cjson.decode((assert(stream:get_body_as_string(10)))))
end

local connection
for i = 1, tonumber(count) do
  connection = connection or assert(connect())
  query(connection, i)
  if mode == "fresh" then
    connection:close()
    connection = nil
  end
end
os.exit(0)

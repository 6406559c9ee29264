--- The server that clients are compared with: an nginx that answers every query with the same task.
--
--   local server = require("spec.bench.server").start()
--   server.http, .h1, .h2     answer at once: plain, TLS with HTTP/1.1, TLS with HTTP/2
--   server.slow, .narrow      HTTP/2 after 50 ms, with 10,000 and with 128 streams a connection
--   server.slow_http          plain HTTP/1.1 after 50 ms
--   server.closing            TLS, HTTP/1.1, a full handshake for each request
--   server.ca_file            what signed its certificate
--
-- In build/bench/authorities that lies among the system's authorities, as OpenSSL looks them up.
--
-- With HTTP/2 and with plain HTTP/1.1 at `slow_http` an id that begins with "hold_" is not answered
-- for an hour, one that begins with "late_" after 10 ms, one that begins with "busy_" is asked to
-- come again in 100 s.

local nginx = require "spec.support.nginx"
local output_of = require("spec.support.shell").output_of
local ports = require "spec.support.ports"
local self_signed = require "spec.support.self_signed"

local M = {}

local ANSWER = [[
  location = /v1/video/query { default_type application/json; alias %s; %s }
]]

local HOLD = [[access_by_lua_block {
    local id = ngx.var.arg_id
    if id:find("hold_", 1, true) then ngx.sleep(3600) end
    if id:find("late_", 1, true) then ngx.sleep(0.01) end
    if id:find("busy_", 1, true) then
      ngx.header["Retry-After"] = "100"
      ngx.exit(429)
    end
    %s
  }]]

---@return table server  addresses, ca_file, stop()
function M.start()
  local folder = output_of "mkdir -p build/bench && cd build/bench && pwd"
  local fixture = output_of "pwd" .. "/spec/support/fixtures/pending.json"
  local ca_file, key_file = self_signed.make(folder, "IP:127.0.0.1")
  output_of(([[cd %s && rm -rf authorities && cp -RP /etc/ssl/certs authorities &&
    cp %s authorities/$(openssl x509 -hash -noout -in %s).0]]):format(folder, ca_file, ca_file))
  local free = ports.free(6)
  local hold, slow = HOLD:format "", HOLD:format "ngx.sleep(0.05)"
  local places = {
    { "h1", "https", "ssl", "" },
    { "h2", "https", "ssl http2", hold },
    { "slow", "https", "ssl http2", slow },
    { "narrow", "https", "ssl http2", slow, "http2_max_concurrent_streams 128;" },
    { "slow_http", "http", "", slow },
    { "closing", "https", "ssl", "", "keepalive_timeout 0; ssl_session_tickets off;" },
  }
  local server, servers = { ca_file = ca_file }, {}
  for i, place in ipairs(places) do
    local key, scheme, listen, access, more = (table.unpack or unpack)(place)
    server[key] = ("%s://127.0.0.1:%d"):format(scheme, free[i])
    servers[i] = ("server { listen 127.0.0.1:%d %s backlog=4096;\n  %s\n%s}\n"):format(free[i],
      listen, more or "http2_max_concurrent_streams 10000;", ANSWER:format(fixture, access))
  end
  local running = nginx.start {
    log_level = "error",
    http = ([[
  open_file_cache max=16;
  keepalive_timeout 600;
  lua_socket_log_errors off;
  ssl_certificate %s;
  ssl_certificate_key %s;
  %s]]):format(ca_file, key_file, table.concat(servers)),
    server = ANSWER:format(fixture, ""),
  }
  server.http = running.url
  function server.stop() running:stop() end
  return server
end

return M

-- haproxy before a backend, which has all answers. Options: backend; idle, seconds.

local files = require "spec.support.files"
local sites = require "spec.support.servers.site"

local M = {
  protocols = { "http", "https", "h2" },
  wide = true, proxies = true, idle = 1, requests = {},
  reload = "USR2", reloaded = "Reloading HAProxy",
}

local TEXT = [[
global
  maxconn 4000
  tune.bufsize 65536
  hard-stop-after 20s
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive $IDLE
frontend all
  bind 127.0.0.1:$http
  bind 127.0.0.1:$https ssl crt $BOTH alpn http/1.1
  bind 127.0.0.1:$h2 ssl crt $BOTH alpn h2,http/1.1
  http-request set-var(txn.folder) path,field(2,/)
$LINES  default_backend one
backend one
  server one 127.0.0.1:$BACKEND
]]

function M.command(setup)
  local added = {}
  for name, lines in sites.wide() do
    added[#added + 1] = lines:gsub("([^:\n]+): ([^\n]+)\n", function(header, value)
      return ("  http-response set-header %s %s if { var(txn.folder) -m str %s }\n"):format(header,
        value, name)
    end)
  end
  files.write(setup.folder .. "/haproxy.conf", (TEXT:gsub("$(%w+)", {
    IDLE = ("%dms"):format((setup.idle or 75) * 1000), BACKEND = setup.backend,
    http = setup.ports.http, https = setup.ports.https, h2 = setup.ports.h2,
    BOTH = setup.site.both, LINES = table.concat(added),
  })))
  return "-W -db -f haproxy.conf"
end

return M

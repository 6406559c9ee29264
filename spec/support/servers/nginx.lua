-- nginx. Options: requests, to a connection; idle, seconds until an idle one is closed;
-- backend: the port of what answers /live and /slow; alone: no master process, which can be killed
-- as one; slow: answers below /slow take about a second.

local files = require "spec.support.files"
local sites = require "spec.support.servers.site"

local M = {
  protocols = { "http", "https", "h2" },
  wide = true, proxies = true, idle = 1, requests = { "http", "https", "h2" },
  reload = "HUP", reloaded = "signal 1 %(SIGHUP%)",
}

local TEXT = [[
$USER
daemon off; $MASTER worker_processes 1; worker_rlimit_nofile 8192; pid nginx.pid;
error_log $FOLDER/log notice;
events { worker_connections 8000; }
http {
  access_log off; default_type application/json; root $WWW;
  keepalive_requests $REQUESTS; keepalive_timeout $IDLE;
  client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c; uwsgi_temp_path d;
  scgi_temp_path e;
  ssl_certificate $CERTIFICATE; ssl_certificate_key $KEY;
  server {
    listen $ADDRESS:$http backlog=4096;
    listen $ADDRESS:$https ssl backlog=4096;
    listen $ADDRESS:$h2 ssl http2 backlog=4096;
$LOCATIONS  }
}
]]

function M.command(setup)
  local locations = {}
  local function add(format, ...)
    locations[#locations + 1] = "    " .. format:format(...) .. "\n"
  end
  for name, lines in sites.wide() do
    add("location /%s/ { %s }", name, (lines:gsub("([^:\n]+): ([^\n]+)\n", "add_header %1 %2; ")))
  end
  if setup.backend then
    local to = ("proxy_pass http://127.0.0.1:%d; proxy_http_version 1.1;"):format(setup.backend)
    add("location /live/ { %s }", to)
    add("location /slow/ { %s proxy_buffering off; }", to)
  elseif setup.slow then
    add "location /slow/ { limit_rate 8k; }"
  end
  files.write(setup.folder .. "/nginx.conf", (TEXT:gsub("$(%w+)", {
    USER = setup.is_root and "user root;" or "", FOLDER = setup.folder, WWW = setup.site.www,
    CERTIFICATE = setup.site.certificate, KEY = setup.site.key,
    MASTER = setup.alone and "master_process off;" or "", ADDRESS = setup.address or "127.0.0.1",
    REQUESTS = setup.requests or 1000000, IDLE = setup.idle and setup.idle .. "s" or "75s",
    http = setup.ports.http, https = setup.ports.https, h2 = setup.ports.h2,
    LOCATIONS = table.concat(locations),
  })))
  return "-p . -e log -c nginx.conf"
end

return M

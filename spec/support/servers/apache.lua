-- Apache httpd. Options: requests, to a connection of HTTP/1.1; idle, seconds; backend.

local files = require "spec.support.files"
local server = require "spec.support.servers.server"
local sites = require "spec.support.servers.site"

local M = {
  programs = { "apache2" }, protocols = { "http", "https", "h2" },
  wide = true, proxies = true, idle = 1, requests = { "http", "https" },
  reload = "USR1", reloaded = "Doing graceful restart",
}

local TEXT = [[
ServerRoot $FOLDER
ServerName localhost
PidFile apache.pid
DefaultRuntimeDir $FOLDER
ErrorLog log
LogLevel notice
$USER
$MODULES
ServerLimit 16
ThreadsPerChild 64
MaxRequestWorkers 1024
KeepAlive On
MaxKeepAliveRequests $REQUESTS
KeepAliveTimeout $IDLE
Listen 127.0.0.1:$http
Listen 127.0.0.1:$https
Listen 127.0.0.1:$h2
ListenBackLog 4096
DocumentRoot $WWW
<Directory $WWW>
  Require all granted
  ForceType application/json
</Directory>
SSLCertificateFile $CERTIFICATE
SSLCertificateKeyFile $KEY
Protocols http/1.1
<VirtualHost *:$https>
  SSLEngine on
</VirtualHost>
<VirtualHost *:$h2>
  SSLEngine on
  Protocols h2 http/1.1
</VirtualHost>
$LOCATIONS
]]

local MODULES = "mpm_event authz_core mime headers ssl http2 proxy proxy_http"

function M.command(setup)
  local modules, locations = {}, {}
  for name in MODULES:gmatch "%S+" do
    modules[#modules + 1] = ("LoadModule %s_module %s"):format(name,
      server.file(("/usr/lib/apache2/modules/mod_%s.so"):format(name)))
  end
  for name, lines in sites.wide() do
    locations[#locations + 1] = ("<Location /%s>\n%s</Location>"):format(name,
      (lines:gsub("([^:\n]+): ([^\n]+)\n", "Header set %1 %2\n")))
  end
  for _, name in ipairs(setup.backend and { "live", "slow" } or {}) do
    locations[#locations + 1] = ("ProxyPass /%s http://127.0.0.1:%d/%s retry=0 max=600"):format(
      name, setup.backend, name)
  end
  files.write(setup.folder .. "/types", "")
  files.write(setup.folder .. "/apache.conf", (TEXT:gsub("$(%w+)", {
    USER = "TypesConfig types" .. (setup.is_root and "\nUser www-data\nGroup www-data" or ""),
    FOLDER = setup.folder, WWW = setup.site.www, CERTIFICATE = setup.site.certificate,
    KEY = setup.site.key, MODULES = table.concat(modules, "\n"),
    REQUESTS = setup.requests or 0,
    IDLE = setup.idle and ("%dms"):format(setup.idle * 1000) or "75",
    http = setup.ports.http, https = setup.ports.https, h2 = setup.ports.h2,
    LOCATIONS = table.concat(locations, "\n"),
  })))
  return "-f $PWD/apache.conf -D FOREGROUND"
end

return M

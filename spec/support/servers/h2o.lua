-- h2o. Options: idle, seconds; backend. It offers HTTP/2 wherever it speaks TLS.

local files = require "spec.support.files"
local sites = require "spec.support.servers.site"

local M = {
  protocols = { "http", "https", "h2" }, https_version = "1.1",
  wide = true, proxies = true, idle = 1, requests = {},
}

local TEXT = [[
$USER
error-log: $FOLDER/log
num-threads: 1
http1-request-timeout: $IDLE
http2-idle-timeout: $IDLE
file.mime.setdefaulttype: application/json
listen: { host: 127.0.0.1, port: $http }
listen: { host: 127.0.0.1, port: $https, ssl: &tls
  { certificate-file: $CERTIFICATE, key-file: $KEY, ocsp-update-interval: 0 } }
listen: { host: 127.0.0.1, port: $h2, ssl: *tls }
hosts:
  default:
    paths:
$PATHS]]

function M.command(setup)
  local paths = { ("      /: { file.dir: %s }\n"):format(setup.site.www) }
  for name, lines in sites.wide() do
    paths[#paths + 1] = ("      /%s:\n        file.dir: %s/%s\n%s"):format(name,
      setup.site.www, name, (lines:gsub("([^\n]+)\n", '        header.add: "%1"\n')))
  end
  for _, name in ipairs(setup.backend and { "live", "slow" } or {}) do
    paths[#paths + 1] = ("      /%s: { proxy.reverse.url: 'http://127.0.0.1:%d/%s' }\n"):format(
      name, setup.backend, name)
  end
  files.write(setup.folder .. "/h2o.conf", (TEXT:gsub("$(%w+)", {
    USER = setup.is_root and "user: root" or "", FOLDER = setup.folder, IDLE = setup.idle or 75,
    http = setup.ports.http, https = setup.ports.https, h2 = setup.ports.h2,
    CERTIFICATE = setup.site.certificate, KEY = setup.site.key, PATHS = table.concat(paths),
  })))
  return "-m worker -c h2o.conf"
end

return M

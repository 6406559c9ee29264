-- squid, as a proxy that CONNECT goes through.

local files = require "spec.support.files"
local shell = require "spec.support.shell"
local server = require "spec.support.servers.server"

-- Debian 13 has two builds of it, of which its alternatives make one "squid".
local M = { programs = { "squid", "squid-gnutls" }, protocols = { "http" } }

local TEXT = [[
http_port 127.0.0.1:$http
http_access allow all
access_log none
cache_log $FOLDER/log
pid_filename $FOLDER/squid.pid
coredump_dir $FOLDER
cache deny all
mime_table $MIME
icon_directory $SHARE/icons
error_directory $SHARE/errors/templates
unlinkd_program $UNLINKD
pinger_enable off
netdb_filename none
max_filedescriptors 8192
shutdown_lifetime 0 seconds
$USER
]]

function M.command(setup)
  files.write(setup.folder .. "/squid.conf", (TEXT:gsub("$(%w+)", {
    http = setup.ports.http, FOLDER = setup.folder, SHARE = server.file "/usr/share/squid",
    UNLINKD = server.file "/usr/lib/squid/unlinkd", MIME = server.file "/usr/share/squid/mime.conf",
    USER = setup.is_root and "cache_effective_user nobody" or "",
  })))
  if setup.is_root then os.execute("chown nobody " .. shell.quote(setup.folder)) end
  return "-N -n sora" .. setup.ports.http .. " -f squid.conf" -- a name for its shared memory
end

return M

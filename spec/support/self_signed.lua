--- Certificates that are their own authority, made by the openssl program: for servers that are
-- started by their command lines. The stand-in service has certificates.lua.

local files = require "spec.support.files"
local shell = require "spec.support.shell"

local M = {}

--- Makes a key and a certificate in a folder, for two days: the files `key` and `certificate`.
---@param folder string
---@param names string  as subjectAltName has them, such as "IP:127.0.0.1,DNS:localhost"
---@return string certificate  path
---@return string key  path
function M.make(folder, names)
  local certificate, key = folder .. "/certificate", folder .. "/key"
  local said = shell.output_of(([[openssl req -x509 -newkey ec -nodes -days 2 -subj /CN=localhost \
    -pkeyopt ec_paramgen_curve:prime256v1 -addext subjectAltName=%s -keyout %s -out %s 2>&1]])
    :format(names, shell.quote(key), shell.quote(certificate)))
  assert(files.exists(certificate), said)
  return certificate, key
end

return M

-- Runs a script under the interpreter's own program, and interrupts it as Ctrl-C does.

local files = require "spec.support.files"
local shell = require "spec.support.shell"

local M = {}

local HEAD = [[
local sora = require "sora"
local client = sora.client { base_url = %q, ca_file = %q }
os.execute "(sleep %g; kill -INT $PPID) >/dev/null 2>&1 &"
]]

--- What the script writes; `sora` and `client` are there for it.
---@param service table  the stand-in service
---@param script string
---@param seconds number?  until SIGINT, from the start of the script, default 0.4
---@return string
function M.interrupted(service, script, seconds)
  local name = os.tmpname()
  files.write(name, HEAD:format(service.base_url, service.ca_file, seconds or 0.4) .. script)
  local said = shell.output_of(("timeout 20 %s %s 2>&1"):format(shell.LUA, name))
  os.remove(name)
  return said
end

return M

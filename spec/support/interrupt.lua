-- Runs a script under the interpreter's own program, and interrupts it as Ctrl-C does.

local standin = require "spec.support.standin"

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
  local file = assert(io.open(name, "w"))
  file:write(HEAD:format(service.base_url, service.ca_file, seconds or 0.4), script)
  file:close()
  local pipe = assert(io.popen(("timeout 20 %s %s 2>&1"):format(standin.LUA, name)))
  local said = pipe:read "*a"
  pipe:close()
  os.remove(name)
  return said
end

return M

--- Ports of loopback on which nobody listens.

local socket = require "socket"

local M = {}

local given = {} -- whoever asked for one may not listen there yet

--- So many of them, each another one than all that were given before.
---@param count integer
---@return integer[]
function M.free(count)
  local held, ports = {}, {}
  while #ports < count do
    local listener = assert(socket.bind("127.0.0.1", 0))
    held[#held + 1] = listener
    local _, port = listener:getsockname()
    port = tonumber(port)
    if not given[port] then
      given[port] = true
      ports[#ports + 1] = port
    end
  end
  for _, listener in ipairs(held) do listener:close() end
  return ports
end

return M

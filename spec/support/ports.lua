--- Ports of loopback on which nobody listens.

local socket = require "socket"

local M = {}

--- So many of them, each another one.
---@param count integer
---@return integer[]
function M.free(count)
  local held, ports = {}, {}
  for i = 1, count do
    held[i] = assert(socket.bind("127.0.0.1", 0))
    local _, port = held[i]:getsockname()
    ports[i] = tonumber(port)
  end
  for i = 1, count do held[i]:close() end
  return ports
end

return M

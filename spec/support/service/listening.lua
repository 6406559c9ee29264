-- Listening ports: each hands what connects to a function, until the service is told to refuse
-- connections for a while.

local cqueues = require "cqueues"
local condition = require "cqueues.condition"
local cs = require "cqueues.socket"
local errno = require "cqueues.errno"

local M = {}

local HOST = "127.0.0.1"
local LONGEST_LOAN = 20 -- seconds for which somebody else may have a port

--- Opens a listening socket on loopback.
---@param port integer|nil  nil or 0: any free one
---@return userdata socket
---@return integer port
function M.bind(port)
  local socket = assert(cs.listen { host = HOST, port = port or 0, reuseaddr = true })
  assert(socket:listen())
  socket:onerror(function(_, _, why)
    return why
  end)
  local _, _, bound = socket:localname()
  return socket, bound
end

-- Accepts until the listener's socket is another one, or none.
local function accept_loop(listener, handle)
  local socket = listener.socket
  while listener.socket == socket do
    local client, why = socket:accept({ nodelay = true }, 0)
    if client then
      handle(client)
    elseif why == errno.ETIMEDOUT then
      cqueues.poll(socket, listener.changed)
    else
      cqueues.sleep(0.01) -- out of descriptors: somebody must end first
    end
  end
end

--- Listens on a port and hands each new socket to a function, in a coroutine of its own loop.
---@param service table
---@param name string
---@param handle fun(socket: userdata)
---@return table listener  number: the port
function M.listen(service, name, handle)
  local listener = { name = name, changed = condition.new() }
  listener.socket, listener.number = M.bind(service.options[name .. "_port"])
  function listener.start()
    service.cq:wrap(accept_loop, listener, function(client)
      handle(client)
      if name ~= "control" then
        service.sockets[client] = true
        service.journal:accept(name)
      end
    end)
  end
  listener.start()
  service.listeners[name] = listener
  return listener
end

--- Closes every connection of the relay and the CDN.
---@param service table
function M.drop_connections(service)
  for socket in pairs(service.sockets) do
    if cs.type(socket) == "socket" then
      socket:shutdown()
    end
  end
end

-- Binds a port that was closed: somebody's connection may have it for a moment as its own port.
local function bind_again(port)
  local deadline = cqueues.monotime() + LONGEST_LOAN
  while true do
    local ok, socket = pcall(M.bind, port)
    if ok then return socket end
    if cqueues.monotime() > deadline then error(socket, 0) end
    cqueues.sleep(0.05)
  end
end

--- Refuses connections for a while, as a server that is restarted does. Keeps all else.
---@param service table
---@param seconds number
function M.outage(service, seconds)
  for name, listener in pairs(service.listeners) do
    if name ~= "control" then
      local socket = listener.socket
      listener.socket = nil
      listener.changed:signal()
      socket:close()
    end
  end
  M.drop_connections(service)
  service.cq:wrap(function()
    cqueues.sleep(seconds)
    for _, listener in pairs(service.listeners) do
      if not listener.socket then
        listener.socket = bind_again(listener.number)
        listener.start()
      end
    end
  end)
end

return M

-- Takes a connection away from lua-http, and breaks it.

local cqueues = require "cqueues"
local cs = require "cqueues.socket"
local errno = require "cqueues.errno"

local M = {}

local function return_error(_, _, why)
  return why
end

-- A dead socket in place of the real one: lua-http finds it at its end and tidies up.
local function dead_socket()
  local dead, other = cs.pair()
  other:close()
  dead:onerror(return_error)
  dead:setvbuf("full", math.huge)
  dead:setmode("b", "bna")
  return dead
end

--- Makes a socket return errors, and write at once what it is given.
---@param socket userdata
---@return userdata socket
function M.prepare(socket)
  socket:setvbuf("full", math.huge)
  socket:setmode("b", "bn")
  socket:onerror(return_error)
  return socket
end

--- Ends a stream of HTTP/2 that can no longer be ended on the wire. lua-http would keep its
--- connection for ever.
---@param stream table
function M.abandon(stream)
  if stream.id ~= 0 and stream.state ~= "idle" and stream.state ~= "closed" then
    stream:set_state("closed")
  end
end

--- The socket below an exchange, TLS included. lua-http sees a closed connection from here on:
--- on HTTP/2 that ends every stream of it.
---@param x table
---@return userdata socket  a dead one when the client has gone
function M.take(x)
  local connection = x.stream.connection
  local socket
  if cs.type(connection.socket) ~= "socket" then
    return dead_socket()
  end
  if x.version == "2" then
    socket = connection.socket
    connection.socket = dead_socket()
    for _, stream in pairs(connection.streams) do
      M.abandon(stream)
    end
    cqueues.cancel(socket:pollfd())
  else
    socket = connection:take_socket()
  end
  return M.prepare(socket)
end

--- Writes all bytes now.
---@param socket userdata
---@param bytes string
---@return boolean  false when the other side is gone
function M.write(socket, bytes)
  return socket:xwrite(bytes, "bn") and true or false
end

--- Ends a connection with FIN.
---@param socket userdata
function M.close(socket)
  socket:flush("n", 1)
  socket:shutdown("w")
  socket:close()
end

--- Ends a connection with RST. Needs LuaSocket, which alone can set SO_LINGER.
---@param socket userdata
function M.reset(socket)
  local handle = require("socket").tcp()
  handle:setfd(socket:pollfd())
  handle:setoption("linger", { on = true, timeout = 0 })
  handle:setfd(-1)
  socket:close()
end

--- Waits until the other side has gone, or the time is over.
---@param socket userdata
---@param seconds number
---@return boolean gone
function M.wait_closed(socket, seconds)
  local deadline = cqueues.monotime() + seconds
  local bytes, why
  repeat
    bytes, why = socket:xread(-4096, "b", math.max(0, deadline - cqueues.monotime()))
  until not bytes
  socket:clearerr("r") -- a timeout would stick otherwise
  return why ~= errno.ETIMEDOUT
end

return M

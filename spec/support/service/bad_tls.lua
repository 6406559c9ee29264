-- Ports whose TLS is at fault. The relay behind them is the ordinary one, where it can be reached.

local certificates = require "spec.support.service.certificates"
local listening = require "spec.support.service.listening"
local server = require "spec.support.service.server"
local sock = require "spec.support.service.socket"

local M = {}

local FOREVER = 3600

local function loopback(options)
  options.protocols = { "h2", "http/1.1" }
  options.names = options.names or { "127.0.0.1", "localhost", "::1" }
  return certificates.context(options)
end

-- A ServerHello of TLS 1.2 without extensions, that of secure renegotiation (RFC 5746) included.
local LEGACY_HELLO = "\22\3\3\0\42" .. "\2\0\0\38" .. "\3\3" .. ("r"):rep(32) .. "\0" -- no session
  .. "\192\47" -- TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
  .. "\0"

-- What such a port does with a new connection.
local HANDLERS = {
  tls_cut = function(socket) -- ends once the client has spoken
    socket:fill(1, FOREVER)
    sock.close(socket)
  end,
  tls_silent = function(socket) -- accepts, and never says a word
    sock.wait_closed(socket, FOREVER)
    socket:close()
  end,
  tls_legacy = function(socket) -- knows no secure renegotiation
    socket:fill(1, FOREVER)
    sock.write(socket, LEGACY_HELLO)
    sock.wait_closed(socket, 5)
    socket:close()
  end,
  tls_plain = function(socket) -- speaks plain HTTP
    socket:fill(1, FOREVER)
    sock.write(socket, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    sock.close(socket)
  end,
}

--- Opens them all.
---@param service table
---@param authority table
function M.open(service, authority)
  local contexts = {
    expired = loopback { authority = authority, expired = true },
    wrong_host = loopback { authority = authority, names = { "elsewhere.example" } },
    self_signed = loopback {},
    unknown_ca = loopback { authority = certificates.authority("An authority nobody knows") },
  }
  for name, context in pairs(contexts) do
    server.http(service, name, { context = context })
  end
  for name, handle in pairs(HANDLERS) do
    listening.listen(service, name, function(socket)
      service.cq:wrap(function()
        handle(sock.prepare(socket))
      end)
    end)
  end
end

--- A port where connecting neither succeeds nor fails: its queue is full. Needs LuaSocket.
---@return integer port
---@return table sockets  keep them as long as the port is needed
function M.blackhole()
  local socket = require "socket"
  local listener = assert(socket.bind("127.0.0.1", 0, 0))
  local _, port = listener:getsockname()
  local sockets = { listener }
  for index = 2, 4 do
    sockets[index] = socket.tcp()
    sockets[index]:settimeout(0)
    sockets[index]:connect("127.0.0.1", port)
  end
  return tonumber(port), sockets
end

return M

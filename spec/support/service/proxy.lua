-- An HTTP proxy: CONNECT for https, absolute URLs are refused. The user name in its URL
-- (http://refuse@127.0.0.1:PORT) says how it behaves:
--   none, ok   a tunnel to any port of loopback
--   refuse     403        auth    407        broken  502
--   cut        ends before an answer        die     ends the tunnel after its first answer
--   silent     never answers

local basexx = require "basexx"
local condition = require "cqueues.condition"
local cs = require "cqueues.socket"
local new_headers = require("http.headers").new
local listening = require "spec.support.service.listening"
local sock = require "spec.support.service.socket"

local M = {}

local FOREVER = 3600
local STATUS = { refuse = "403 Forbidden", auth = "407 Proxy Authentication Required",
  broken = "502 Bad Gateway" }

-- Request line and headers, or nil.
local function read_head(socket)
  local method, target = (socket:xread("*l", FOREVER) or ""):match("^(%S+) (%S+) HTTP/1%.[01]")
  local headers = new_headers()
  for line in function() return socket:xread("*l", FOREVER) end do
    local name, value = line:match("^([^:]+):%s*(.-)%s*$")
    if not name then
      break
    end
    headers:append(name:lower(), value)
  end
  return method, target, headers
end

local function user(headers)
  local encoded = (headers:get("proxy-authorization") or ""):match("^Basic (%S+)$")
  return encoded and basexx.from_base64(encoded):match("^[^:]*") or "ok"
end

-- Copies what comes until it ends, or once.
local function copy(from, to, once)
  repeat
    local bytes = from:xread(-16384, "b", FOREVER)
  until not bytes or not sock.write(to, bytes) or once
end

local function tunnel(service, socket, port, dies)
  local target = cs.connect { host = "127.0.0.1", port = tonumber(port), nodelay = true }
  sock.prepare(target)
  sock.write(socket, "HTTP/1.1 200 Connection established\r\n\r\n")
  local up, over = true, condition.new()
  service.cq:wrap(function()
    copy(socket, target)
    target:shutdown("w")
    up = false
    over:signal()
  end)
  copy(target, socket, dies)
  socket:shutdown() -- both, so that the other direction finds its end as well
  target:shutdown()
  while up do
    over:wait()
  end
  socket:close()
  target:close()
end

local function handle(service, socket)
  sock.prepare(socket)
  local method, target, headers = read_head(socket)
  if not method then
    return socket:close()
  end
  local mode = user(headers)
  local entry = service.journal:begin { port = "proxy", version = "1.1", method = method,
    path = target, headers = headers, stream = { connection = socket } }
  entry.step = mode
  local port = target:match("^[^/]+:(%d+)$")
  local status = STATUS[mode] or method ~= "CONNECT" and "400 Bad Request"
  if status then
    sock.write(socket, "HTTP/1.1 " .. status .. "\r\nContent-Length: 0\r\n"
      .. "Proxy-Authenticate: Basic realm=\"stand-in\"\r\n\r\n")
    sock.close(socket)
  elseif mode == "silent" then
    sock.wait_closed(socket, FOREVER)
    socket:close()
  elseif mode == "cut" then
    sock.close(socket)
  else
    tunnel(service, socket, port, mode == "die")
  end
  service.journal:finish(entry)
end

--- Opens the proxy's port.
---@param service table
---@return table listener
function M.open(service)
  return listening.listen(service, "proxy", function(socket)
    service.cq:wrap(handle, service, socket)
  end)
end

return M

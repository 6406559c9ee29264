-- Steps that break HTTP itself. Each works on HTTP/1.1 by writing raw bytes to the socket that
-- it takes over; what HTTP/2 can express is done there in its own terms, all else kills the
-- connection.
-- A step is function(exchange, parameters); it returns nothing: it has dealt with the wire.

local cqueues = require "cqueues"
local gzip = require "spec.support.service.gzip"
local reply = require "spec.support.service.reply"
local sock = require "spec.support.service.socket"
local texts = require "spec.support.service.text"

local M = { steps = {} }
local steps = M.steps

local BODY = [[{"id":"x","status":"pending","video_url":null,"status_update_time":1750323167003}]]
local FOREVER = 3600
local FLIGHT = 0.02 -- seconds for written bytes to be read before the end discards them
local GOAWAY = 7 -- a frame's type
local SPACES = (" "):rep(16384)

-- The head of an HTTP/1.1 answer; fields: list of lines.
local function head(...)
  return table.concat({ "HTTP/1.1 200 OK", "Content-Type: application/json", ... }, "\r\n")
    .. "\r\n\r\n"
end

local function length(n)
  return string.format("Content-Length: %d", n)
end

-- Cuts: the connection ends before, in or after the headers, or in the body -----------------------

local PARTS = {
  before = function() end,
  headers = function(x, socket)
    if x.version == "2" then
      sock.write(socket, "\0\0\32\1\4\0\0\0\1\136") -- a HEADERS frame, 31 bytes short
    else
      sock.write(socket, "HTTP/1.1 200 OK\r\nContent-Type: appl")
    end
  end,
  body = function(x, socket)
    if x.version ~= "2" then
      sock.write(socket, head(length(#BODY)) .. BODY:sub(1, 30))
    end
  end,
}

local function cut(ending, part)
  return function(x)
    if part == "body" and x.version == "2" then
      x.stream:write_headers(reply.headers { headers = { { "content-length", tostring(#BODY) } } },
        false)
      reply.write(x.stream, BODY:sub(1, 30))
    end
    local socket = sock.take(x)
    PARTS[part](x, socket)
    if part ~= "before" then
      cqueues.sleep(FLIGHT)
    end
    sock[ending](socket)
  end
end

steps.reset = cut("reset", "before")
steps.reset_headers = cut("reset", "headers")
steps.reset_body = cut("reset", "body")
steps.close = cut("close", "before")
steps.close_headers = cut("close", "headers")
steps.close_body = cut("close", "body")

--- A whole answer that promises to keep the connection, then the connection is reset.
function steps.stale(x)
  reply.send(x, { body = BODY })
  cqueues.sleep(FLIGHT)
  sock.reset(sock.take(x))
end

-- Raw bytes ----------------------------------------------------------------------------------

-- Sends these bytes, and then ends the connection.
local function send_raw(x, bytes)
  local socket = sock.take(x)
  sock.write(socket, bytes)
  cqueues.sleep(FLIGHT)
  sock.close(socket)
end

local function raw(name, bytes)
  steps[name] = function(x) send_raw(x, bytes) end
end

local CHUNKED = "Transfer-Encoding: chunked"
raw("short_body", head(length(#BODY + 100)) .. BODY)
raw("bad_chunk", head(CHUNKED) .. "5\r\n" .. BODY:sub(1, 5) .. "\r\nzz\r\n" .. BODY:sub(6))
raw("cut_chunk", head(CHUNKED) .. string.format("%x\r\n", #BODY) .. BODY:sub(1, 20))
raw("no_last_chunk", head(CHUNKED) .. string.format("%x\r\n%s\r\n", #BODY, BODY))
raw("garbage", "\22\3\1\0\5 this is not HTTP at all\r\n\r\n")
raw("bad_status", "HTTP/1.1 abc OK\r\n" .. length(0) .. "\r\n\r\n")
raw("bad_header", head("no colon in this line", length(#BODY)) .. BODY)
raw("nul_header", head("X-Nul: a\0b", length(#BODY)) .. BODY)
raw("bad_length", head("Content-Length: many") .. BODY)
raw("negative_length", head("Content-Length: -5") .. BODY)
raw("two_lengths", head(length(#BODY), length(#BODY - 7)) .. BODY)
raw("bad_gzip", head("Content-Encoding: gzip", length(#BODY)) .. BODY)
raw("no_length", head("Connection: close") .. BODY)

--- text: the answer, byte for byte; then the connection ends. On HTTP/2: a reset.
function steps.raw(x, parameters)
  if x.version == "2" then
    return steps.reset(x)
  end
  send_raw(x, parameters.text)
end

--- More bytes than Content-Length says, on a connection that stays open.
function steps.long_body(x)
  local socket = sock.take(x)
  sock.write(socket, head(length(#BODY)) .. BODY .. [[{"id":"stale","status":"completed"}]])
  sock.wait_closed(socket, 5)
  socket:close()
end

-- Slow and silent ----------------------------------------------------------------------------

--- Never answers. On HTTP/2 only this stream hangs.
function steps.never(x)
  if x.version == "2" then
    while reply.alive(x.stream) do
      cqueues.sleep(0.1)
    end
    return
  end
  local socket = sock.take(x)
  sock.wait_closed(socket, FOREVER)
  socket:close()
end

--- Headers at once, then a byte of the body each `interval` seconds (1).
function steps.drip(x, parameters)
  local interval = tonumber(parameters.interval) or 1
  reply.send(x, { length = #BODY, body = function(write)
    for place = 1, #BODY do
      cqueues.sleep(interval)
      if not write(BODY:sub(place, place)) then
        return
      end
    end
  end })
end

--- A byte of the headers each `interval` seconds (1). On HTTP/2, a frame's.
function steps.drip_headers(x, parameters)
  local socket = sock.take(x)
  local bytes = x.version == "2" and "\0\0\32\1\4\0\0\0\1\136" .. ("\0"):rep(30)
    or head(length(#BODY))
  local interval = tonumber(parameters.interval) or 1
  for place = 1, #bytes do
    if sock.wait_closed(socket, interval) or not sock.write(socket, bytes:sub(place, place)) then
      break
    end
  end
  socket:close()
end

-- Too much -----------------------------------------------------------------------------------

-- A HEADERS or CONTINUATION frame of HTTP/2 that does not end its block.
local function open_frame(kind, stream_id, payload)
  return texts.big_endian(#payload, 3) .. string.char(kind, 0) .. texts.big_endian(stream_id, 4)
    .. payload
end

--- Headers without end.
function steps.header_flood(x)
  local stream_id = x.stream.id
  local socket = sock.take(x)
  local value = ("a"):rep(100)
  local line = x.version == "2" and "\0\7x-flood\100" .. value or "X-Flood: " .. value .. "\r\n"
  local block = line:rep(100)
  local going = sock.write(socket, x.version == "2" and open_frame(1, stream_id, "\136" .. block)
    or "HTTP/1.1 200 OK\r\n")
  while going do
    going = sock.write(socket, x.version == "2" and open_frame(9, stream_id, block) or block)
  end
  socket:close()
end

--- One long header. size: in bytes, default 1 MiB
function steps.big_header(x, parameters)
  local size = tonumber(parameters.size) or 1048576
  reply.send(x, { body = BODY, headers = { { "x-big", ("a"):rep(size) } } })
end

--- A body of spaces. size: in bytes, default 2 GiB; chunked: without Content-Length
function steps.huge(x, parameters)
  local size = tonumber(parameters.size) or 2 ^ 31
  reply.send(x, { length = not parameters.chunked and size or nil, body = function(write)
    local left = size
    while left > 0 and write(left < #SPACES and SPACES:sub(1, left) or SPACES) do
      left = left - #SPACES
    end
  end })
end

--- A gzip bomb: spaces. size: unpacked, default 1 GiB
function steps.bomb(x, parameters)
  local size = tonumber(parameters.size) or 2 ^ 30
  reply.send(x, { headers = { { "content-encoding", "gzip" } }, body = function(write)
    local first, block = gzip.bomb()
    local going, sent = write(first), 0
    while going and sent < size do
      going = write(block)
      sent = sent + gzip.BOMB_BLOCK_SIZE
    end
  end })
end

-- HTTP/2's own -------------------------------------------------------------------------------

--- RST_STREAM instead of an answer. code: the error code, default 7 (REFUSED_STREAM).
--- On HTTP/1.1: a reset.
function steps.rst_stream(x, parameters)
  if x.version ~= "2" then
    return steps.reset(x)
  end
  x.stream:write_rst_stream_frame(tonumber(parameters.code) or 7)
end

--- GOAWAY while this request and maybe others are in flight: they are answered, later ones on
--- this connection are not. last: the last stream served, default this one; 0 disowns them all.
--- On HTTP/1.1: the answer says Connection: close.
function steps.goaway(x, parameters)
  if x.version ~= "2" then
    return { body = BODY, headers = { { "connection", "close" } } }
  end
  local connection = x.stream.connection
  local last = math.min(tonumber(parameters.last) or x.stream.id, connection.last_served or 2 ^ 31)
  connection.last_served = last -- reply.lua answers none beyond it
  -- Not by write_goaway_frame: lua-http would throw when it says farewell itself.
  connection:write_http2_frame(GOAWAY, 0, 0, texts.big_endian(last, 4) .. texts.big_endian(0, 4))
  return { body = BODY }
end

return M

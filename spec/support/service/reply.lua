-- Writes an answer to a lua-http stream, the same for HTTP/1.1 and HTTP/2.

local cqueues = require "cqueues"
local cs = require "cqueues.socket"
local gzip = require "spec.support.service.gzip"
local new_headers = require("http.headers").new

local M = {}

local CHUNKS = 3 -- of an answer that is asked to be chunked
local RECHECK = 0.25 -- seconds between looks whether a client that lets us wait is still there

--- The headers of an answer, ready for stream:write_headers.
---@param answer table  see M.send
---@return userdata headers
function M.headers(answer)
  local headers = new_headers()
  headers:append(":status", string.format("%d", answer.status or 200))
  headers:append("date", M.date(0))
  if answer.type ~= "" then
    headers:append("content-type", answer.type or "application/json; charset=utf-8")
  end
  for _, pair in ipairs(answer.headers or {}) do
    headers:append(pair[1]:lower(), pair[2])
  end
  return headers
end

--- An HTTP date.
---@param offset number  seconds from now
---@return string
function M.date(offset)
  return (os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + math.floor(offset)))
end

--- Whether the client can still be answered: neither has it reset the stream nor gone.
---@param stream table
---@return boolean
function M.alive(stream)
  local connection = stream.connection
  local socket = connection.socket
  if stream.state == "closed" or cs.type(socket) ~= "socket" then
    return false
  elseif connection.last_served and stream.id > connection.last_served then -- after a GOAWAY
    return false
  end
  return not socket:eof("w") and not socket:eof("r")
end

-- Waits for HTTP/2's flow control to let some bytes pass; returns how many. lua-http's own wait
-- never ends when the client has gone.
local function await_credit(stream)
  local connection = stream.connection
  while M.alive(stream) do
    local credit = math.min(stream.peer_flow_credits, connection.peer_flow_credits)
    if credit > 0 then
      return credit
    end
    cqueues.poll(stream.peer_flow_credits_change, connection.peer_flow_credits_change, RECHECK)
  end
end

--- Writes a part of a body.
---@param stream table
---@param bytes string
---@return boolean|nil ok  nil when the client has gone
function M.write(stream, bytes)
  if stream.connection.version ~= 2 then
    return M.alive(stream) and stream:write_chunk(bytes, false)
  end
  local sent = 0
  while sent < #bytes do
    local credit = await_credit(stream)
    if not credit or not stream:write_chunk(bytes:sub(sent + 1, sent + credit), false) then
      return nil
    end
    sent = sent + credit
  end
  return M.alive(stream)
end

local function finish(stream)
  if M.alive(stream) then
    stream:write_chunk("", true)
  end
end

local function write_in_chunks(stream, body)
  local size = math.max(1, math.ceil(#body / CHUNKS))
  for from = 1, #body, size do
    if not M.write(stream, body:sub(from, from + size - 1)) then
      return
    end
  end
  finish(stream)
end

local function write_streamed(stream, body)
  body(function(bytes)
    return M.write(stream, bytes)
  end)
  -- HTTP/1.1 cannot end a body that fell short of its length: its stream breaks off.
  if not stream.body_write_left or stream.body_write_left == 0 then
    finish(stream)
  end
end

--- Sends one answer.
---@param x table  the exchange
---@param answer table  status (200), type (JSON; "" for none), headers: list of {name, value},
---  body: string, or function(write) that calls write(bytes) until it returns nil,
---  length: Content-Length of a body that is a function, chunked: boolean, gzip: boolean
function M.send(x, answer)
  local stream, body = x.stream, answer.body or ""
  local status = answer.status or 200
  local bodiless = status == 204 or status == 304
  local headers = M.headers(answer)
  local streamed = type(body) == "function"
  local length = answer.length
  x.entry.status = status
  if answer.gzip then
    body = gzip.stored(body)
    headers:append("content-encoding", "gzip")
  end
  if not streamed and not answer.chunked and not bodiless then
    length = #body
  end
  if length then
    headers:append("content-length", string.format("%d", length))
  end
  if not M.alive(stream) then
    return
  elseif bodiless or x.method == "HEAD" or length == 0 then
    stream:write_headers(headers, true)
    return
  end
  if not stream:write_headers(headers, false) then
    return -- the client has gone
  elseif streamed then
    write_streamed(stream, body)
  elseif answer.chunked then
    write_in_chunks(stream, body)
  elseif M.write(stream, body) then
    finish(stream)
  end
end

return M

-- A server that means harm, from a seed: HTTP/1.1 with a grammar of what is wrong with lines,
-- headers, codings, lengths and the moments at which bytes come; HTTP/2 with frames by hand. For
-- hostile.lua. Longer than other files by the tables of what is wrong.

local chances = require "spec.support.chance"
local cqueues = require "cqueues"
local pattern = require "spec.support.service.pattern"
local socket = require "cqueues.socket"
local sock = require "spec.support.service.socket"

local M = {}

M.KEY = "sk-hostile-0815-SECRET" -- it quotes the client's key
M.SIZE = 70000 -- bytes of the video

-- Chance

local chance

--- Begins anew.
---@param seed integer
function M.sow(seed) chance = chances.new(seed) end

--- A whole number from 1 to `most`.
function M.random(most) return chance:between(1, most) end

function M.one_of(list) return chance:of(list) end

--- True one time in so many.
function M.sometimes(one_in) return M.random(one_in) == 1 end

local random, one_of, sometimes = M.random, M.one_of, M.sometimes

local function bytes(count)
  local list = {}
  for i = 1, count do list[i] = string.char(random(256) - 1) end
  return table.concat(list)
end

-- Bodies

local TASK = '{"id":"x","status":"%s","video_url":"%s","progress":%s,"detail":{"message":"%s"}}'

local function json()
  local text = TASK:format(one_of { "completed", "failed", "pending", "x", "" },
    one_of { "http://127.0.0.1:1/a.mp4", "", "/v1/content", "data:video/mp4;base64,AAAA" },
    one_of { "1", "-1", '"50%"', "1e999", "null", "[]" },
    one_of { "", M.KEY, "Bearer " .. M.KEY, M.KEY:gsub("-", "\\u002d"), ("x"):rep(500) })
  if sometimes(4) then
    local at = random(#text)
    text = text:sub(1, at - 1) .. bytes(random(3)) .. text:sub(at + 1)
  end
  return text
end

local BODIES = {
  json, json, json,
  function() return "" end,
  function() return "<html><body>" .. M.KEY .. "</body></html>" end,
  function() return ("["):rep(random(2000)) end,
  function() return bytes(random(3000)) end,
  function() return '{"error":{"code":"' .. M.KEY .. '","message":"' .. M.KEY .. '"}}' end,
  function() return pattern.bytes(M.SIZE, 0, M.SIZE - 1) end,
  function() return pattern.bytes(M.SIZE, 0, random(M.SIZE) - 1) end,
}

-- HTTP/1.1

local STATUS = {
  "HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "HTTP/1.0 200 OK", "HTTP/1.1 200",
  "HTTP/1.1 206 Partial Content", "HTTP/1.1 302 Found", "HTTP/1.1 401 " .. M.KEY,
  "HTTP/1.1 404 Not Found", "HTTP/1.1 416 Range", "HTTP/1.1 429 Slow", "HTTP/1.1 500 Oops",
  "HTTP/1.1 503 Busy", "HTTP/1.1 999 What", "HTTP/1.1 100 Continue", "HTTP/1.1 204 Nothing",
  "HTTP/2 200", "HTTP/9.9 200 OK", "ICY 200 OK", "nonsense", "",
}

local HEADERS = {
  function(body) return "Content-Length: " .. #body end,
  function(body) return "Content-Length: " .. #body end,
  function(body) return "Content-Length: " .. #body + random(100) - 50 end,
  function() return "Content-Length: -5" end,
  function() return "Content-Length: 99999999999999999999" end,
  function() return "Transfer-Encoding: chunked" end,
  function() return "Content-Encoding: " .. one_of { "gzip", "br", "deflate", "x", "identity" } end,
  function() return "Content-Type: " .. one_of { "application/json", "text/html", "video/mp4" } end,
  function() return "Retry-After: " .. one_of { "0", "0", "0.1", "-1", "x", M.KEY } end,
  function()
    local first, last, all = random(M.SIZE) - 1, random(M.SIZE), random(M.SIZE)
    return ("Content-Range: bytes %d-%d/%d"):format(first, last, all)
  end,
  function() return ("Content-Range: bytes 0-%d/%d"):format(M.SIZE - 1, M.SIZE) end,
  function() return "ETag: " .. one_of { '"a"', 'W/"a"', '"b"', M.KEY } end,
  function() return "Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT" end,
  function() return "Location: " .. one_of { "/", "http://[", "file:///etc/passwd", "//", "" } end,
  function() return "X-Request-Id: " .. M.KEY end,
  function() return "X: " .. ("x"):rep(random(20000)) end,
  function() return " folded: " .. ("f"):rep(random(300)) end,
  function() return "no colon" end,
  function() return "N\0L: \0" end,
  function() return "Connection: " .. one_of { "close", "keep-alive", "upgrade" } end,
}

local function chunked(body)
  local parts, at = {}, 1
  while at <= #body do
    local part = body:sub(at, at + random(4000))
    at = at + #part
    parts[#parts + 1] = ("%x%s\r\n%s\r\n"):format(#part, sometimes(20) and ";x" or "", part)
  end
  if not sometimes(6) then parts[#parts + 1] = "0\r\n\r\n" end
  return table.concat(parts)
end

local function answer()
  local body = one_of(BODIES)()
  local lines = { one_of(STATUS) }
  for _ = 1, random(6) - 1 do lines[#lines + 1] = one_of(HEADERS)(body) end
  if sometimes(2) then lines[#lines + 1] = "Content-Length: " .. #body end
  local head = table.concat(lines, "\r\n")
  if head:find("Transfer-Encoding", 1, true) and not sometimes(5) then body = chunked(body) end
  return head .. one_of { "\r\n\r\n", "\r\n\r\n", "\r\n\r\n", "\n\n", "\r\n" } .. body
end

--- Sends in pieces, with pauses, and may break off.
local function send(con, text)
  local pieces = sometimes(2) and 1 or random(6)
  local cut = sometimes(6) and random(#text + 1) - 1 or #text
  local at = 1
  for i = 1, pieces do
    local last = i == pieces and cut or math.min(cut, at + random(math.ceil(#text / pieces)))
    if not sock.write(con, text:sub(at, last)) then return false end
    at = last + 1
    if sometimes(3) then cqueues.sleep(random(20) / 1000) end
  end
  return cut == #text
end

local function serve_http1(con)
  for _ = 1, 20 do
    repeat
      local line = con:read "*L"
      if not line then return end
    until line == "\r\n"
    if sometimes(15) then cqueues.sleep(1) end -- never answered
    if not send(con, answer()) or sometimes(4) then return end
  end
end

-- HTTP/2: RFC 9113, 4.1

local function u16(n) return string.char(math.floor(n / 256) % 256, n % 256) end
local function u32(n) return u16(math.floor(n / 65536)) .. u16(n % 65536) end

local function frame(kind, flags, stream, payload, length)
  length = length or #payload
  return string.char(math.floor(length / 65536) % 256) .. u16(length % 65536)
    .. string.char(kind, flags) .. u32(stream) .. payload
end

local DATA, HEADERS_FRAME, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION =
  0, 1, 3, 4, 5, 6, 7, 8, 9

local function literal(name, value) -- RFC 7541, 6.2.2: without indexing, new name
  return "\0" .. string.char(#name) .. name .. string.char(#value) .. value
end

local function head()
  local block = one_of { "\136", "\136", "\136", "\139", "\141", "", "\255\255", bytes(5) }
  if sometimes(2) then block = block .. literal("content-type", "application/json") end
  if sometimes(4) then block = block .. literal("retry-after", "0") end
  if sometimes(6) then block = block .. literal("content-length", tostring(random(500))) end
  if sometimes(8) then block = block .. literal("Upper", "x") end
  return block
end

local function data(stream)
  local body = one_of(BODIES)():sub(1, 60000)
  local list = {}
  for at = 1, math.max(1, #body), 16384 do
    local part = body:sub(at, at + 16383)
    local last = at + 16384 > #body and not sometimes(8)
    list[#list + 1] = frame(DATA, last and 1 or 0, stream, part)
  end
  return table.concat(list)
end

local TRICKS = {
  function(stream) return frame(RST, 0, stream, u32(random(14) - 1)) end,
  function(stream)
    return frame(GOAWAY, 0, 0, u32(sometimes(2) and 0 or stream) .. u32(random(12)))
  end,
  function() return frame(PING, 0, 0, ("p"):rep(8)):rep(random(200)) end,
  function() return frame(SETTINGS, 0, 0, u16(3) .. u32(random(3) - 1)) end,
  function() return frame(SETTINGS, 0, 0, u16(4) .. u32(random(3) - 1)) end,
  function() return frame(SETTINGS, 0, 0, ""):rep(random(100)) end,
  function() return frame(WINDOW, 0, 0, u32(0)) end,
  function(stream) return frame(WINDOW, 0, stream, u32(2147483647)):rep(2) end,
  function() return frame(DATA, 0, 0, "x") end,
  function(stream) return frame(DATA, 8, stream, "\255x") end, -- padding longer than the frame
  function(stream) return frame(PUSH, 4, stream, u32(2) .. head()) end,
  function(stream)
    return frame(HEADERS_FRAME, 0, stream, "\136")
      .. frame(CONTINUATION, 0, stream, literal("x", ("y"):rep(100))):rep(random(40))
  end,
  function() return frame(random(255), random(256) - 1, random(9), bytes(random(50))) end,
  function(stream) return frame(HEADERS_FRAME, 4, stream, "\136", random(16000000)) end,
  function() return bytes(random(200)) end,
}

local function answer2(stream)
  local text = ""
  if sometimes(3) then text = one_of(TRICKS)(stream) end
  text = text .. frame(HEADERS_FRAME, sometimes(12) and 5 or 4, stream, head()) .. data(stream)
  if sometimes(3) then text = text .. one_of(TRICKS)(stream) end
  return text
end

local function serve_http2(con)
  if not con:read(24) then return end
  sock.write(con, frame(SETTINGS, 0, 0, sometimes(3) and u16(3) .. u32(random(4) - 1) or ""))
  for _ = 1, 200 do
    local header = con:read(9)
    if not header or #header < 9 then return end
    local a, b, c, kind, flags = header:byte(1, 5)
    local length = a * 65536 + b * 256 + c
    local stream = header:byte(8) * 256 + header:byte(9)
    if length > 0 and not con:read(length) then return end
    if kind == SETTINGS and flags % 2 == 0 then sock.write(con, frame(SETTINGS, 1, 0, "")) end
    if kind == HEADERS_FRAME then
      if sometimes(15) then cqueues.sleep(1) end
      if not send(con, answer2(stream)) or sometimes(10) then return end
    end
  end
end

-- The server

--- Serves on a free port: HTTP/2 with TLS, HTTP/1.1 without.
---@param queue userdata  a controller of cqueues
---@param context userdata?  of TLS
---@return integer port
---@return userdata listener
function M.listen(queue, context)
  local serve = context and serve_http2 or serve_http1
  local listener = assert(socket.listen("127.0.0.1", 0))
  assert(listener:listen())
  local _, _, port = listener:localname()
  queue:wrap(function()
    while true do -- Lua 5.1 cannot yield in an iterator
      local con = listener:accept()
      if not con then return end
      queue:wrap(function()
        con = sock.prepare(con)
        if not context or con:starttls(context, 3) then serve(con) end
        sock.close(con)
      end)
    end
  end)
  return port, listener
end

return M

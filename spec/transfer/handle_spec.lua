-- Which handle serves which connection, with a server whose next connection speaks another protocol
-- than the last. What libcurl keeps in a handle, and in which versions: csrc/transfer/handle.h.

local flows = require "spec.support.flows"
if flows.lacking then return describe("handles", function() pending(flows.lacking) end) end

require "spec.support.lua_http" -- it makes contexts of TLS

local certificates = require "spec.support.service.certificates"
local is_before = require("spec.support.libcurl").is_before
local socket = require "cqueues.socket"

local WORN = not is_before(7, 84) and is_before(8, 1)
local BODY = '{"status":"queued"}'
local PREFACE = #"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
local SETTINGS, HEADERS, DATA = 4, 1, 0
local END_STREAM, END_HEADERS = 1, 4

local function frame(kind, flags, stream, payload)
  return string.char(0, 0, #payload, kind, flags, 0, 0, 0, stream) .. payload
end

--- Answers `count` requests of HTTP/2 (RFC 9113) on a connection. Returns whether one came.
local function speak_h2(connection, count)
  connection:read(PREFACE)
  connection:write(frame(SETTINGS, 0, 0, ""))
  local left = count
  while left > 0 do
    local head = connection:read(9)
    if not head then return left < count end
    local high, middle, low, kind, _, _, _, _, stream = head:byte(1, 9)
    local length = (high * 256 + middle) * 256 + low
    if length > 0 then connection:read(length) end
    if kind == HEADERS then
      left = left - 1
      connection:write(frame(HEADERS, END_HEADERS, stream, "\136") -- ":status: 200"
        .. frame(DATA, END_STREAM, stream, BODY))
    end
  end
  return true
end

--- The same with HTTP/1.1; `first` stands before the other headers, `status` in the place of the
-- status line.
local function speak_h1(connection, count, first, status)
  for i = 1, count do
    repeat
      local line = connection:read "*L"
      if not line then return i > 1 end
    until line == "\r\n"
    connection:write(("%s\r\n%sContent-Length: %d\r\n\r\n%s"):format(status or "HTTP/1.1 200 OK",
      first, #BODY, BODY))
  end
  return true
end

--- Serves connections one after the other: each { speak, count, … } of the list. One that ends
-- before a request came is taken for none: where a handle is not good for it, HTTP/1.1 loses it.
local function serve(list)
  local protocols = {}
  local context = certificates.context { names = { "127.0.0.1" }, protocols = protocols }
  local server = socket.listen { host = "127.0.0.1", port = 0 }
  local _, _, port = server:localname()
  flows.spawn(function()
    for _, one in ipairs(list) do
      protocols[1] = one[1] == speak_h2 and "h2" or "http/1.1"
      local served
      repeat
        local connection = server:accept()
        connection:setmode("b", "bn")
        served = connection:starttls(context) and one[1](connection, one[2], one[3] or "", one[4])
        connection:close()
      until served
    end
    server:close()
  end)
  return "https://127.0.0.1:" .. port
end

--- Asks so many times on one client of the server. Returns the errors' kinds, false where there was
-- none, and the client's counts.
local function ask(list, times)
  return flows.run(function()
    local client = flows.sora.client {
      base_url = serve(list), verify = false, api_key = "sk-x", retries = 0, request_timeout = 10,
    }
    local kinds = {}
    for i = 1, times do
      local _, err = client:query "x"
      kinds[i] = err and err.kind or false
    end
    local stats = client:stats()
    client:close()
    return kinds, stats
  end)
end

describe("a handle", function()
  it("serves one request of HTTP/2 after the other", function()
    local kinds, stats = ask({ { speak_h2, 5 } }, 5)
    assert.same({ false, false, false, false, false }, kinds)
    assert.equal(5, stats.attempts)
    assert.equal(1, stats.connections)
  end)

  it("serves the next connection, whatever that speaks", function()
    local kinds, stats = ask({ { speak_h2, 2 }, { speak_h1, 2 }, { speak_h2, 2 } }, 6)
    assert.same({ false, false, false, false, false, false }, kinds)
    assert.equal(6, stats.attempts)
  end)

  it("knows nothing of an answer before when the first line goes on with one", function()
    local kinds, stats = ask({ { speak_h2, 2 }, { speak_h1, 1, " goes: on\r\n" }, { speak_h2, 1 } },
      4)
    assert.is_false(kinds[1] or kinds[2] or kinds[4])
    assert.equal(4, stats.attempts)
  end)

  it("serves one request of HTTP/1.1 after the other, also when such a line has come", function()
    for _, blank in ipairs { " ", "\t" } do
      local goes_on = blank .. "goes: on\r\n"
      local kinds, stats = ask({
        { speak_h1, 3 }, { speak_h1, 1, goes_on }, { speak_h1, 2 },
        { speak_h1, 1, "it: " .. goes_on .. goes_on }, { speak_h1, 1, goes_on, "HTTP/2 200" },
      }, 8)
      local refused = WORN and "network" or kinds[4] -- later ones may pass over such a line
      assert.same({ false, false, false, refused, false, false, false, refused }, kinds)
      assert.equal(8, stats.attempts)
    end
  end)
end)

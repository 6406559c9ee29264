-- What is read from the head of an answer, byte by byte as a server may write it.

local sora = require "sora"
local standin = require "spec.support.standin"

local service = standin.shared()

local c

setup(function() c = sora.client { base_url = service.http_url, retries = 0 } end)
teardown(function() c:close() end)

--- The error of an answer with these lines in its head.
local function refusal(...)
  local id = service:id()
  local body = '{"message":"slow down"}'
  local head = table.concat({ "HTTP/1.1 429 Too Many Requests", ... }, "\r\n")
  service:script(id, { { step = "raw", text = head .. "\r\nContent-Length: " .. #body
    .. "\r\nConnection: close\r\n\r\n" .. body } })
  local task, err = c:query(id)
  assert.is_nil(task)
  assert.are.equal("api", err.kind, tostring(err))
  assert.are.equal(429, err.status)
  return err
end

local function retry_after(...) return refusal(...).retry_after end

--- A moment from now in a form of `os.date`, in the C locale.
local function moment(format, seconds)
  local names = {
    a = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" },
    A = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" },
    b = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" },
  }
  local at = os.time() + seconds
  local t = os.date("!*t", at)
  format = format:gsub("%%([aAb])", function(what)
    return names[what][what == "b" and t.month or t.wday]
  end)
  return (os.date("!" .. format, at):gsub("@(%d)(%d)", function(tens, ones)
    return (tens == "0" and " " or tens) .. ones
  end))
end

describe("Retry-After", function()
  it("in seconds is taken, however it is written", function()
    assert.are.equal(7, retry_after "Retry-After: 7")
    assert.are.equal(7, retry_after "RETRY-AFTER:7")
    assert.are.equal(7, retry_after "retry-after: \t 007 \t")
    assert.are.equal(0, retry_after "Retry-After: 0")
    assert.are.equal(1.5, retry_after "Retry-After: 1.5")
    assert.are.equal(86400, retry_after "Retry-After: 86400")
  end)

  it("is ten minutes where it asks for more than a day, which no poll can wait for", function()
    assert.are.equal(600, retry_after "Retry-After: 86401")
    assert.are.equal(600, retry_after "Retry-After: 99999999999999999999999999")
  end)

  it("as a time of Unix, or a date, is counted from the answer's own Date", function()
    assert.are.equal(30, retry_after("Retry-After: 1700000030\r\n"
      .. "Date: Tue, 14 Nov 2023 22:13:20 GMT"))
    assert.are.equal(40, retry_after("Retry-After: Tue, 14 Nov 2023 22:14:00 GMT\r\n"
      .. "Date: Tue, 14 Nov 2023 22:13:20 GMT"))
    assert.are.equal(0, retry_after("Retry-After: 1700000000\r\n"
      .. "Date: Tue, 14 Nov 2023 22:13:21 GMT"))
  end)

  -- RFC 9110, 5.6.7: a recipient must accept all three
  for name, form in pairs { ["IMF-fixdate"] = "%a, %d %b %Y %H:%M:%S GMT",
    ["of RFC 850"] = "%A, %d-%b-%y %H:%M:%S GMT", ["of asctime"] = "%a %b @%d %H:%M:%S %Y" } do
    it("as a date " .. name .. " is the time until then", function()
      local seconds = retry_after("Retry-After: " .. moment(form, 90))
      assert.is_true(seconds > 60 and seconds <= 90, tostring(seconds))
      assert.are.equal(0, retry_after("Retry-After: " .. moment(form, -90)))
    end)
  end

  it("as a date long ago is now", function()
    for _, date in ipairs { "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
      "Sun Nov  6 08:49:37 1994" } do
      assert.are.equal(0, retry_after("Retry-After: " .. date))
    end
  end)

  it("that says nothing is none", function()
    for _, value in ipairs { "", " ", "soon", "-5", "+5x", "1.5s", "0x10", "7 8", "seven",
      "Sun, 99 Nov 2094 99:99:99 GMT", ("1"):rep(48), ("x"):rep(4000), "7\128" } do
      local err = refusal("Retry-After: " .. value)
      assert.is_nil(err.retry_after, ("%q: %s"):format(value, tostring(err.retry_after)))
    end
  end)

  it("that comes twice counts once, the last", function()
    assert.are.equal(9, retry_after("Retry-After: 7", "Retry-After: 9"))
  end)

  it("of an answer before the answer is not the answer's", function()
    local id = service:id()
    service:script(id, { { step = "raw", text = "HTTP/1.1 103 Early Hints\r\nRetry-After: 99\r\n"
      .. "X-Request-Id: early\r\n\r\nHTTP/1.1 429 Too Many Requests\r\n"
      .. "Connection: close\r\nContent-Length: 0\r\n\r\n" } })
    local _, err = c:query(id)
    assert.are.equal(429, err.status)
    assert.is_nil(err.retry_after)
    assert.is_nil(err.request_id)
  end)

  it("folded over two lines, as nobody may any more, does no harm", function()
    local seconds = retry_after("Retry-After:", " 7")
    assert.is_true(seconds == nil or seconds == 7)
    assert.is_nil(retry_after("X-Other: a", " retry-after: 7"))
  end)

  it("in the body or in another header's value is none", function()
    assert.is_nil(retry_after "X-Retry-After: 7")
    assert.is_nil(retry_after "X-Other: Retry-After: 7")
    assert.is_nil(retry_after "Retry-After2: 7")
  end)
end)

describe("the id of a request", function()
  it("is the service's own before a proxy's, in any order, the first of two", function()
    assert.are.equal("own", refusal("CF-Ray: ray", "X-Request-Id: x",
      "X-Oneapi-Request-Id: own").request_id)
    assert.are.equal("own", refusal("X-ONEAPI-REQUEST-ID: own", "X-Oneapi-Request-Id: second",
      "cf-ray: ray").request_id)
  end)

  it("that is too long or no text is left out", function()
    assert.is_nil(refusal("X-Request-Id: " .. ("x"):rep(128)).request_id)
    assert.are.equal(127, #refusal("X-Request-Id: " .. ("x"):rep(127)).request_id)
    assert.is_nil(refusal "X-Request-Id: a\27[31mb".request_id)
  end)
end)

describe("Content-Type", function()
  local function message(type, body)
    local id = service:id()
    service:script(id, { { step = "raw", text = "HTTP/1.1 502 Bad Gateway\r\nContent-Type: " .. type
      .. "\r\nConnection: close\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body } })
    return (select(2, c:query(id))).message
  end

  it("does not say what is a page: its first bytes do", function()
    for _, type in ipairs { "text/html", "TEXT/HTML; charset=utf-8", "text/plain", "" } do
      assert.are.equal("HTTP 502", message(type, "oops"), type)
      assert.are.equal("HTTP 502 with an HTML page", message(type, "\n<html>oops"), type)
    end
  end)
end)

-- The stand-in's broken HTTP, byte for byte.

local curl = require "spec.support.curl"
local eventually = require "spec.support.eventually"
local standin = require "spec.support.standin"

-- What becomes of a query with curl over HTTP/1.1, and over HTTP/2 where that is another thing. An
-- end of TLS that nobody announced, and two lengths, are for curl's version to judge.
local OUTCOMES = {
  { "reset", "fails" },
  { "reset_headers", "fails" },
  { "reset_body", "fails" },
  { "close", "fails" },
  { "close_headers", "ends or fails", "fails" }, -- curl takes half a line for a header
  { "close_body", "fails" },
  { "stale", "ends" },
  { "short_body", "fails" },
  { "long_body", "ends", "fails" },
  { "bad_chunk", "fails" },
  { "cut_chunk", "fails" },
  { "no_last_chunk", "fails" },
  { "garbage", "fails" },
  { "bad_status", "fails" },
  { "bad_header", "fails" },
  { "nul_header", "fails" },
  { "bad_length", "fails" },
  { "negative_length", "fails" },
  { "two_lengths", "ends or fails", "fails" },
  { "no_length", "ends or fails", "fails" },
  { "bad_gzip", "fails" },
  { "drip;interval=0.001", "ends" },
  { "drip;interval=1", "hangs" },
  { "drip_headers;interval=1", "hangs" },
  { "never", "hangs" },
  { "big_header;size=20000", "ends" },
  { "big_header;size=400000", "fails" },
  { "huge;size=3000000", "ends" },
  { "huge;size=3000000;chunked", "ends" },
  { "bomb;size=3000000", "ends" },
  { "rst_stream;code=2", "fails" },
  { "goaway", "ends" },
}
local NAMES = { [0] = "ends", [28] = "hangs" }

describe("broken HTTP of the stand-in service", function()
  local service, open_before -- other specs may keep connections to the shared service

  setup(function()
    service = standin.shared()
    open_before = service:stats().connections_open
  end)

  after_each(function()
    assert.are.equal("", service:complaints())
  end)

  local function exit_of(base, step, seconds)
    local id = service:id(step)
    return curl.query({ ca_file = service.ca_file, base_url = base }, id, "--compressed",
      "-m", seconds or "20").exit
  end

  local function check(expected, base, step, where)
    local outcome = NAMES[exit_of(base, step, expected == "hangs" and "0.2")] or "fails"
    assert.is_truthy(expected:find(outcome), where .. " it " .. outcome)
  end

  for _, row in ipairs(OUTCOMES) do
    it("is what it says: " .. row[1], function()
      check(row[2], service.h1_url, row[1], "over HTTP/1.1 and TLS")
      check(row[2], service.http_url, row[1], "over plain HTTP/1.1")
      check(row[3] or row[2], service.base_url, row[1], "over HTTP/2")
    end)
  end

  it("is on plain HTTP/1.1 an answer without a length, which the end ends", function()
    local plain = { base_url = service.http_url, ca_file = service.ca_file }
    local answer = curl.query(plain, service:id "no_length")
    assert.are.equal(0, answer.exit)
    assert.is_nil(answer.headers["content-length"])
    assert.is_truthy(answer.body:find("^{.*}$"))
  end)

  it("tells a reset from an orderly end", function()
    local empty_reply, reset = 52, 56
    assert.are.equal(reset, exit_of(service.h1_url, "reset"))
    assert.are.equal(reset, exit_of(service.http_url, "reset"))
    assert.are.equal(empty_reply, exit_of(service.http_url, "close")) -- TLS would have to say so
  end)

  it("is headers without end", function()
    assert.are_not.equal(0, exit_of(service.h1_url, "header_flood"))
    assert.are_not.equal(0, exit_of(service.base_url, "header_flood"))
  end)

  it("unpacks from a bomb more than went over the wire", function()
    local packed = curl.query(service, service:id("bomb;size=3000000"))
    local unpacked = curl.query(service, service:id("bomb;size=3000000"), "--compressed")
    assert.is_true(#packed.body < 20000)
    assert.is_true(#unpacked.body >= 3000000)
    assert.is_nil(unpacked.body:find("[^ ]"))
  end)

  it("leaves no connection open", function()
    local open
    eventually(function()
      open = service:stats().connections_open
      return open <= open_before
    end)
    assert.is_true(open <= open_before, open .. " are open, " .. open_before .. " were")
  end)
end)

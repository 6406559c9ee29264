-- The stand-in's videos: sizes, ranges, rates and the faults of a CDN.

local curl = require "spec.support.curl"
local json = require "dkjson"
local standin = require "spec.support.standin"

describe("the CDN of the stand-in service", function()
  local service = standin.shared()

  after_each(function() assert.are.equal("", service:complaints()) end)

  local function fetch(url, ...)
    return curl.get("--cacert", service.ca_file, url, ...)
  end

  it("serves a synthetic video of any size, known byte for byte", function()
    local answer = fetch(service:video("size=100000"))
    assert.are.equal(200, answer.status)
    assert.are.equal("100000", answer.headers["content-length"])
    assert.are.equal(standin.synthetic(100000), answer.body)
    assert.are.equal("ftyp", answer.body:sub(5, 8))
    assert.are.equal(10, #fetch(service:video("size=10")).body)
  end)

  it("serves ranges", function()
    local url, whole = service:video("size=1000"), standin.synthetic(1000)
    local answer = fetch(url, "-r", "100-299")
    assert.are.equal(206, answer.status)
    assert.are.equal("bytes 100-299/1000", answer.headers["content-range"])
    assert.are.equal(whole:sub(101, 300), answer.body)
    assert.are.equal(whole:sub(991), fetch(url, "-r", "990-").body)
    assert.are.equal(whole:sub(901), fetch(url, "-r", "-100").body)
    local beyond = fetch(url, "-r", "1000-")
    assert.are.equal(416, beyond.status)
    assert.are.equal("bytes */1000", beyond.headers["content-range"])
  end)

  it("serves the range only while If-Range holds", function()
    local function status(query, if_range)
      return fetch(service:video(query), "-r", "5-", "-H", "If-Range: " .. if_range).status
    end
    local date = fetch(service:video("size=9")).headers["last-modified"]
    assert.are.equal(206, status("size=9", '"video-9"'))
    assert.are.equal(200, status("size=9", '"another"'))
    assert.are.equal(206, status("size=9", date))
    assert.are.equal(200, status("size=9&etag=weak", 'W/"video-9"'))
    assert.are.equal(200, status("size=9&etag=changing", '"v0"'))
    assert.is_nil(fetch(service:video("size=9&etag=none&date=none")).headers.etag)
  end)

  it("can ignore, refuse or confuse ranges", function()
    assert.are.equal(200, fetch(service:video("size=9&ranges=ignored"), "-r", "5-").status)
    assert.are.equal(416, fetch(service:video("size=9&ranges=refused"), "-r", "5-").status)
    local wrong = fetch(service:video("size=9&ranges=wrong"), "-r", "5-")
    assert.are.equal("bytes 0-8/9", wrong.headers["content-range"])
  end)

  it("can leave the length out", function()
    local answer = fetch(service:video("size=70000&chunked=1"), "--http1.1")
    assert.is_nil(answer.headers["content-length"])
    assert.are.equal(70000, #answer.body)
  end)

  it("can break off, a number of times", function()
    for _, version in ipairs { "--http1.1", "--http2" } do
      local url = service:video("size=50000&cut=20000&times=2")
      for _ = 1, 2 do
        local answer = fetch(url, version)
        assert.are_not.equal(0, answer.exit)
        assert.are.equal(20000, #answer.body)
      end
      assert.are.equal(50000, #fetch(url, version).body)
      assert.are_not.equal(0, fetch(service:video("size=50000&cut=0&reset=1"), version).exit)
    end
  end)

  it("can be slow", function()
    local answer = fetch(service:video("size=6000&rate=20000"))
    assert.are.equal(6000, #answer.body)
    assert.is_true(answer.seconds >= 0.25)
    assert.is_true(fetch(service:video("size=1&delay=0.2")).seconds >= 0.2)
  end)

  it("can redirect, to plain http as well, and in a loop", function()
    local url = service:video("size=9&redirect=3")
    assert.are.equal(302, fetch(url).status)
    assert.are.equal(standin.synthetic(9), fetch(url, "-L").body)
    local plain = fetch(service:video("size=9&redirect=1&to=http"))
    assert.are.equal(1, (plain.headers.location:find(service.http_url, 1, true)))
    assert.are.equal(standin.synthetic(9), fetch(plain.headers.location).body)
    assert.are.equal(47, fetch(service:video("redirect=1&to=loop"), "-L").exit)
  end)

  it("can fail, or answer with a page, a number of times", function()
    local url = service:video("size=9&status=503&times=1")
    assert.are.equal(503, fetch(url).status)
    assert.are.equal(200, fetch(url).status)
    local page = fetch(service:video("html=1"))
    assert.are.equal(200, page.status)
    assert.is_truthy(page.headers["content-type"]:find("text/html", 1, true))
  end)

  it("can refuse a URL until the task is asked again", function()
    local id = service:id("completed;video=size=9&expire=410")
    local function url()
      return json.decode(curl.query(service, id).body).video_url
    end
    local first, second = url(), url()
    assert.are.equal(410, fetch(first).status)
    assert.are.equal(410, fetch(first).status)
    assert.are.equal(200, fetch(second).status)
  end)

  it("logs under the id of the task", function()
    local id = service:id("completed")
    fetch(json.decode(curl.query(service, id).body).video_url)
    assert.are.equal(1, #service:log(id, "cdn"))
    assert.are.equal(2, #service:log(id))
  end)
end)

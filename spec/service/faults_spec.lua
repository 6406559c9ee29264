-- The stand-in's faults: each does to a client what its name says.

local curl = require "spec.support.curl"
local json = require "dkjson"
local socket = require "socket"
local standin = require "spec.support.standin"

describe("a fault of the stand-in service", function()
  local service = standin.shared()

  after_each(function() assert.are.equal("", service:complaints()) end)

  local function get(...)
    return curl.query(service, service:id(...))
  end

  it("is any HTTP status, with the body that is usual for it", function()
    assert.are.equal("task_not_exist", json.decode(get("400").body).code)
    assert.are.equal("new_api_error", json.decode(get("401").body).error.type)
    assert.is_truthy(get("502").headers["content-type"]:find("application/json", 1, true))
    assert.is_truthy(get("522").headers["content-type"]:find("text/html", 1, true))
    for status in ("400 401 403 404 408 425 429 500 501 502 503 504 520 527"):gmatch("%d+") do
      assert.are.equal(tonumber(status), get(status).status)
    end
  end)

  it("has the body it is asked to have", function()
    assert.is_table(json.decode(get("503;body=json").body))
    assert.is_truthy(get("503;body=html").body:find("<html", 1, true))
    assert.are.equal("", get("503;body=empty").body)
    assert.are.equal("text/plain", get("503;body=text").headers["content-type"])
  end)

  it("is a CDN's challenge or a relay's web UI", function()
    local challenge, ui = get("challenge"), get("web_ui")
    assert.are.equal(403, challenge.status)
    assert.are.equal(200, ui.status)
    for _, page in ipairs { challenge.body, ui.body } do
      assert.is_truthy(page:find("<html", 1, true))
    end
  end)

  it("sends Retry-After in seconds, as a date, or not at all", function()
    local empty = get("429")
    assert.are.equal("", empty.body)
    assert.is_nil(empty.headers["retry-after"])
    assert.are.equal("7", get("429;retry_after=7").headers["retry-after"])
    local date = get("429;retry_after=date:60").headers["retry-after"]
    assert.is_truthy(date:find("^%u%l%l, %d%d %u%l%l %d%d%d%d %d%d:%d%d:%d%d GMT$"))
  end)

  it("names the request in the header that is asked for", function()
    local headers = get("500;request_id=oneapi+x+cf").headers
    assert.are.equal("oneapi-20251120151530", headers["x-oneapi-request-id"])
    assert.are.equal("x-20251120151530", headers["x-request-id"])
    assert.are.equal("cf-20251120151530", headers["cf-ray"])
    assert.are.equal("b", get("500;header=X-A: b").headers["x-a"])
  end)

  it("is an error inside 200, in every form", function()
    for step, code in pairs {
      error_object = "busy", error_code_empty = "", error_code_number = 1013,
    } do
      local answer = get(step)
      assert.are.equal(200, answer.status)
      assert.are.equal(code, json.decode(answer.body).error.code)
    end
    assert.are.equal('{"code":"success","message":"","data":null}', get("no_data").body)
    assert.are.equal(false, json.decode(get("success_false").body).success)
    assert.are.equal(2001, json.decode(get("code_msg").body).code)
    assert.is_string(json.decode(get("detail_string").body).detail)
    assert.is_string(json.decode(get("error_string").body).error)
    assert.are.equal("task_not_exist", json.decode(get("not_exist_200").body).code)
    assert.is_truthy(get("error_code_null").body:find('"code":null', 1, true))
  end)

  it("is a body that is no JSON", function()
    for _, step in ipairs { "empty", "not_json", "truncated", "web_ui" } do
      assert.is_nil((json.decode(get(step).body)), step)
    end
  end)

  it("is a body of any size or depth", function()
    assert.are.equal(300000, #get("big;size=300000").body)
    local _, levels = get("deep;levels=40").body:gsub("%[", "")
    assert.are.equal(40, levels)
  end)

  it("redirects to another host, to http, to a file, in a loop, or to nowhere", function()
    local id = service:id("redirect;to=host")
    local answer = curl.query(service, id)
    assert.are.equal(302, answer.status)
    assert.are.equal(service.cdn_url .. service:log(id)[1].path, answer.headers.location)
    assert.is_truthy(get("redirect;to=http").headers.location:find(service.http_url, 1, true))
    assert.is_truthy(get("redirect;to=file").headers.location:find("^file:"))
    assert.is_nil(get("redirect;to=none").headers.location)
    assert.are.equal(307, get("redirect;status=307").status)
    assert.are.equal(47, curl.query(service, service:id("redirect;to=loop"), "-L").exit)
  end)

  it("can come late, compressed or in chunks", function()
    assert.is_true(get("500;delay=0.2").seconds >= 0.2)
    local plain = get("sample")
    local zipped = curl.query(service, service:id("sample;gzip"), "--compressed")
    assert.are.equal("gzip", zipped.headers["content-encoding"])
    assert.are.equal(plain.body, zipped.body)
    local chunked = curl.query(service, service:id("sample;chunked"), "--http1.1")
    assert.are.equal("chunked", chunked.headers["transfer-encoding"])
    assert.is_nil(chunked.headers["content-length"])
    assert.are.equal(plain.body, chunked.body)
  end)

  it("is 401 to any but the key of the step", function()
    local id = service:id("queued;key=right")
    assert.are.equal(401, curl.query(service, id).status)
    assert.are.equal(401, curl.query(service, id, "-H", "Authorization: Bearer wrong").status)
    assert.are.equal(200, curl.query(service, id, "-H", "Authorization: Bearer right").status)
  end)

  it("is an outage that ends", function()
    local own = standin.start()
    own:outage(0.3)
    assert.are.equal(7, curl.query(own, "queued").exit)
    assert.are.equal(200, curl.query(own, "queued", "--retry-connrefused", "--retry", "5",
      "--retry-delay", "1").status)
    assert.are.equal("", own:stop())
  end)

  it("is an outage that ends, though somebody else has the port for a while", function()
    local own = standin.start()
    own:outage(0.1)
    local other = assert(socket.bind("127.0.0.1", own.http_url:match ":(%d+)"))
    socket.sleep(0.5)
    other:close()
    local url = { base_url = own.http_url, ca_file = own.ca_file }
    assert.are.equal(200, curl.query(url, "queued", "--retry-connrefused", "--retry", "5",
      "--retry-delay", "1").status)
    assert.are.equal("", own:stop())
  end)
end)

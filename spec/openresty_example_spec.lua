-- examples/openresty in a real nginx: see openresty_spec.lua.
if not rawget(_G, "jit") then return end

local nginx = require "spec.support.nginx"
local standin = require "spec.support.standin"
local json = require "dkjson"

local service = standin.shared()

local function escape(id)
  return (id:gsub("[^%w]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

describe("examples/openresty", function()
  local server

  lazy_setup(function()
    server = nginx.start {
      file = "examples/openresty/nginx.conf", port = 8080,
      variables = {
        SORA_BASE_URL = service.base_url, SORA_CA_FILE = service.ca_file, SORA_API_KEY = "sk-demo",
      },
    }
  end)

  lazy_teardown(function() server:stop() end)

  local function ask(id)
    local body, status = server:get("/task?id=" .. escape(id))
    return json.decode(body), status
  end

  it("says what a task is doing", function()
    local task, status = ask(service:id "pending;progress=0.4")
    assert.are.equal(200, status)
    assert.are.equal("running", task.status)
    assert.are.equal(0.4, task.progress)
    task = ask(service:id "completed")
    assert.are.equal("succeeded", task.status)
    assert.is_truthy(task.video_url:find "^https://")
  end)

  it("says what went wrong", function()
    local task, status = ask "nobody-knows-this"
    assert.are.same({ "api", 404 }, { task.error, status })
    task, status = ask(service:id "failed")
    assert.are.same({ "failed", 200 }, { task.status, status })
    assert.is_string(task.failure)
    assert.are.equal(400, select(2, server:get "/task"))
    assert.are.equal(400, select(2, server:get "/task?id=%0A"))
  end)

  it("asks once for all who want to know the same at the same time", function()
    local id = service:id "completed;delay=0.3"
    local url = ("'%s/task?id=%s'"):format(server.url, escape(id))
    local eight = "for i in 1 2 3 4 5 6 7 8; do curl -s --noproxy '*' %s & done; wait"
    local pipe = assert(io.popen(eight:format(url)))
    local _, good = pipe:read("*a"):gsub('"status":"succeeded"', "")
    pipe:close()
    assert.are.equal(8, good)
    assert.is_true(#service:log(id) <= 2) -- there are two workers
    ask(id)
    assert.is_true(#service:log(id) <= 2)
  end)

  it("answers those who stay when the one who asked first goes away", function()
    local id = service:id "completed;delay=0.6"
    local path = "/task?id=" .. escape(id)
    server:get(path, "--max-time 0.2")
    local _, status = server:get(path)
    assert.are.equal(200, status)
  end)

  it("tells of each change, and of the end", function()
    local id = service:id "pending;progress=0.4,completed"
    local events = server:get("/events?id=" .. escape(id), "-N")
    assert.is_truthy(events:match('^data: {[^\n]*"progress":0%.4[^\n]*}\n\n'))
    assert.is_truthy(events:match('\n\nevent: end\ndata: {[^\n]*"status":"succeeded"[^\n]*}\n\n$'))
  end)

  it("has a page", function()
    local page, status = server:get "/?id=x"
    assert.are.equal(200, status)
    assert.is_truthy(page:find "EventSource")
  end)

  it("logs no error, and never the key", function()
    local log = server:log()
    assert.is_nil(log:match "%[error%][^\n]*")
    assert.is_nil(log:find("sk-demo", 1, true))
  end)
end)

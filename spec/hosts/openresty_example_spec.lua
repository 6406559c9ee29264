-- examples/openresty in a real nginx: see openresty_spec.lua.
if not rawget(_G, "jit") then return end

local eventually = require "spec.support.eventually"
local json = require "dkjson"
local nginx = require "spec.support.nginx"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"
local text = require "spec.support.service.text"
local webhooks = require "spec.support.webhooks"

local service = standin.shared()
local KEY = "QWERTZ/demo+key"

local escape = text.percent_encode

describe("examples/openresty", function()
  local server

  lazy_setup(function()
    server = nginx.start {
      file = "examples/openresty/nginx.conf", port = 8080,
      variables = {
        SORA_BASE_URL = service.base_url, SORA_CA_FILE = service.ca_file, SORA_API_KEY = KEY,
        WEBHOOK_SECRET = webhooks.SECRET,
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
    assert.are.same({ "api", 404, true }, { task.error, status, task.unknown })
    task, status = ask(service:id "failed")
    assert.are.same({ "failed", 200 }, { task.status, status })
    assert.is_string(task.failure)
    assert.are.equal(400, select(2, server:get "/task"))
    assert.are.equal(400, select(2, server:get "/task?id=%0A"))
  end)

  it("keeps the key to itself, whatever the service says", function()
    local scripts = {}
    for name, form in pairs {
      reason = '{"id":"x%s","status":"failed","error":{"message":"bad key %s","code":"%s"}}',
      message = '{"error":{"message":"bad key %s","code":"%s"}}', page = "no JSON: %s",
    } do
      for spelling, key in pairs { plain = KEY, escaped = (KEY:gsub("/", "\\/")) } do
        scripts[name .. "-" .. spelling] =
          { { step = "body", text = (form:gsub("%%s", function() return key end)) } }
      end
    end
    service:scripts(scripts)
    for id in pairs(scripts) do
      local body = server:get("/task?id=" .. id)
      assert.is_string(json.decode(body).id)
      assert.is_nil(body:find("QWERTZ", 1, true), body)
    end
    assert.is_nil(server:log():find("QWERTZ", 1, true))
  end)

  it("asks once for all who want to know the same at the same time", function()
    local id = service:id "completed;delay=0.3"
    local url = ("'%s/task?id=%s'"):format(server.url, escape(id))
    local eight = "for i in 1 2 3 4 5 6 7 8; do curl -s --noproxy '*' %s & done; wait"
    local _, good = shell.output_of(eight:format(url)):gsub('"status":"succeeded"', "")
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

  describe("creating", function()
    local function create(body, type_)
      local options = "-X POST -H 'Content-Type: %s' --data-binary '%s'"
      local said, status = server:get("/create", options:format(type_ or "application/json", body))
      return json.decode(said) or said, status
    end

    before_each(function() service:reset() end)
    teardown(function() service:reset() end)

    it("makes one task and says its id", function()
      local said, status = create
        '{"prompt":"a cat script:completed","model":"veo3","picture":"https://a.example/b.png"}'
      local made = service:created()
      assert.are.equal(1, #made)
      assert.are.same({ made[1].id, 200 }, { said.id, status })
      assert.are.equal('{"images":["https://a.example/b.png"],"model":"veo3",'
        .. '"prompt":"a cat script:completed"}', made[1].body)
      assert.are.equal("succeeded", ask(said.id).status)
    end)

    it("refuses what is no such body, and paths, and forms of other pages", function()
      for body, status in pairs {
        ["[]"] = 400, ["{"] = 400, ['{"prompt":" ","model":"m"}'] = 400, ['{"prompt":"p"}'] = 400,
        ['{"prompt":"p","model":"m","picture":"/etc/passwd"}'] = 400,
      } do
        assert.are.equal(status, select(2, create(body)), body)
      end
      assert.are.equal(415, select(2, create('{"prompt":"p","model":"m"}', "text/plain")))
      assert.are.equal(415, select(2, server:get "/create"))
      assert.are.equal(0, #service:created())
    end)

    it("says when a task may have been made", function()
      service:script("/v1/video/create", { "502" })
      local said, status = create '{"prompt":"p","model":"m"}'
      assert.are.same({ 502, true }, { status, said.made })
      service:script("/v1/video/create", { "403" })
      said, status = create '{"prompt":"p","model":"m"}'
      assert.are.same({ 502 }, { status, said.made })
    end)
  end)

  describe("a webhook", function()
    it("has a task that was made here asked for at once, whichever worker waits for it", function()
      for _ = 1, 3 do
        local made = server:get("/create", "-X POST -H 'Content-Type: application/json' "
          .. [[--data-binary '{"prompt":"a cat script:queued,completed","model":"m"}']])
        local id = json.decode(made).id
        local function asked(times)
          eventually(function() return #service:log(id) >= times end, 10, 0.05)
          return #service:log(id)
        end
        assert.are.equal(1, asked(1))
        local said, status = server:get("/webhook", webhooks.options(
          ('{"type":"video.completed","data":{"id":"%s"}}'):format(id)))
        assert.are.same({ { woken = id }, 200 }, { json.decode(said), status })
        assert.are.equal(2, asked(2)) -- it would have slept for half a minute
        assert.are.equal("succeeded", ask(id).status)
        assert.are.equal(2, #service:log(id))
      end
    end)

    it("that is forged is refused", function()
      local body = '{"data":{"id":"a"}}'
      local options = webhooks.options(body)
      for _, forged in ipairs {
        (options:gsub("msg_1", "msg_2")), (options:gsub("%-X POST", "-X POST -H 'webhook-id: b'")),
        "--data-binary '" .. body .. "'",
      } do
        local said, status = server:get("/webhook", forged)
        assert.are.same({ "api", 400 }, { json.decode(said).error, status })
      end
      assert.are.equal(200, select(2, server:get("/webhook", options)))
    end)
  end)

  it("has a page of metrics, which all workers have counted", function()
    local id = service:id "completed"
    local function count()
      local said, status = server:get "/metrics"
      assert.are.equal(200, status)
      return tonumber(said:match '\nsora_attempts_total{host="127[%d.]+:%d+",kind="none"} (%d+)\n')
    end
    local before = count()
    ask(id)
    ask(service:id "completed")
    assert.are.equal(before + 2, count())
  end)

  it("has a page", function()
    local page, status = server:get "/?id=x"
    assert.are.equal(200, status)
    assert.is_truthy(page:find "EventSource")
  end)

  it("logs no error, and never the key", function()
    local log = server:log()
    assert.is_nil(log:match "%[error%][^\n]*")
    assert.is_nil(log:find("QWERTZ", 1, true))
  end)
end)

-- The stand-in itself: its tasks, scripts, limits, and what it tells of what it received.

local curl = require "spec.support.curl"
local files = require "spec.support.files"
local json = require "dkjson"
local socket = require "socket"
local standin = require "spec.support.standin"
local tasks = require "spec.support.service.tasks"

-- The same query over another port than the main one.
local function ask(service, base, id, ...)
  return curl.query({ ca_file = service.ca_file, base_url = base }, id, ...)
end

local function fetch(service, url, ...)
  return curl.get("--cacert", service.ca_file, url, ...)
end

describe("the stand-in service", function()
  local service = standin.shared()

  after_each(function() assert.are.equal("", service:complaints()) end)

  describe("on the wire", function()
    it("speaks HTTP/2 and HTTP/1.1 over trusted TLS, and plain HTTP", function()
      assert.are.equal("2", curl.query(service, "queued").http)
      assert.are.equal("1.1", curl.query(service, "queued", "--http1.1").http)
      assert.are.equal("1.1", ask(service, service.h1_url, "queued").http)
      assert.are.equal(200, ask(service, service.http_url, "queued").status)
      assert.are.equal(200, fetch(service, service.cdn_url .. "/a.mp4").status)
    end)

    it("logs the request as it came", function()
      local id = service:id("queued")
      curl.query(service, id, "-H", "Authorization: Bearer key", "-H", "X-Forwarded-Host: a:1",
        "-H", "X-Twice: 1", "-H", "X-Twice: 2")
      local log = service:log(id)
      assert.are.equal(1, #log)
      assert.are.equal("GET", log[1].method)
      assert.are.equal("tls", log[1].port)
      assert.are.equal("2", log[1].http)
      assert.are.equal("queued", log[1].step)
      assert.is_truthy(log[1].path:find("^/v1/video/query%?id=sora%-2%%3[aA]task_queued"))
      assert.are.equal("Bearer key", log[1].headers.authorization)
      assert.are.equal("a:1", log[1].headers["x-forwarded-host"])
      assert.are.equal("1, 2", log[1].headers["x-twice"])
    end)

    it("serves the query below any prefix and a web UI at any other path", function()
      assert.are.equal(200, ask(service, service.base_url .. "/some/prefix", "queued").status)
      local other = fetch(service, service.base_url .. "/nothing/here")
      assert.are.equal(200, other.status)
      assert.is_truthy(other.headers["content-type"]:find("text/html", 1, true))
    end)

    it("goes on when a client leaves in the midst of its body", function()
      for _, path in ipairs { "/v1/videos", "/nothing/here" } do
        local client = socket.connect("127.0.0.1", service.http_url:match ":(%d+)")
        client:send("PUT " .. path .. " HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        client:close()
        assert.are.equal(200, ask(service, service.http_url, "queued", "--max-time", "5").status)
      end
    end)

    it("counts connections and requests", function()
      local before = service:stats()
      curl.query(service, "queued")
      local after = service:stats()
      assert.are.equal(before.connections_accepted + 1, after.connections_accepted)
      assert.are.equal(before.requests + 1, after.requests)
    end)

    it("has ports whose TLS is at fault, and one where nobody listens", function()
      local exits = { expired = 60, wrong_host = 60, self_signed = 60, unknown_ca = 60,
        tls_cut = 35, tls_plain = 35, tls_silent = 28, refused = 7 }
      for name, exit in pairs(exits) do
        local answer = ask(service, service[name .. "_url"], "queued", "-m", "0.2")
        assert.are.equal(exit, answer.exit, name)
      end
    end)

    it("has an address where connecting hangs", function()
      assert.are.equal(28, ask(service, service:blackhole(), "queued", "-m", "0.2").exit)
    end)

    it("has a proxy that does as the user name in its address says", function()
      for _, user in ipairs { "ok", "refuse", "auth", "broken", "cut", "die", "silent" } do
        local proxy = service.proxy_url:gsub("//", "//" .. user .. "@")
        local answer = curl.query(service, "queued", "--noproxy", "", "-x", proxy, "-m", "0.2")
        assert.are.equal(user == "ok", answer.exit == 0, user)
        assert.are.equal(user == "silent", answer.exit == 28, user)
      end
      local log = service:log(nil, "proxy")
      assert.are.equal("CONNECT", log[#log].method)
    end)
  end)

  describe("scripts", function()
    local function statuses(id, count)
      local seen = {}
      for index = 1, count do
        seen[index] = curl.query(service, id).status
      end
      return seen
    end

    it("come from the id, whatever its prefix", function()
      for _, prefix in ipairs { "", "task_", "sora-2:task_", "veo3.1-fast:", "video_", "grok:" } do
        local answer = curl.query(service, prefix .. "openai")
        assert.are.equal("completed", json.decode(answer.body).status, prefix)
        assert.are.equal(prefix .. "openai", json.decode(answer.body).id)
      end
    end)

    it("serve each step as often as it says and the last one for ever", function()
      assert.are.same({ 200, 500, 500, 429, 429 },
        statuses(service:id("queued", "500*2", "429"), 5))
    end)

    it("can be given to any id, with any body", function()
      local id = "a bare id/with $%&"
      local body = { step = "body", text = '{"id":"$ID","n":1}', times = 1 }
      service:script(id, { "502", body, "failed" })
      assert.are.equal(502, curl.query(service, id).status)
      assert.are.equal('{"id":"a bare id/with $%&","n":1}', curl.query(service, id).body)
      assert.are.equal("failed", json.decode(curl.query(service, id).body).status)
    end)

    it("answer task_not_exist to an id that is none", function()
      local answer = curl.query(service, "033fa60e-f37c-4ff6-a44d-5585ffea938d")
      assert.are.equal(400, answer.status)
      assert.are.equal("task_not_exist", json.decode(answer.body).code)
      assert.has_error(function()
        service:script("x", { "no_such_step" })
      end)
    end)

    it("can be disturbed at a rate, the same for the same seed", function()
      local runs = {}
      for run = 1, 2 do
        service:noise { rate = 0.5, steps = { "502", "503" }, seed = 7 }
        runs[run] = statuses(service:id("queued"), 12)
        service:noise()
      end
      assert.are.same(runs[1], runs[2])
      assert.are.same({ 200 }, statuses(service:id("queued"), 1))
      local seen = {}
      for _, status in ipairs(runs[1]) do
        seen[status] = true
      end
      assert.is_true(seen[200] and seen[502] and seen[503])
    end)

    it("go by time or by polls in `life`", function()
      local id = service:id("life;polls=4")
      local seen = {}
      for index = 1, 5 do
        local task = json.decode(curl.query(service, id).body)
        local progress = task.detail.pending_info and task.detail.pending_info.progress_pct or 1
        seen[index] = string.format("%s %.2f", task.status, progress)
      end
      assert.are.same({ "queued 0.00", "pending 0.15", "pending 0.53", "pending 0.93",
        "completed 1.00" }, seen)
    end)

    it("lead the task of the sample over the sample itself to a video", function()
      local own = standin.start()
      own:script(own.sample_id, { "life;polls=8" })
      local sample, stages = files.read("spec/support/fixtures/pending.json"), {}
      local task
      repeat
        local answer = curl.query(own, own.sample_id)
        task = json.decode(answer.body)
        local stage = answer.body == sample and "sample" or task.status
        if stages[#stages] ~= stage then
          stages[#stages + 1] = stage
        end
      until task.status == "completed"
      local video = fetch(own, task.video_url)
      own:stop()
      assert.are.same({ "queued", "pending", "sample", "completed" }, stages)
      assert.are.equal(files.read("spec/support/fixtures/video.mp4"), video.body)
      assert.are.equal("video/mp4", video.headers["content-type"])
    end)
  end)

  describe("tasks", function()
    local parameters = {
      url_in = ";place=detail.draft_info.url",
      failure_in = ";place=error.message",
      body = ";text={}",
    }
    local names = {}
    for name in pairs(tasks.steps) do
      names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
      it("are JSON objects: " .. name, function()
        local id = service:id(name .. (parameters[name] or ""))
        local answer = ask(service, service.http_url, id)
        assert.are.equal(200, answer.status)
        assert.are.equal("application/json; charset=utf-8", answer.headers["content-type"])
        assert.is_table(json.decode(answer.body))
      end)
    end

    it("hold a signed URL of the CDN", function()
      local task = json.decode(curl.query(service, service:id("completed;video=size=5")).body)
      assert.is_truthy(task.video_url:find(service.cdn_url .. "/assets%2F", 1, true))
      assert.is_truthy(task.video_url:find("&size=5&sig=AbC%2Fd%3D", 1, true))
      assert.are.equal(5, #fetch(service, task.video_url).body)
    end)
  end)
end)

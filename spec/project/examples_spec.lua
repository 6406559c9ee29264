-- The programs of examples/, each run as a person runs it. That of OpenResty has a spec of its own.

local files = require "spec.support.files"
local host = require "spec.support.host"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"
local webhooks = require "spec.support.webhooks"

local VIDEO = files.read "spec/support/fixtures/video.mp4"
local FIND_LUA_HTTP = [[require "spec.support.lua_http"]]
local SHORTEST, LONGEST = 8, 32 -- lines

describe("the examples", function()
  local service, folder

  setup(function() service = standin.start() end)
  teardown(function() service:stop() end)
  before_each(function() folder = files.folder() end)
  after_each(function() files.remove(folder) end)

  local function start(name, arguments, input, before, variables)
    local words = {
      shell.quote(shell.LUA), "-e " .. shell.quote(before or ""), "examples/" .. name .. ".lua",
    }
    for _, argument in ipairs(arguments) do words[#words + 1] = shell.quote(argument) end
    local env = { SORA_API_KEY = "sk-examples", SORA_BASE_URL = service.http_url }
    for variable, value in pairs(variables or {}) do env[variable] = value end
    return program.start(table.concat(words, " "), { input = input, env = env })
  end

  local function run(name, arguments, input) return start(name, arguments, input):wait() end

  --- An id that is answered with a finished task whose video comes over plain http: the examples
  -- trust no certificate of the stand-in service.
  local function finished(...)
    local id = service:id "body"
    local steps = { ... }
    local url = service.http_url .. "/assets%2F1%2Fsrc.mp4?sig=x"
    local body = ('{"id":"$ID","status":"completed","video_url":"%s"}'):format(url)
    steps[#steps + 1] = { step = "body", text = body }
    service:script(id, steps)
    return id
  end

  it("are short, require only what is public, and have each a test here", function()
    local public = { sora = true, ["sora.luv"] = true, ["sora.cqueues"] = true,
      ["resty.sora"] = true, ["sora.metrics"] = true }
    local spec, page = files.read "spec/project/examples_spec.lua", files.read "docs/examples.md"
    for name in shell.output_of("find examples -name '*.lua'"):gmatch "[^\n]+" do
      local text = files.read(name)
      for module in text:gmatch "require%s*%(?%s*[\"'](%S-)[\"']" do
        assert.is_true(public[module] or not module:find "sora", name .. ": " .. module)
      end
      local short = name:match "^examples/([^/]+)%.lua$"
      if short then
        local lines = select(2, text:gsub("\n", ""))
        assert.is_true(lines >= SHORTEST and lines <= LONGEST, name .. ": " .. lines .. " lines")
        assert.is_truthy(spec:find('it("' .. short .. ".lua ", 1, true), name .. " has no test")
        assert.is_truthy(page:find("/" .. short .. ".lua)", 1, true), name)
      end
    end
  end)

  it("one_task.lua waits, and tells a failure from an error", function()
    local result = run("one_task", { finished "queued" })
    assert.are.equal(0, result.code)
    assert.is_truthy(result.out:find(" completed, video at 127.0.0.1:", 1, true), result.out)
    assert.is_nil(result.out:find("sig=", 1, true))
    result = run("one_task", { service:id "failed" })
    assert.are.same({ 1, "no video: content policy\n" }, { result.code, result.out })
    result = run("one_task", { service:id "401" })
    assert.are.equal(1, result.code)
  end)

  it("watch.lua prints each change", function()
    local result = run("watch", { finished "pending;progress=0.5" })
    assert.are.equal(0, result.code)
    assert.is_truthy(result.out:find "\trunning\t50 %%\n%d+:%d+:%d+\tsucceeded\t", result.out)
  end)

  it("many.lua fetches the videos of all, and says which are missing", function()
    local ids = { finished(), finished(), finished "queued", service:id "failed" }
    local result = run("many", { folder }, table.concat(ids, "\n") .. "\n")
    assert.are.equal(1, result.code)
    assert.are.equal(3, select(2, result.out:gsub("%.mp4\n", "")))
    assert.is_truthy(result.out:find("content policy", 1, true))
    for path in result.out:gmatch "[^\n]+%.mp4" do assert.are.equal(VIDEO, files.read(path)) end
  end)

  it("download.lua fetches by an id and by a URL", function()
    local path = folder .. "/cat.mp4"
    for _, source in ipairs { finished(), service.http_url .. "/assets%2F2%2Fsrc.mp4?sig=x" } do
      assert.are.equal(0, run("download", { source, path }).code)
      assert.are.equal(VIDEO, files.read(path))
    end
    assert.are.equal(1, run("download", { "no-such-task", path }).code)
  end)

  it("create.lua goes from a prompt to a file, and tells the id of what was paid for", function()
    local body = ('{"id":"$ID","status":"completed","video_url":"%s/assets%%2F1%%2Fsrc.mp4"}')
      :format(service.http_url)
    service:script("new tasks", { { step = "body", text = body } })
    local path = folder .. "/cat.mp4"
    local result = run("create", { "a cat", path, "https://cdn.example/cat.png" })
    assert.are.same({ 0, path .. "\t18326 bytes\n" }, { result.code, result.out }, result.err)
    local made = service:created()
    assert.are.equal('{"aspect_ratio":"16:9","images":["https://cdn.example/cat.png"],'
      .. '"model":"veo3.1-fast","prompt":"a cat"}', made[1].body)
    result = run("create", { "a cat script:failed", path })
    assert.are.equal(1, result.code)
    local id = service:created()[2].id
    assert.is_truthy(result.out:find("go on with: lua download.lua " .. id, 1, true), result.out)
  end)

  it("call.lua remixes a video", function()
    local body = '{"id":"$ID","status":"completed","video_url":"https://cdn.example/a.mp4"}'
    service:script("new tasks", { { step = "body", text = body } })
    local result = run("call", { "video_1", "in the rain" })
    assert.are.equal(0, result.code, result.out .. result.err)
    assert.is_truthy(result.out:find(" completed, video at cdn.example\n", 1, true), result.out)
  end)

  it("cron.lua fetches what is finished, and keeps in its list what runs", function()
    local running, passing = service:id "pending", service:id "503"
    local list = folder .. "/ids"
    files.write(list, table.concat({ finished(), running, service:id "failed", passing, "" }, "\n"))
    local result = run("cron", { list, folder })
    assert.are.equal(0, result.code)
    assert.are.equal(running .. "\n" .. passing .. "\n", files.read(list))
    assert.is_truthy(result.out:find("content policy", 1, true))
    local videos = shell.output_of("cat " .. folder .. "/*.mp4 | wc -c")
    assert.are.equal(tostring(#VIDEO), videos)
  end)

  it("retries.lua gives up, waits, and does both by hand", function()
    local id = finished("503", "queued")
    local result = run("retries", { id })
    assert.are.equal(0, result.code)
    assert.is_truthy(result.out:find "^at once:\tnil\tsora: ", result.out)
    assert.is_truthy(result.out:find("\nin the end:\t" .. id .. " completed", 1, true), result.out)
    assert.is_truthy(result.out:find("\nby hand:\t" .. id .. " completed", 1, true), result.out)
  end)

  it("cqueues.lua serves beside lua-http", function()
    local lacking = host.lacks "cqueues"
    if lacking then return pending(lacking) end
    local server = start("cqueues", { "0" }, nil, FIND_LUA_HTTP)
    local url
    assert.is_true(server:await(function()
      url = (files.read(server.base .. ".out") or ""):match "http://%S+"
      return url
    end))
    local said = shell.output_of(("curl -s --noproxy '*' %s/%s"):format(url, finished()))
    server:kill "TERM"
    server:wait()
    assert.is_truthy(said:find " completed, video at 127.0.0.1:%d+$", said)
  end)

  it("webhook.lua looks when the service says so, and believes nobody else", function()
    local lacking = host.lacks "cqueues"
    if lacking then return pending(lacking) end
    local id = finished "queued"
    local waiting = start("webhook", { id, "0" }, nil, FIND_LUA_HTTP,
      { WEBHOOK_SECRET = webhooks.SECRET })
    local url
    assert.is_true(waiting:await(function()
      url = (files.read(waiting.base .. ".out") or ""):match "http://%S+"
      return url and #service:log(id) == 1
    end))
    local function send(options)
      return shell.output_of(("curl -s --noproxy '*' -o /dev/null -w '%%{http_code}' %s %s")
        :format(options, url))
    end
    local body = ('{"type":"video.completed","data":{"id":"%s"}}'):format(id)
    assert.are.equal("400", send("--data-binary " .. shell.quote(body)))
    assert.are.equal("400", send((webhooks.options(body):gsub("completed", "failed"))))
    assert.are.equal("204", send(webhooks.options(body)))
    local result = waiting:wait()
    assert.are.equal(0, result.code, result.err)
    assert.is_truthy(result.out:find(id .. " completed, video at", 1, true), result.out)
    assert.are.equal(2, #service:log(id))
  end)

  it("luv.lua waits in libuv's loop, which goes on", function()
    local lacking = host.lacks "luv"
    if lacking then return pending(lacking) end
    local result = run("luv", { finished "queued;delay=0.2" })
    assert.are.equal(0, result.code, result.err)
    local ticks = tonumber(result.out:match "src%.mp4\t(%d+) ticks meanwhile\n$")
    assert.is_true(ticks > 1, result.out)
  end)

  it("metrics.lua counts attempts by their outcome", function()
    local input = finished("503", "queued") .. "\n" .. finished() .. "\n"
    local result = run("metrics", {}, input)
    assert.are.equal(0, result.code, result.err)
    assert.is_truthy(result.out:find("attempts\tok\t3\n", 1, true), result.out)
    assert.is_truthy(result.out:find "attempts\t%l+\t1\n", result.out)
    assert.is_truthy(result.out:find "seconds\ttotal\t%d+%.%d%d%d\n")
  end)

  it("decode.lua reads an answer, and says where it is none", function()
    local answer = '{"id":"a:1","status":"failed","error":{"message":"content policy"}}'
    local result = run("decode", {}, answer)
    assert.are.equal("id\ta:1\nstatus\tfailed\nprogress\tnil\nvideo\tnot yet\n"
      .. "failure\tcontent policy\n", result.out)
    result = run("decode", {}, answer .. "x")
    assert.are.equal(1, result.code)
    assert.is_truthy(result.out:find("line 1", 1, true))
  end)
end)

describe("make run", function()
  it("goes from a prompt to a video", function()
    local video = os.tmpname()
    local result = program.run(shell.quote(shell.LUA) .. " spec/support/demo.lua " .. video)
    assert.are.equal(0, result.code)
    for _, text in ipairs { "sora: asking https://127.0.0.1:", "sora: made sora-2:task_",
      " queued 0 %", " pending 93 %", " completed 100 %" } do
      assert.is_truthy(result.err:find(text, 1, true), result.err)
    end
    assert.is_truthy(result.out:find("^saved    sora%-2:task_%S+  " .. video))
    assert.is_true(VIDEO == files.read(video))
    os.remove(video)
  end)
end)

-- New tasks: what the service sees, how many it makes under every fault, and what comes back.

local clients = require "spec.support.clients"
local core = require "sora.core"
local files = require "spec.support.files"
local sora = require "sora"
local standin = require "spec.support.standin"

local service = standin.shared()

local PATH = "/v1/video/create"
local BODY = { model = "sora-2", prompt = "a cat" }

local client, folder

setup(function() folder = files.folder() end)
teardown(function()
  files.remove(folder)
  service:reset()
end)

before_each(function()
  service:reset()
  client = clients.new()
end)

after_each(function() clients.finish(client) end)

local function script(...) service:script(PATH, { ... }) end

--- What the service saw of creates.
local function requests() return service:log(PATH) end

describe("sora.create", function()
  it("posts the body and returns a task that knows its id", function()
    local task = assert(client:create(BODY))
    local made = service:created()
    assert.are.equal(1, #made)
    assert.are.equal('{"model":"sora-2","prompt":"a cat"}', made[1].body)
    assert.are.equal("pending", task.status)
    assert.are.equal(made[1].id, sora.id(task))
    assert.are.equal(made[1].id .. " pending", tostring(task))
    assert.are.equal("running", sora.status(task))
    local request = requests()[1]
    assert.are.same({ "POST", PATH }, { request.method, request.path })
    assert.are.equal("application/json", request.headers["content-type"])
    assert.are.equal("Bearer sk-spec", request.headers["authorization"])
    assert.is_nil(request.headers["expect"])
  end)

  it("sends a text as it is, however long, without Expect", function()
    local text = ('{"model":"m","prompt":"%s"}'):format(("p"):rep(2000000))
    for _, url in ipairs { service.base_url, service.h1_url } do
      assert(client:create(text, { base_url = url }))
    end
    local made = service:created()
    assert.are.same({ text, text }, { made[1].body, made[2].body })
    for _, request in ipairs(requests()) do assert.is_nil(request.headers["expect"]) end
  end)

  it("finds the id wherever it is", function()
    for _, shape in ipairs { "id", "task_id", "data_task_id", "data_string", "request_id", "both",
      "openai" } do
      script("made;as=" .. shape)
      local task, err = client:create(BODY)
      assert.is_nil(err)
      local made = service:created()
      assert.are.equal(made[#made].id, core.task.asked_id(task), shape)
      assert.is_truthy(tostring(task):find("^[^\n]+$"), shape)
      assert.are.equal("running", sora.status(task), shape)
    end
    script "made;as=none"
    local task, err = client:create(BODY)
    assert.is_nil(task)
    assert.are.same({ "api", true }, { err.kind, err.sent })
  end)

  it("is followed by wait, watch, wait_all and download", function()
    local function create(shape, steps)
      script("made;as=" .. shape)
      return assert(client:create { model = "sora-2", prompt = "a cat script:" .. steps })
    end
    local task = create("data_string", "queued,pending,completed")
    local done = assert(client:wait(task, clients.quick()))
    assert.are.equal("succeeded", sora.status(done))
    local path = folder .. "/video.mp4"
    assert.are.equal(#files.read "spec/support/fixtures/video.mp4", client:download(done, path))
    local statuses = {}
    for seen in client:watch(create("task_id", "queued,completed"), clients.quick()) do
      statuses[#statuses + 1] = sora.status(seen)
    end
    assert.are.same({ "running", "succeeded" }, statuses)
    local several = { create("id", "completed"), create("request_id", "failed") }
    local tasks, errs = client:wait_all(several, clients.quick())
    local count = 0
    for _ in pairs(tasks) do count = count + 1 end
    for _, err in pairs(errs) do
      count = count + 1
      assert.are.equal("failed", err.kind)
    end
    assert.are.equal(2, count)
  end)

  it("has one Idempotency-Key for all attempts, or that of the caller", function()
    script("429;retry_after=0*2", "made")
    assert(client:create(BODY))
    local keys = {}
    for i, request in ipairs(requests()) do keys[i] = request.headers["idempotency-key"] end
    assert.are.same({ keys[1], keys[1], keys[1] }, keys)
    assert.is_truthy(keys[1]:find "^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$")
    service:reset()
    assert(client:create(BODY))
    assert(client:create(BODY, { idempotency_key = "order 17" }))
    local made = service:created()
    assert.are_not.equal(keys[1], made[1].key)
    assert.are.equal("order 17", made[2].key)
  end)

  it("goes where create_path says", function()
    assert(client:create(BODY, { create_path = "/v1/videos" }))
    local other = clients.new { create_path = "/v1/videos" }
    assert(other:create(BODY))
    clients.finish(other)
    for i, made in ipairs(service:created()) do assert.are.equal("/v1/videos", made.path, i) end
  end)

  it("sends a form with files, streamed from disk", function()
    local path, bytes = folder .. "/cat.png", "\137PNG\r\n\26\n" .. ("x"):rep(3000000)
    files.write(path, bytes)
    for _, url in ipairs { service.base_url, service.h1_url } do
      service:reset()
      assert(client:create({ model = "sora-2", prompt = "a cat", seconds = 10 },
        { files = { input_reference = path }, base_url = url }))
      local made = service:created()
      assert.are.equal(1, #made)
      local parts = {}
      for _, part in ipairs(made[1].parts) do parts[part.name] = part end
      assert.are.same({ "sora-2", "a cat", "10" },
        { parts.model.body, parts.prompt.body, parts.seconds.body })
      assert.are.same({ "cat.png", "image/png", #bytes },
        { parts.input_reference.filename, parts.input_reference.type, parts.input_reference.size })
      local request = requests()[1]
      assert.is_truthy(request.headers["content-type"]:find "^multipart/form%-data; boundary=")
      assert.is_nil(request.headers["expect"])
    end
  end)
end)

-- How often the service makes a task, and what the caller is told, by fault. None but those of
-- REPEATED are repeated.

describe("a create under a fault", function()
  --- Faults that come before a task is made.
  local REPEATED = {
    ["429;retry_after=0"] = true, ["503;retry_after=0"] = true, no_channel = true, ["425"] = true,
  }

  for _, version in ipairs { "1.1", "2" } do
    local function create(opts)
      opts = opts or {}
      opts.base_url = version == "2" and service.base_url or service.h1_url
      return client:create(BODY, opts)
    end

    for step in pairs(REPEATED) do
      it(("is sent again, HTTP/%s: %s"):format(version, step), function()
        script(step, "made")
        assert(create())
        assert.are.same({ 1, 2 }, { #service:created(), #requests() })
        service:reset()
        script(step)
        local task, err = create { retries = 1 }
        assert.is_nil(task)
        local seen = { #service:created(), #requests(), err.attempts, err.sent }
        assert.are.same({ 0, 2, 2, true }, seen)
      end)
    end

    for step, kind in pairs {
      ["500"] = "api", ["502"] = "api", ["503"] = "api", ["504"] = "api", ["522"] = "http",
      ["500;retry_after=0"] = "api", web_ui = "http", not_json = "decode", empty = "api",
      truncated = "decode", reset = "network", reset_headers = "network", reset_body = "network",
      close = "network", close_headers = "api", close_body = "network", garbage = "network",
      short_body = "network", never = "timeout", drip_headers = "timeout",
      ["rst_stream;code=2"] = "network", ["redirect;to=host"] = "http",
    } do
      it(("is sent once, HTTP/%s: %s"):format(version, step), function()
        script(step)
        local task, err = create { request_timeout = 0.5, retries = 5 }
        assert.is_nil(task)
        local seen = { #service:created(), #requests(), err.attempts, err.sent }
        assert.are.same({ 1, 1, 1, true }, seen)
        if version == "1.1" then assert.are.equal(kind, err.kind) end
      end)
    end

    for _, status in ipairs { 400, 401, 403, 404 } do
      it(("is refused, HTTP/%s: %d"):format(version, status), function()
        script(tostring(status))
        local task, err = create { retries = 5 }
        assert.is_nil(task)
        assert.are.same({ 0, 1, status }, { #service:created(), #requests(), err.status })
      end)
    end

    it("is not sent on a kept connection, which may be dead: HTTP/" .. version, function()
      local opts = { base_url = version == "2" and service.base_url or service.h1_url }
      assert(client:query(service:id "completed", opts))
      service:drop()
      for i = 1, 3 do
        assert(create())
        assert(client:query(service:id "completed", opts))
        assert.are.equal(i, #service:created())
      end
      local connections = {}
      for _, request in ipairs(service:log()) do
        local before = connections[request.connection]
        assert.is_true(not (before and request.method == "POST"), "a POST on a used connection")
        connections[request.connection] = true
      end
    end)
  end

  it("over a stream that is refused is sent again, since nobody has looked at it", function()
    script("rst_stream;code=7", "made")
    assert(client:create(BODY))
    assert.are.equal(1, #service:created())
  end)

  it("is sent again where nothing was sent, and says so", function()
    for kind, url in pairs { connect = service.refused_url, dns = "https://nowhere.invalid",
      tls = service.tls_cut_url } do
      local task, err = client:create(BODY, { base_url = url, retries = 1, timeout = 20 })
      assert.is_nil(task)
      assert.are.same({ kind, false, 2 }, { err.kind, err.sent, err.attempts }, url)
    end
    local _, err = client:create(BODY, { base_url = service.unknown_ca_url, retries = 5 })
    assert.are.same({ "tls", false, 1 }, { err.kind, err.sent, err.attempts })
    assert.are.equal(0, #service:created())
  end)

  it("that was cancelled says whether it was sent", function()
    script "never"
    local done, err = client:create(BODY, { timeout = 0.5 })
    assert.is_nil(done)
    assert.are.same({ "timeout", true }, { err.kind, err.sent })
  end)
end)

describe("a bad body", function()
  it("is an error that names what is wrong, and nothing is sent", function()
    for part, body in pairs {
      ["'prompt'"] = { model = "m" }, ["'model'"] = '{"prompt":"p"}', ["JSON object"] = "[]",
      ["$.x"] = { model = "m", prompt = "p", x = print },
      ["images[1]: /nowhere/a.png"] = { model = "m", prompt = "p", images = { "/nowhere/a.png" } },
    } do
      local task, err = client:create(body)
      assert.is_nil(task)
      assert.is_truthy(err.message:find(part, 1, true), err.message)
      assert.is_false(err.sent)
    end
    local _, err = client:create(BODY, { files = { a = "/nowhere/a.png" } })
    assert.are.equal("io", err.kind)
    assert.is_truthy(err.message:find("files.a: /nowhere/a.png: No such file", 1, true))
    assert.is_false(err.sent)
    assert.are.equal(0, #service:log())
  end)

  it("of a wrong type is misuse", function()
    for _, body in ipairs { 7, true, print } do
      local ok, err = pcall(function() client:create(body) end)
      assert.is_false(ok)
      assert.is_truthy(err:find("create_spec.lua:%d+: bad argument #1 to 'create'"), err)
    end
    local ok, err = pcall(function() client:create(BODY, { file = {} }) end)
    assert.is_false(ok)
    assert.is_truthy(err:find("unknown option 'file' %(did you mean 'files'%?%)"), err)
  end)
end)

describe("sora.generate", function()
  local function generate(steps, path, opts)
    return client:generate({ model = "sora-2", prompt = "a cat script:" .. steps },
      path or folder .. "/generated.mp4", clients.quick(opts))
  end

  it("makes a task, waits for it and fetches the video", function()
    local words, received = {}, 0
    local bytes, task = generate("queued,pending;progress=0.5,completed", nil, {
      on_update = function(seen) words[#words + 1] = sora.status(seen) end,
      on_progress = function(now) received = now end,
    })
    assert.are.equal(#files.read "spec/support/fixtures/video.mp4", bytes)
    assert.are.equal(bytes, received)
    assert.are.equal("succeeded", sora.status(task))
    assert.are.same({ "running", "running", "succeeded" }, words)
    assert.are.equal(1, #service:created())
  end)

  it("says how far it came, and with which task to go on", function()
    script "500"
    local bytes, err = generate "completed"
    assert.is_nil(bytes)
    assert.are.same({ "create", true, nil }, { err.step, err.sent, err.task })
    service:reset()
    bytes, err = generate "queued,failed"
    assert.is_nil(bytes)
    local id = service:created()[1].id
    assert.are.same({ "wait", "failed", id }, { err.step, err.kind, err.id })
    assert.are.equal("failed", sora.status(err.task))
    bytes, err = generate "completed;video=status=404"
    assert.is_nil(bytes)
    assert.are.same({ "download", "http" }, { err.step, err.kind })
    assert.are.equal("succeeded", sora.status(err.task))
    bytes, err = generate("queued", nil, { timeout = 0.3 })
    assert.is_nil(bytes)
    assert.are.same({ "wait", "timeout" }, { err.step, err.kind })
    assert.are.equal("running", sora.status(err.task))
  end)

  it("looks at the path before it costs anything", function()
    local paths = { ["is a folder"] = folder, ["No such file"] = folder .. "/a/b" }
    for said, path in pairs(paths) do
      local bytes, err = generate("completed", path)
      assert.is_nil(bytes)
      assert.are.same({ "io", "create", false }, { err.kind, err.step, err.sent })
      assert.is_truthy(err.message:find(said, 1, true), err.message)
    end
    assert.are.equal(0, #service:log())
  end)
end)

describe("sora.call", function()
  it("sends any method, path, query and body, and decodes the answer", function()
    local said = assert(client:call("GET", "/echo", { query = { b = "x y&z", a = { 1, 2 },
      c = true } }))
    assert.are.same({ "GET", "/echo?a=1&a=2&b=x%20y%26z&c=true" }, { said.method, said.path })
    assert.is_true(said.text == nil or said.text == "")
    said = assert(client:call("PUT", "/echo?d=1", { query = { e = 2 }, body = { f = {} } }))
    assert.are.same({ "PUT", "/echo?d=1&e=2", '{"f":{}}' }, { said.method, said.path, said.text })
    assert.is_true(said.authorization)
    said = assert(client:call("POST", "/echo", { body = "as it is" }))
    assert.are.equal("as it is", said.text)
    said = assert(client:call("POST", "/echo"))
    assert.are.equal("", said.text)
    said = assert(client:call("PATCH", "/echo", { headers = { ["X-A"] = "b" }, body = {} }))
    assert.are.equal("PATCH", said.method)
  end)

  it("uploads files", function()
    files.write(folder .. "/cat.webp", "RIFF\0\0\0\0WEBP")
    local said = assert(client:call("POST", "/v1/files", { files = { file = folder .. "/cat.webp" },
      body = { purpose = "video" } }))
    assert.are.same({ "cat.webp", 12 }, { said.filename, said.bytes })
  end)

  it("repeats only what changes nothing, unless the caller says so", function()
    for _, case in ipairs {
      { "GET", nil, 3 }, { "POST", nil, 1 }, { "DELETE", nil, 1 }, { "POST", 2, 3 },
      { "GET", 0, 1 },
    } do
      local method, retries, expected = case[1], case[2], case[3]
      service:reset()
      service:script("/echo", { "502;retry_after=0" })
      local answer, err = client:call(method, "/echo", { retries = retries })
      assert.is_nil(answer)
      assert.are.same({ 502, expected }, { err.status, #service:log "/echo" }, method)
    end
  end)

  it("knows the errors of the service, and an answer without a body", function()
    service:script("/echo", { "403" })
    local _, err = client:call("GET", "/echo")
    assert.are.same({ "api", 403, "insufficient_user_quota" }, { err.kind, err.status, err.code })
    service:script("/echo", { "error_object" })
    _, err = client:call("POST", "/echo")
    assert.are.equal("api", err.kind)
    assert.are.same({}, client:call("DELETE", "/v1/videos/a"))
  end)

  it("refuses what is no method, no path, no query", function()
    for part, arguments in pairs {
      ["bad argument #1 to 'call'"] = { "get it", "/echo" },
      ["bad argument #2 to 'call'"] = { "GET", "echo" }, ["must begin with one"] = { "GET", "//a" },
      ["bad argument #2"] = { "GET", 7 }, ["fragment"] = { "GET", "/a#b" },
    } do
      local ok, err = pcall(function() client:call(arguments[1], arguments[2]) end)
      assert.is_false(ok)
      assert.is_truthy(err:find(part, 1, true), err)
    end
    local answer, err = client:call("GET", "/echo", { query = { a = print } })
    assert.is_nil(answer)
    assert.is_truthy(err.message:find("query.a: cannot be a function", 1, true), err.message)
  end)
end)

describe("an id that its service gives bare", function()
  it("is asked for with the model in front where the bare one is unknown, and kept", function()
    script "made;bare"
    local task = assert(client:create { model = "sora-2", prompt = "x script:queued,completed" })
    assert.is_nil(sora.id(task):find(":", 1, true))
    local done = assert(client:wait(task, clients.quick()))
    assert.are.equal("succeeded", sora.status(done))
    local made = service:created()[1]
    assert.are.same({ 1, 2 }, { #service:log(made.task), #service:log(made.id) })
    assert(client:wait(task, clients.quick()))
    assert.are.equal(1, #service:log(made.task))
  end)
end)

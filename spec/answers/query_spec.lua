-- What a query makes of an answer: a task, or an error with what the service has said.

local clients = require "spec.support.clients"
local sora = require "sora"
local standin = require "spec.support.standin"

local service = standin.shared()

describe("an answer", function()
  local client

  setup(function()
    client = sora.client { base_url = service.base_url, ca_file = service.ca_file, retries = 0 }
  end)

  teardown(function() client:close() end)

  local function refused(step, kind, expected)
    it(("%s is an error of kind %s"):format(step, kind), function()
      local id = service:id(step)
      local task, err = client:query(id)
      assert.is_nil(task)
      assert.are.equal(kind, err.kind)
      assert.are.equal(id, err.id)
      assert.are.equal(1, err.attempts)
      assert.is_true(#(err.body or "") <= 1024 + 8)
      for name, value in pairs(expected) do
        if name == "message" then
          assert.matches(value, err.message)
        elseif value == "none" then
          assert.is_nil(err[name])
        else
          assert.are.equal(value, err[name])
        end
      end
    end)
  end

  -- refusals, as the service and the relays before it word them
  refused("400", "api", { status = 400, code = "task_not_exist", retryable = false,
    not_found = true })
  refused("401", "api", { status = 401, code = "none", retryable = false, message = "无效的令牌" })
  refused("403", "api", { status = 403, code = "insufficient_user_quota", retryable = false })
  refused("challenge", "http", { status = 403, retryable = false, message = "HTML", page = true,
    not_found = "none" })
  refused("404", "api", { status = 404, retryable = false })
  refused("404;body=text", "http", { status = 404, body = "upstream request failed" })
  refused("408", "api", { status = 408, retryable = true })
  refused("425", "api", { status = 425, retryable = true })
  refused("429", "http", { status = 429, retryable = true, message = "empty body", body = "none",
    retry_after = "none" })
  refused("429;retry_after=7", "http", { retry_after = 7 })
  refused("429;retry_after=soon", "http", { retry_after = "none" })
  refused("429;retry_after=date:-60", "http", { retry_after = 0 })
  refused('body;status=429;text={"message":"slow down"}', "api", { status = 429,
    message = "^slow down$", retryable = true })
  for _, status in ipairs { 500, 502, 503, 504 } do
    refused(tostring(status), "api", { status = status, retryable = true })
    refused(status .. ";body=html", "http", { status = status, retryable = true, message = "HTML" })
  end
  for status = 520, 527 do
    refused(tostring(status), "http", { status = status, retryable = true })
  end
  refused("501", "api", { status = 501, retryable = false })
  refused("web_ui", "http", { status = 200, retryable = false, message = "base_url", page = true })

  -- 200 with an error inside
  refused("error_object", "api", { status = 200, code = "busy", message = "^upstream busy$" })
  refused("error_code_empty", "api", { code = "none", message = "^upstream busy$" })
  refused("error_code_null", "api", { code = "none", message = "^upstream busy$" })
  refused("error_code_number", "api", { code = 1013, message = "^upstream busy$" })
  refused("error_string", "api", { code = "none", message = "^upstream busy$", retryable = true })
  refused("not_exist_200", "api", { code = "task_not_exist", retryable = false,
    not_found = true })
  refused("success_false", "api", { message = "^upstream busy$", retryable = true })
  refused("no_data", "api", { message = "no task", retryable = true })
  refused("code_msg", "api", { code = 2001, message = "^upstream busy$", retryable = true })
  refused("detail_string", "api", { message = "^upstream busy$", retryable = true })
  refused('body;text={"code":401}', "api", { code = 401, retryable = false })
  refused('body;text={"code":7}', "api", { code = 7, message = "code 7" })

  -- 200 that is not JSON, or not an object
  refused("empty", "decode", { message = "empty", retryable = true })
  refused("204", "decode", { status = 204, message = "empty" })
  refused("not_json", "decode", { message = "line 1, column 1", body =
    "upstream connect error or disconnect/reset before headers" })
  refused("truncated", "decode", { message = "byte 62" })

  it("is read as browsers read it", function()
    local id = service:id "bad_utf8"
    local task = assert(client:query(id))
    assert.matches("^[\239\191\189]+$", task.detail.prompt)
    assert.are.equal("pending", assert(client:query(service:id "bom")).status)
    id = service:id()
    service:script(id, { { step = "body",
      text = '{"id":"$ID","status":"pending","prompt":"cut \\ud83d","line":"a\nb"}' } })
    task = assert(client:query(id))
    assert.are.equal("cut \239\191\189", task.prompt)
    assert.are.equal("a\nb", task.line)
    service:script(id, { { step = "body", text = '{"id":"$ID","status":"pending","eta":NaN}' } })
    assert.are.equal("decode", select(2, client:query(id)).kind)
  end)

  it("may not make a hundred times of what it is", function()
    local id = service:id()
    local text = '{"status":"pending","x":[' .. ("[],"):rep(300000) .. "[]]}"
    service:script(id, { { step = "body", text = text } })
    local before = collectgarbage "count"
    local task, err = client:query(id, { max_body = 1000000 })
    assert.is_true(collectgarbage "count" - before < 20000)
    assert.is_nil(task)
    assert.are.same({ "too_large", false }, { err.kind, err.retryable })
    assert.matches("too much memory", err.message)
    assert.is_table((client:query(id)))
  end)
  refused("body;text=[1]", "decode", { message = "not a JSON object" })
  refused("body;text=[]", "api", { message = "no task" })
  refused("null", "decode", {})
  refused("string", "decode", {})
  refused("deep", "decode", { message = "max_depth" })

  -- the transport
  refused("reset", "network", { status = "none", retryable = true })
  refused("close", "network", { status = "none", retryable = true })
  refused("close_body", "network", { retryable = true })
  refused("rst_stream;code=2", "network", { retryable = true })

  it("is a task whatever its Content-Type", function()
    for _, step in ipairs { "json_as_text", "json_as_html" } do
      assert.are.equal("pending", client:query(service:id(step)).status)
    end
  end)

  it("that is a list of one is its task", function()
    assert.are.equal("pending", client:query(service:id "array").status)
  end)

  --- Asks, and is answered with that text.
  local function answered(text, opts)
    local id = service:id()
    service:script(id, { { step = "body", text = text } })
    local task, err = client:query(id, opts)
    return task, err, id
  end

  it("makes a task that knows the caller's id, and prints as a line", function()
    local task_of = require "sora.answers.task"
    for _, text in ipairs { '{"id":"other","status":"pending"}',
      '{"code":"success","data":[{"id":"other","status":"pending"}]}' } do
      local task, _, id = answered(text)
      assert.are.equal("other", sora.id(task))
      assert.are.equal(id, task_of.asked_id(task))
      assert.are.equal("other pending", tostring(task))
    end
    assert.are.equal("x", task_of.asked_id { id = "x" })
  end)

  it("may have a path of the relay's own for its video", function()
    local path = '"video_url":"/v1/videos/x/content"}'
    local plain = '{"status":"completed",' .. path
    for _, text in ipairs { plain, '{"data":' .. plain .. "}" } do
      local task = assert(answered(text))
      assert.are.equal(service.base_url .. "/v1/videos/x/content", sora.video_url(task))
      task = assert(answered(text, { base_url = service.base_url .. "/relay" }))
      assert.are.equal(service.base_url .. "/relay/v1/videos/x/content", sora.video_url(task))
    end
    assert.is_nil(sora.video_url { status = "completed", video_url = "/v1/videos/x/content" })
  end)

  it("leaves to the task what its envelope says of the failure", function()
    local task = assert(answered
      '{"code":"error","message":"the account is blocked","data":{"status":"failed"}}')
    assert.are.equal("the account is blocked", sora.failure(task))
    assert.are.equal("failed", sora.status(task))
  end)

  it("does not keep a task alive by what is known of it", function()
    local known = setmetatable({ (answered '{"status":"pending"}') }, { __mode = "v" })
    collectgarbage()
    collectgarbage()
    assert.is_nil(known[1])
  end)

  it("is looked for in an envelope, with and without nulls", function()
    for _, opts in ipairs { {}, { null = sora.null }, { null = false } } do
      local task = assert(client:query(service:id "envelope_running", opts))
      assert.is_string(task.status)
    end
  end)

  it("whose status is null or empty is an error where it complains, nulls kept or not", function()
    for _, status in ipairs { "null", '""' } do
      for _, null in ipairs { false, sora.null } do
        local id = service:id()
        service:script(id, { { step = "body",
          text = ('{"status":%s,"error":{"message":"upstream busy"}}'):format(status) } })
        local task, err = client:query(id, { null = null or nil })
        assert.is_nil(task)
        assert.are.equal("api", err.kind)
        assert.are.equal("upstream busy", err.message)
      end
    end
  end)

  it("means the same whatever its nulls become", function()
    local complaint = '"error":{"message":"upstream busy","code":null}'
    for text, expected in pairs {
      ['{"id":"x","error":null,"code":null,"message":null}'] = "task",
      ['{"status":null,"data":{"status":"pending","error":null}}'] = "task",
      ['{"code":"success","id":null,"data":null}'] = "the answer holds no task",
      ['{"status":null,' .. complaint .. "}"] = "upstream busy",
    } do
      for _, null in ipairs { sora.null, false, 0, 7, "null", {} } do
        local id = service:id()
        service:script(id, { { step = "body", text = text } })
        local task, err = client:query(id, { null = null })
        assert.are.equal(expected, task and "task" or err.message)
        assert.is_nil(err and err.code)
      end
    end
  end)

  it("that is no text leaves a bounded body in its error", function()
    local id = service:id()
    service:script(id, { { step = "body", text = ("\128"):rep(20000) } })
    local _, err = client:query(id)
    assert.are.equal("decode", err.kind)
    assert.is_true(#err.body <= 1024 + 8)
  end)

  it("may be as deep and as large as the options allow", function()
    assert.is_truthy(client:query(service:id "deep;levels=600", { max_depth = 602 }))
    local _, err = client:query(service:id "big;size=100000", { max_body = 99999 })
    assert.are.equal("too_large", err.kind)
    assert.is_false(err.retryable)
    assert.matches("99999", err.message)
    assert.is_truthy(client:query(service:id "big;size=100000", { max_body = 100000 }))
  end)

  it("that unpacks to more than max_body is not unpacked", function()
    for _, step in ipairs { "bomb", "huge", "huge;chunked" } do
      local _, err = client:query(service:id(step), { max_body = 1000000 })
      assert.are.equal("too_large", err.kind)
    end
  end)

  it("that is too large does not bring its connection to a stop", function()
    local patient = clients.new { request_timeout = 10 }
    for _ = 1, 10 do
      local _, err = patient:query(service:id "huge", { max_body = 1000000, retries = 0 })
      assert.are.equal("too_large", err.kind)
      assert.is_truthy(patient:query(service:id "completed", { retries = 0 }))
    end
    clients.finish(patient)
  end)

  it("with headers without end is refused", function()
    local h1 = sora.client { base_url = service.h1_url, ca_file = service.ca_file, retries = 0 }
    local _, err = h1:query(service:id "header_flood")
    assert.are.equal("too_large", err.kind)
    h1:close()
  end)

  it("gives its request id, the service's own before a proxy's", function()
    local function request_id(kinds)
      local _, err = client:query(service:id("401;request_id=" .. kinds))
      return err.request_id
    end
    assert.are.equal("oneapi-20251120151530", request_id "cf+x+oneapi")
    assert.are.equal("oneapi-20251120151530", request_id "oneapi+x+cf")
    assert.are.equal("x-20251120151530", request_id "cf+x")
    assert.are.equal("cf-20251120151530", request_id "cf")
    assert.is_nil(request_id "")
  end)
end)

describe("sora.decode", function()
  it("returns the value, or nil and an error that names the place", function()
    assert.are.same({ 1, 2 }, sora.decode "[1,2]")
    local value, err = sora.decode "[1,\n x]"
    assert.is_nil(value)
    assert.are.equal("decode", err.kind)
    assert.matches("line 2, column 2, byte 5", err.message)
    assert.is_nil(err.attempts)
  end)
end)

-- A request that is asked once more in the place of a new one: core.again.

local core = require "sora.core"
local standin = require "spec.support.standin"
local sora = require "sora"

local service = standin.shared()

describe("a request that is asked once more", function()
  local client, owner

  local function client_of(opts)
    opts.base_url, opts.ca_file, opts.api_key = service.base_url, service.ca_file, "sk-again"
    return sora.client(opts)
  end

  before_each(function()
    client, owner = client_of {}, { "owner" }
  end)

  after_each(function() client:close() end)

  --- Steps the client until the request is given out.
  local function await(request)
    for _ = 1, 1000 do
      local ended, its_owner = core.finished(client)
      if ended then
        assert.equal(request, ended)
        assert.equal(owner, its_owner)
        return ended
      end
      core.step(client, 0.1)
    end
    error "the request was not given out"
  end

  --- One that was started, has ended, and was taken.
  local function taken(id, opts)
    local request = core.request(client, id, opts, owner)
    await(request):result()
    return request
  end

  it("brings what the task says then, and is given out to its owner", function()
    local id = service:id("pending;progress=0.25", "pending;progress=0.5", "completed")
    local request = core.request(client, id, nil, owner)
    assert.equal(0.25, sora.progress((await(request):result())))
    assert.is_true(core.again(request, id, 10))
    assert.equal(0.5, sora.progress((await(request):result())))
    assert.is_true(core.again(request, id, 10))
    assert.equal("completed", (await(request):result()).status)
    assert.equal(3, #service:log(id))
    assert.equal(3, client:stats().requests)
  end)

  it("asks for another task, whose id its errors name", function()
    local request = taken(service:id "completed")
    local other = service:id "404"
    assert.is_true(core.again(request, other, 10))
    local task, err = await(request):result()
    assert.is_nil(task)
    assert.equal(other, err.id)
    assert.equal(404, err.status)
    assert.equal(1, #service:log(other))
  end)

  it("begins with nothing of the time before: attempts, marks, what was said", function()
    local first = service:id "500*3"
    local request = core.request(client, first, { retries = 2 }, owner)
    local _, err = await(request):result()
    assert.equal(3, err.attempts)
    local second = service:id("500*2", "completed")
    assert.is_true(core.again(request, second, 10))
    local task, told, mark = await(request):result ""
    assert.equal("completed", task.status)
    assert.is_nil(told)
    assert.equal(40, #mark)
    assert.equal(3, #service:log(second))
  end)

  it("has the time that it is given", function()
    local request = taken(service:id "completed")
    assert.is_true(core.again(request, service:id "completed;delay=60", 0.05))
    local _, err = await(request):result()
    assert.equal("timeout", err.kind)
    assert.is_true(core.again(request, service:id "completed", math.huge))
    assert.equal("completed", (await(request):result()).status)
  end)

  it("has until the moment that it is given in place of a time", function()
    local request = taken(service:id "completed")
    assert.is_true(core.again(request, service:id "completed;delay=60", nil, core.now() + 0.05))
    local _, err = await(request):result()
    assert.equal("timeout", err.kind)
    local late = service:id "completed"
    assert.is_true(core.again(request, late, nil, core.now() - 1))
    _, err = await(request):result()
    assert.equal("timeout", err.kind)
    assert.equal(0, #service:log(late))
    assert.is_true(core.again(request, service:id "completed", 0.001, core.now() + 60))
    assert.equal("completed", (await(request):result()).status)
    assert.has_error(function() core.again(request, late) end)
  end)

  it("can be cancelled, and goes with its client", function()
    local request = taken(service:id "completed")
    assert.is_true(core.again(request, service:id "completed;delay=60", 60))
    request:cancel()
    local _, err = await(request):result()
    assert.equal("cancelled", err.kind)
    assert.is_true(core.again(request, service:id "completed;delay=60", 60))
    core.close(client)
    _, err = await(request):result()
    assert.equal("cancelled", err.kind)
    assert.equal("the client was closed", err.message)
  end)

  it("is cancelled when nobody has it any more", function()
    local request = taken(service:id "completed")
    assert.is_true(core.again(request, service:id "completed;delay=60", 60))
    assert.equal(1, client:in_flight())
    request = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.equal(0, client:in_flight())
  end)

  it("is not, where its options were its own", function()
    local id = service:id "completed"
    for _, opts in ipairs {
      { api_key = "sk-other" }, { headers = { ["X-One"] = "1" } }, { null = false },
      { base_url = service.h1_url }, { proxy = "" }, { on_attempt = function() end },
    } do
      assert.is_false(core.again(taken(id, opts), id, 10))
    end
    assert.is_true(core.again(taken(id, { timeout = 20, retries = 1, max_depth = 20 }), id, 10))
  end)

  it("is not, where its client is observed", function()
    client:close()
    client = client_of { on_attempt = function() end }
    local id = service:id "completed"
    assert.is_false(core.again(taken(id), id, 10))
  end)

  it("is not, where its client is closed, or the id or the time is no good", function()
    local id = service:id "completed"
    local request = taken(id)
    assert.is_false(core.again(request, "", 10))
    assert.is_false(core.again(request, "a\0b", 10))
    assert.is_false(core.again(request, id .. ("x"):rep(100), 10))
    assert.is_false(core.again(request, id, 0))
    client:close()
    assert.is_false(core.again(request, id, 10))
    assert.has_error(function() request:result() end)
  end)

  it("is taken before", function()
    local id = service:id "completed"
    local request = core.request(client, id, nil, owner)
    assert.has_error(function() core.again(request, id, 10) end)
    await(request)
    assert.has_error(function() core.again(request, id, 10) end)
    request:result()
    assert.is_true(core.again(request, id, 10))
    assert.has_error(function() core.again(request, id, 10) end)
  end)
end)

describe("a wait", function()
  it("makes one request of all its polls", function()
    local client = sora.client { base_url = service.base_url, ca_file = service.ca_file }
    local made, start = 0, core.request
    core.request = function(...) -- luacheck: ignore
      made = made + 1
      return start(...)
    end
    local id = service:id("pending*4", "completed")
    local ok, task = pcall(client.wait, client, id, { interval = 0.01 })
    local list = {}
    for i = 1, 30 do list[i] = service:id("pending", "completed") end
    local all_ok, tasks = pcall(client.wait_all, client, list, { interval = 0.01, concurrency = 3 })
    core.request = start -- luacheck: ignore
    client:close()
    assert.is_true(ok and all_ok)
    assert.equal("completed", task.status)
    for _, each in ipairs(list) do assert.equal("completed", tasks[each].status) end
    assert.is_true(made <= 4, made)
  end)
end)

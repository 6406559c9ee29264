-- wait and watch: what ends them, what they tell on their way, and their options.

local clients = require "spec.support.clients"
local flows = require "spec.support.flows"
local program = require "spec.support.interrupt"
local sora = require "sora"
local standin = require "spec.support.standin"
local system = require "system"

local service, client

setup(function() service = standin.shared() end)

before_each(function() client = clients.new() end)

after_each(function() clients.finish(client) end)

local function wait(opts, ...)
  local id = service:id(...)
  local task, err = client:wait(id, clients.quick(opts))
  return task, err, id
end

local function polls(id) return #service:log(id, "tls") end

--- Seconds that fn took, and what it returned.
local function timed(fn)
  local started = sora.driver.now()
  local value, err = fn()
  return sora.driver.now() - started, value, err
end

describe("wait", function()
  it("returns the task alone when it has succeeded", function()
    assert.equal(1, select("#", client:wait(service:id "completed", clients.quick())))
    local task, err, id = wait({}, "queued", "pending;progress=0.5", "completed")
    assert.is_nil(err)
    assert.equal("succeeded", sora.status(task))
    assert.equal(3, polls(id))
  end)

  it("goes on over words nobody knows, and over answers without one", function()
    local task, err = wait({}, "status;word=flabbergasted", "status_unknown", "status_null",
      "status_missing", "status_number", "status_empty", "completed")
    assert.is_nil(err)
    assert.equal("succeeded", sora.status(task))
  end)

  it("gives a task that succeeded without a URL some polls to get one", function()
    local task, err, id = wait({}, "no_url*4", "completed")
    assert.is_nil(err)
    assert.is_string(sora.video_url(task))
    assert.equal(5, polls(id))
  end)

  it("ends as no_video, with the answer, when no URL comes", function()
    local task, err = wait({}, "no_url")
    assert.is_nil(task)
    assert.equal("no_video", err.kind)
    assert.equal("completed", err.task.status)
  end)

  it("does not take the URL of an input for the video", function()
    assert.equal("no_video", select(2, wait({}, "inputs_only")).kind)
  end)

  it("believes the disputed words when there is a URL", function()
    local task, err, id = wait({}, "disputed*7", "disputed_url")
    assert.is_nil(err)
    assert.equal("succeeded", sora.status(task))
    assert.equal(8, polls(id))
  end)

  it("returns a failed task as an error that carries it", function()
    local task, err, id = wait({}, "queued", "failed")
    assert.is_nil(task)
    assert.equal("failed", err.kind)
    assert.equal(id, err.id)
    assert.equal("failed", sora.status(err.task))
    assert.is_truthy(tostring(err):find(sora.failure(err.task), 1, true))
  end)

  it("gives the service's own code for a failure", function()
    assert.equal("moderation_blocked", select(2, wait({}, "failed_openai")).code)
    assert.equal("sentinel_block", select(2, wait({}, "failed")).code)
  end)

  it("returns a task that was cancelled at the service as cancelled", function()
    assert.equal("cancelled", select(2, wait({}, "cancelled")).kind)
  end)

  it("polls the id of the caller, whatever id the answer carries", function()
    local task, err, id = wait({}, "other_id;shape=pending*2", "other_id;shape=completed")
    assert.is_nil(err)
    assert.are_not.equal(id, task.id)
    assert.equal(3, polls(id))
  end)
end)

describe("a wait among bad answers", function()
  it("survives a burst of max_errors - 1 of all kinds", function()
    local task, err, id = wait({ max_errors = 10 }, "queued", "reset", "502;body=html", "truncated",
      "429", "reset_body", "close_headers", "empty", "503;body=text", "web_ui", "completed")
    assert.is_nil(err)
    assert.equal("succeeded", sora.status(task))
    assert.is_true(polls(id) >= 11)
  end)

  it("counts only those since the last good one", function()
    local task, err, id = wait({ max_errors = 3 }, "500*2", "queued", "500*2", "queued", "500*2",
      "completed")
    assert.is_nil(err)
    assert.equal("succeeded", sora.status(task))
    assert.equal(9, polls(id))
  end)

  it("ends with the last of max_errors of them, and the last task", function()
    local task, err, id = wait({ max_errors = 3 }, "queued", "500*2", "503*9")
    assert.is_nil(task)
    assert.equal(503, err.status)
    assert.equal(id, err.id)
    assert.equal("queued", err.task.status)
    assert.equal(4, polls(id))
  end)

  it("takes it for a replica's lag that there is no such task", function()
    for _, step in ipairs { "400", "404", "not_exist_200" } do
      local task, _, id = wait({}, step, "completed")
      assert.equal("completed", task.status)
      assert.equal(2, polls(id))
    end
  end)

  it("takes a challenge for a hiccup, after a good answer", function()
    local task, _, id = wait({}, "queued", "challenge", "web_ui", "completed")
    assert.equal("completed", task.status)
    assert.equal(4, polls(id))
  end)

  for step, status in pairs {
    ["401"] = 401, ["403"] = 403, ["501"] = 501, challenge = 403, web_ui = 200,
  } do
    it("ends at once with " .. step, function()
      local task, err, id = wait({}, step, "completed")
      assert.is_nil(task)
      assert.equal(status, err.status)
      assert.equal(1, polls(id))
    end)
  end

  it("ends at a final error that comes late", function()
    local _, err = wait({}, "queued", "500", "401", "completed")
    assert.equal(401, err.status)
    assert.equal("queued", err.task.status)
  end)

  it("asks again no sooner than Retry-After says", function()
    local _, err, id = wait({}, "503;retry_after=1", "completed")
    assert.is_nil(err)
    local log = service:log(id)
    assert.is_true(log[2].time - log[1].time >= 0.95)
  end)

  it("slows every other wait of its client after a 429, and those of no other client", function()
    if flows.lacking then return pending(flows.lacking) end
    local stranger, own = clients.new(nil, flows.sora), clients.new(nil, flows.sora)
    local limited = service:id("429;retry_after=1", "completed")
    local same, other = service:id("queued*3", "completed"), service:id("queued*12", "completed")
    flows.run(function()
      flows.spawn(function() assert(stranger:wait(other, clients.quick())) end)
      flows.spawn(function() assert(own:wait(same, clients.quick { interval = 0.15 })) end)
      flows.sleep(0.05)
      assert(own:wait(limited, clients.quick()))
    end)
    stranger:close()
    own:close()
    local silent = service:log(limited)[1].time
    local function within(id)
      local count = 0
      for _, entry in ipairs(service:log(id)) do
        if entry.time > silent + 0.05 and entry.time < silent + 0.9 then count = count + 1 end
      end
      return count
    end
    assert.equal(0, within(same))
    assert.is_true(within(other) > 0)
    assert.equal(4, polls(same))
  end)
end)

describe("the timeout of a wait", function()
  it("ends it with id, last task, elapsed and polls", function()
    local seconds, task, err, id
    seconds = timed(function() task, err, id = wait({ timeout = 1 }, "pending;progress=0.5") end)
    assert.is_nil(task)
    assert.equal("timeout", err.kind)
    assert.equal(id, err.id)
    assert.equal(0.5, sora.progress(err.task))
    assert.equal(polls(id), err.polls)
    assert.is_true(err.polls > 1)
    assert.is_true(err.elapsed > 0.9 and err.elapsed <= seconds)
    assert.is_true(seconds < 15)
  end)

  it("is not overslept, however long the pause", function()
    local seconds, _, err = timed(function()
      return client:wait(service:id "queued", { interval = 60, timeout = 0.3 })
    end)
    assert.equal("timeout", err.kind)
    assert.is_true(seconds < 30)
  end)

  it("cuts a poll that gets no answer", function()
    local seconds, _, err = timed(function()
      return client:wait(service:id("queued", "never"), clients.quick { timeout = 0.4 })
    end)
    assert.equal("timeout", err.kind)
    assert.equal("queued", err.task.status)
    assert.equal(2, err.polls)
    assert.is_true(seconds >= 0.35 and seconds < 15)
  end)

  it("names the last error when no task was ever seen", function()
    local _, err = wait({ timeout = 0.3, max_errors = 1000 }, "500")
    assert.equal("timeout", err.kind)
    assert.is_nil(err.task)
    assert.is_truthy(tostring(err):find("500", 1, true))
  end)
end)

describe("on_update", function()
  it("is told of each change, and of nothing else", function()
    local told = {}
    local task = wait({
      on_update = function(seen, info) told[#told + 1] = { task = seen, info = info } end,
    }, "queued*3", "pending;progress=0.25*2", "500", "pending;progress=0.5", "completed")
    assert.equal(4, #told)
    assert.equal(1, told[1].info.polls)
    assert.equal(0.25, told[2].info.progress)
    assert.equal(4, told[2].info.polls)
    assert.is_nil(told[2].info.eta)
    assert.equal(7, told[3].info.polls)
    assert.is_true(told[3].info.eta > 0)
    assert.is_true(told[3].info.next_poll > 0)
    assert.is_true(told[3].info.elapsed >= told[2].info.elapsed)
    assert.equal(task, told[4].task)
  end)

  it("ends the wait by returning false", function()
    local _, err, id = wait({ on_update = function() return false end }, "queued", "completed")
    assert.equal("cancelled", err.kind)
    assert.equal(id, err.id)
    assert.equal("queued", err.task.status)
    assert.equal(1, polls(id))
  end)

  it("cannot end a wait that has ended", function()
    local task = wait({ on_update = function() return false end }, "completed")
    assert.equal("completed", task.status)
    local _, err = wait({ on_update = function() return false end }, "failed")
    assert.equal("failed", err.kind)
  end)

  it("raises its error to the caller, who may go on", function()
    local raised = setmetatable({}, { __tostring = function() return "mine" end })
    local ok, err = pcall(wait, { on_update = function() error(raised) end }, "queued")
    assert.is_false(ok)
    assert.equal(raised, err)
    assert.equal(0, client:stats().in_flight)
    assert.is_table((wait({}, "completed")))
  end)

  it("may use the client", function()
    local inner
    local task = wait({
      on_update = function()
        inner = inner or client:wait(service:id("queued", "completed"), clients.quick())
      end,
    }, "queued", "completed")
    assert.equal("completed", task.status)
    assert.equal("completed", inner.status)
  end)
end)

describe("a wait's options", function()
  it("are those of when it was called, headers as well", function()
    local id = service:id("queued*2", "completed")
    local opts = clients.quick { headers = { ["X-Mine"] = "first" } }
    function opts.on_update()
      opts.headers["X-Mine"], opts.headers[5], opts.interval, opts.on_update = "second", true, 60, 7
    end
    assert.equal("completed", client:wait(id, opts).status)
    local log = service:log(id)
    assert.equal(3, #log)
    for _, entry in ipairs(log) do assert.equal("first", entry.headers["x-mine"]) end
  end)
end)

describe("closing the client", function()
  it("ends the wait that does it", function()
    local _, err, id = wait({ on_update = function() client:close() end }, "queued", "completed")
    assert.equal("cancelled", err.kind)
    assert.equal(id, err.id)
    assert.equal("queued", err.task.status)
    assert.equal(1, polls(id))
  end)

  it("ends waits that sleep or are in flight at once", function()
    if flows.lacking then return pending(flows.lacking) end
    local sleeping, flying
    local own = clients.new(nil, flows.sora)
    local seconds = timed(function()
      flows.run(function()
        local told = false
        local a = flows.spawn(own.wait, own, service:id "queued",
          { interval = 60, on_update = function() told = true end })
        local b = flows.spawn(own.wait, own, service:id "never", { interval = 60 })
        while not told do flows.sleep(0.02) end
        own:close()
        sleeping, flying = { a:join() }, { b:join() }
      end)
    end)
    assert.equal("cancelled", sleeping[2].kind)
    assert.equal("queued", sleeping[2].task.status)
    assert.equal("cancelled", flying[2].kind)
    assert.is_true(seconds < 30)
  end)

  it("makes a later wait misuse", function()
    client:close()
    local ok, err = pcall(function() client:wait(service:id "queued") end)
    assert.is_false(ok)
    assert.is_truthy(err:find("^spec/waiting/wait_spec.lua:%d+: .*closed"))
  end)
end)

describe("Ctrl-C", function()
  for _, steps in ipairs { "never", "queued" } do
    it("ends a wait whose task is " .. steps .. ", and leaves the client usable", function()
      local said = program.interrupted(service, ([[
        local ok, err = pcall(client.wait, client, %q, { interval = 30 })
        print(ok, err, client:stats().in_flight)
        print(client:query(%q).status)
      ]]):format(service:id(steps), service:id "completed"))
      assert.is_truthy(said:find("^false\t.*interrupted!\t0\ncompleted$"), said)
    end)
  end
end)

describe("watch", function()
  local function words(id, opts)
    local seen = {}
    for task in client:watch(id, clients.quick(opts)) do seen[#seen + 1] = task.status end
    return seen
  end

  it("yields the task at each change, the final one last", function()
    assert.same({ "queued", "pending", "pending", "completed" },
      words(service:id("queued*3", "pending;progress=0.2", "500", "pending;progress=0.4*2",
        "completed")))
  end)

  it("raises the error that wait would return", function()
    local ok, err = pcall(words, service:id("queued", "failed"))
    assert.is_false(ok)
    assert.equal("failed", err.kind)
    ok, err = pcall(words, service:id "queued", { timeout = 0.2 })
    assert.is_false(ok)
    assert.equal("timeout", err.kind)
    assert.equal("queued", err.task.status)
  end)

  it("asks nothing more once the loop was left", function()
    local id = service:id("queued", "completed")
    for task in client:watch(id, clients.quick()) do
      assert.equal(0, client:stats().in_flight)
      if task.status == "queued" then break end
    end
    system.sleep(0.15)
    assert.equal(1, polls(id))
  end)

  it("yields nothing more after the end", function()
    local next_change = client:watch(service:id "completed", clients.quick())
    assert.equal("completed", next_change().status)
    assert.is_nil(next_change())
  end)

  it("raises misuse where it is called", function()
    local ok, err = pcall(function() client:watch(service:id "queued", { intervall = 1 }) end)
    assert.is_false(ok)
    assert.is_truthy(err:find("^spec/waiting/wait_spec.lua:%d+: unknown option 'intervall'"))
  end)

  if rawget(coroutine, "close") then -- Lua 5.4
    it("yields nothing more once its loop was closed", function()
      local id = service:id("queued", "completed")
      local next_change, _, _, closer = client:watch(id, clients.quick())
      next_change()
      getmetatable(closer).__close(closer)
      assert.is_nil(next_change())
    end)
  end
end)

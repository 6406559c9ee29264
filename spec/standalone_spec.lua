local clients = require "spec.support.clients"
local contract = require "spec.support.driver_contract"
local program = require "spec.support.interrupt"
local sora = require "sora"
local standin = require "spec.support.standin"

local yields_in_pcall = coroutine.wrap(function() return pcall(coroutine.yield, true) end)()
local close = rawget(coroutine, "close") -- Lua 5.4

local service, client

setup(function() service = standin.shared() end)

before_each(function() client = clients.new() end)

after_each(function() clients.finish(client) end)

local now = sora.driver.now

local function slow(seconds) return service:id("completed;delay=" .. seconds) end

--- A pcall that may be waited in, for Lua 5.1.
local function pcall_of_5_1(fn, ...)
  local arguments, results = { ... }, nil
  local thread = sora.spawn(function()
    results = { fn(unpack(arguments)) }
  end)
  while not thread.done do sora.sleep(0.001) end
  thread.joined = true
  if thread.failed then return false, thread.results[1] end
  return true, unpack(results)
end

describe("the plain module as a driver:", function()
  contract.specify(function()
    local lines, path = {}, os.tmpname()
    sora.run(function()
      contract.run {
        sora = sora, base_url = service.base_url, ca_file = service.ca_file, tag = "plain",
        path = path, sleep = sora.sleep, spawn = sora.spawn,
        emit = function(line) lines[#lines + 1] = line end,
        pcall = not yields_in_pcall and pcall_of_5_1 or nil,
      }
    end)
    os.remove(path)
    return table.concat(lines, "\n")
  end)
end)

describe("run", function()
  it("returns what its function returns", function()
    assert.same({ 1, nil, 3 }, { sora.run(function(...) return ... end, 1, nil, 3) })
    assert.equal(0, select("#", sora.run(function() end)))
  end)

  it("lets coroutines wait beside each other, in query, wait, wait_all and sleep", function()
    local started, ended = now(), {}
    local function note(name, ok, err)
      assert.is_nil(err)
      assert.is_truthy(ok)
      ended[#ended + 1] = name
    end
    client:query(service:id "queued") -- connected
    sora.run(function()
      sora.spawn(function() note("query", client:query(slow(0.3))) end)
      sora.spawn(function() note("wait", client:wait(slow(0.4))) end)
      sora.spawn(function()
        local ids = { slow(0.5), slow(0.5) }
        local tasks, errs = client:wait_all(ids)
        note("wait_all", tasks[ids[1]] and tasks[ids[2]], next(errs))
      end)
      sora.spawn(function()
        sora.sleep(0.2)
        note("sleep", true)
      end)
    end)
    assert.same({ "sleep", "query", "wait", "wait_all" }, ended)
    assert.is_true(now() - started < 1.2)
  end)

  it("waits on any number of clients at once", function()
    local askers, ended = {}, {}
    for i = 1, 70 do
      askers[i] = sora.client { base_url = service.http_url, api_key = "" }
    end
    sora.run(function()
      for i = 1, #askers do
        sora.spawn(function()
          assert(askers[i]:query(slow(i == 70 and 0.3 or 0.8)))
          ended[#ended + 1] = i
        end)
      end
    end)
    for i = 1, #askers do askers[i]:close() end
    assert.equal(70, #ended)
    assert.equal(70, ended[1])
  end)

  it("ends when all that was spawned has ended", function()
    local ended
    sora.run(function()
      sora.spawn(function()
        sora.sleep(0.05)
        sora.spawn(function()
          sora.sleep(0.05)
          ended = true
        end)
      end)
    end)
    assert.is_true(ended)
  end)

  it("inside a run ends with its function, also in a coroutine of the program's own", function()
    local order = {}
    sora.run(function()
      sora.spawn(function()
        sora.sleep(0.2)
        order[#order + 1] = "other"
      end)
      order[#order + 1] = sora.run(function() sora.sleep(0.02) return "inner" end)
      order[#order + 1] = coroutine.wrap(function()
        return sora.run(function() sora.sleep(0.02) return "wrapped" end)
      end)()
    end)
    assert.same({ "inner", "wrapped", "other" }, order)
  end)

  it("can be called again and again", function()
    for i = 1, 3 do
      assert.equal(i, sora.run(function() sora.sleep(0.01) return i end))
    end
  end)

  it("leaves the program's own yields to it", function()
    local seen = {}
    sora.run(function()
      local numbers = coroutine.wrap(function()
        for i = 1, 3 do
          if i == 2 then assert(client:query(service:id "queued")) end
          if i == 3 then
            assert(client:wait(service:id("queued", "completed"), { interval = 0.02 }))
          end
          coroutine.yield(i)
        end
      end)
      for number in numbers do seen[#seen + 1] = number end
    end)
    assert.same({ 1, 2, 3 }, seen)
  end)

  it("lets others run where a coroutine yields something of its own", function()
    local order = {}
    local function note(value) order[#order + 1] = value end
    sora.run(function()
      sora.spawn(function(...)
        note(select("#", coroutine.yield()))
        note(select("#", coroutine.yield({}, 1, 2)))
        note(select("#", ...))
      end, "argument")
      sora.spawn(note, "other")
    end)
    assert.same({ "other", 0, 0, 1 }, order)
  end)

  it("takes hundreds of coroutines at once", function()
    local good = 0
    sora.run(function()
      for _ = 1, 500 do
        sora.spawn(function()
          if client:wait(service:id("minimal", "completed"), { interval = 0.1 }) then
            good = good + 1
          end
        end)
      end
    end)
    assert.equal(500, good)
  end)

  it("wakes in time what was woken early and parks again", function()
    local inbox, seconds = require("sora.hosts.inbox").new(), {}
    local function park(limit)
      local started = now()
      sora.driver.park(inbox, limit)
      seconds[#seconds + 1] = now() - started
    end
    sora.run(function()
      sora.spawn(function()
        sora.sleep(0.05)
        sora.driver.wake(inbox)
      end)
      park(0.2)
      park(0.4)
      park(0.05)
    end)
    assert.is_true(seconds[1] < 0.19)
    assert.is_true(seconds[2] >= 0.4 and seconds[2] < 1)
    assert.is_true(seconds[3] >= 0.05 and seconds[3] < 0.3)
  end)

  it("raises misuse at its caller", function()
    for name, value in pairs { run = {}, spawn = {}, sleep = "1" } do
      local ok, err = pcall(function() sora[name](value) end)
      assert.is_false(ok)
      assert.is_truthy(err:find("^spec/standalone_spec.lua:%d+: bad argument #1 to '" .. name))
    end
    assert.has_error(function() sora.sleep(0 / 0) end)
  end)
end)

describe("an error in a run", function()
  it("is raised, as it is, when the others have ended", function()
    local raised, ended = {}, false
    local ok, err = pcall(sora.run, function()
      sora.spawn(function()
        sora.sleep(0.05)
        ended = true
      end)
      error(raised)
    end)
    assert.is_false(ok)
    assert.equal(raised, err)
    assert.is_true(ended)
  end)

  it("of a spawned coroutine is raised too, and the first counts", function()
    local ok, err = pcall(sora.run, function()
      sora.spawn(function() sora.sleep(0.05) error("second", 0) end)
      sora.spawn(function() sora.sleep(0.02) error("first", 0) end)
      return "result"
    end)
    assert.is_false(ok)
    assert.equal("first", err)
  end)

  it("that join has taken is raised there and nowhere else", function()
    local thread
    local ok, err = sora.run(function()
      thread = sora.spawn(function() error("mine", 0) end)
      sora.sleep(0.02)
      return pcall(thread.join, thread)
    end)
    assert.is_false(ok)
    assert.equal("mine", err)
    assert.equal("next", sora.run(function() return "next" end))
  end)

  it("is found when coroutines wait for each other, instead of a hang", function()
    local ok, err = pcall(sora.run, function()
      local a, b
      a = sora.spawn(function() b:join() end)
      b = sora.spawn(function() a:join() end)
    end)
    assert.is_false(ok)
    assert.is_truthy(err:find("deadlock"))
    assert.equal("next", sora.run(function() sora.sleep(0.01) return "next" end))
  end)

  it("leaves nothing in flight when it passes through a wait_all", function()
    local ok, err = pcall(sora.run, function()
      client:wait_all({ service:id "completed", service:id "never" }, {
        on_result = function() error("mine", 0) end,
      })
    end)
    assert.is_false(ok)
    assert.equal("mine", err)
    assert.equal(0, client:stats().in_flight)
  end)

  if yields_in_pcall then
    it("can be caught around a call that waits", function()
      sora.run(function()
        local ok, err = pcall(client.wait, client, service:id("queued", "completed"), {
          interval = 0.02, on_update = function() error("mine", 0) end,
        })
        assert.is_false(ok)
        assert.equal("mine", err)
        assert.equal("queued", select(2, pcall(client.query, client, service:id "queued")).status)
      end)
    end)
  else
    it("cannot be caught around a call that waits in Lua 5.1, which says so", function()
      sora.run(function()
        for _, call in ipairs { client.query, client.wait } do
          local ok, err = pcall(call, client, service:id "queued")
          assert.is_false(ok)
          assert.is_truthy(err:find("attempt to yield across", 1, true))
        end
        client:cancel()
        local thread = sora.spawn(client.query, client, service:id "queued")
        assert.equal("queued", thread:join().status)
      end)
    end)
  end
end)

describe("spawn", function()
  it("outside a run starts what runs whenever the program waits", function()
    local thread = sora.spawn(function(id) return client:query(id).status end, service:id "queued")
    assert.is_false(thread.done)
    sora.sleep(0.2)
    assert.is_true(thread.done)
    assert.equal("queued", thread:join())
    assert.equal("queued", thread:join())
  end)

  it("loses nothing while the program itself asks", function()
    local threads = {}
    for i = 1, 5 do threads[i] = sora.spawn(client.query, client, service:id "queued") end
    sora.sleep(0)
    assert.equal("completed", client:query(slow(0.2)).status)
    for i = 1, 5 do assert.equal("queued", threads[i]:join().status) end
  end)

  it("passes the error to whoever joins, also outside a run", function()
    local thread = sora.spawn(function() error("mine", 0) end)
    local ok, err = pcall(thread.join, thread)
    assert.is_false(ok)
    assert.equal("mine", err)
  end)

  it("keeps nothing of what has ended", function()
    local seen = setmetatable({}, { __mode = "k" })
    sora.run(function()
      for _ = 1, 20 do
        local value = {}
        seen[value] = true
        sora.spawn(function()
          assert(client:wait(service:id("queued", "completed"), { interval = 0.02 }))
          return value
        end)
      end
    end)
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(seen))
  end)
end)

describe("a coroutine of the program's own", function()
  it("that is dropped in the middle of a run takes nothing down", function()
    sora.run(function()
      local generator = coroutine.wrap(function()
        coroutine.yield(client:query(service:id "queued"))
        error "never reached"
      end)
      assert.equal("queued", generator().status)
    end)
    collectgarbage()
    assert.equal("queued", client:query(service:id "queued").status)
  end)

  it("blocks outside a run, as the program does", function()
    local generator = coroutine.wrap(function()
      for task in client:watch(service:id("queued", "completed"), { interval = 0.02 }) do
        if not yields_in_pcall then return task.status end
        coroutine.yield(task.status)
      end
    end)
    assert.equal("queued", generator())
    if yields_in_pcall then assert.equal("completed", generator()) end
  end)
end)

describe("Ctrl-C", function()
  it("in a run ends every coroutine, and leaves sora usable", function()
    local said = program.interrupted(service, ([[
      local thread
      local ok, err = pcall(sora.run, function()
        for i = 1, 3 do sora.spawn(client.wait, client, "never~i" .. i) end
        thread = sora.spawn(client.wait_all, client, { "never~a", "queued~b" }, { interval = 30 })
        client:wait(%q, { interval = 30 })
      end)
      print(ok, err, client:stats().in_flight)
      print(pcall(thread.join, thread))
      print(sora.run(function() return client:query(%q).status end))
    ]]):format(service:id "queued", service:id "completed"))
    assert.is_truthy(said:find(
      "^false\t[^\n]*interrupted!\t0\nfalse\t[^\n]*interrupted!\ncompleted$"), said)
  end)

  if yields_in_pcall then -- Lua 5.1 hides the signal from coroutines
    it("ends a wait in a coroutine of the program's own", function()
      local started = now()
      local said = program.interrupted(service, ([[
        coroutine.wrap(function() return client:wait(%q, { interval = 30 }) end)()
      ]]):format(service:id "queued"))
      assert.is_truthy(said:find("interrupted!", 1, true), said)
      assert.is_true(now() - started < 5)
    end)
  end

  it("in a blocking sleep ends that alone", function()
    local said = program.interrupted(service, [[
      local thread = sora.spawn(function() sora.sleep(1) return "went on" end)
      print(pcall(sora.sleep, 60))
      print(thread:join())
    ]])
    assert.is_truthy(said:find("^false\t[^\n]*interrupted!\nwent on$"), said)
  end)

  if close then
    it("closes the variables of the coroutines that it ends", function()
      local said = program.interrupted(service, [[
        local closer = setmetatable({}, { __close = function() print "closed" end })
        pcall(sora.run, function()
          local _ <close> = closer
          sora.sleep(60)
        end)
      ]])
      assert.equal("closed", said)
    end)
  end
end)

-- query_all and wait_all: each id is told once, in order, whatever the others do.

local clients = require "spec.support.clients"
local flows = require "spec.support.flows"
local program = require "spec.support.interrupt"
local sora = require "sora"
local standin = require "spec.support.standin"

local service, client

setup(function() service = standin.shared() end)

before_each(function() client = clients.new() end)

after_each(function() clients.finish(client) end)

local function ids_of(count, ...)
  local ids = {}
  for i = 1, count do ids[i] = service:id(...) end
  return ids
end

local function count(set)
  local size = 0
  for _ in pairs(set) do size = size + 1 end
  return size
end

local function polls(id) return #service:log(id, "tls") end

describe("query_all", function()
  it("asks each id once and returns tasks and errors by id", function()
    local good, unknown, bad = service:id "queued", "unknown~" .. service:id "x", service:id "502"
    local tasks, errs = client:query_all({ good, unknown, bad }, { retries = 0 })
    assert.equal("queued", tasks[good].status)
    assert.equal(1, count(tasks))
    assert.equal("task_not_exist", errs[unknown].code)
    assert.equal(502, errs[bad].status)
    assert.equal(2, count(errs))
    assert.equal(1, polls(good))
  end)

  it("repeats a query as query does", function()
    local id = service:id("500", "queued")
    assert.equal("queued", client:query_all({ id })[id].status)
  end)

  it("returns two empty tables for no ids", function()
    assert.same({ {}, {} }, { client:query_all {} })
    assert.same({ {}, {} }, { client:wait_all {} })
  end)

  it("ends within the timeout, for those as well that were not asked", function()
    local ids, started = ids_of(5, "never"), sora.driver.now()
    local tasks, errs = client:query_all(ids, { timeout = 0.3, concurrency = 2 })
    assert.is_true(sora.driver.now() - started < 15)
    assert.is_nil(next(tasks))
    for _, id in ipairs(ids) do
      assert.equal("timeout", errs[id].kind)
      assert.equal(id, errs[id].id)
    end
    assert.equal(0, polls(ids[5]))
  end)
end)

describe("wait_all", function()
  it("waits for each of them, in whatever order they end", function()
    local order = {}
    local slow, fast = service:id("queued*8", "completed"), service:id("queued", "completed")
    local failing = service:id("pending", "failed")
    local tasks, errs = client:wait_all({ slow, failing, fast }, clients.quick {
      on_result = function(id, task, err)
        order[#order + 1] = id
        assert.equal(id == failing, task == nil)
        assert.equal(id == failing, err ~= nil)
      end,
    })
    assert.equal("succeeded", sora.status(tasks[slow]))
    assert.equal("succeeded", sora.status(tasks[fast]))
    assert.is_nil(tasks[failing])
    assert.equal("failed", errs[failing].kind)
    assert.equal("failed", sora.status(errs[failing].task))
    assert.equal(1, count(errs))
    assert.equal(3, #order)
    assert.equal(slow, order[3])
  end)

  it("asks a duplicate once, and tells of it once", function()
    local id, told = service:id("queued", "completed"), 0
    local tasks = client:wait_all({ id, id, id }, clients.quick {
      on_result = function() told = told + 1 end,
    })
    assert.equal(1, count(tasks))
    assert.equal(1, told)
    assert.equal(2, polls(id))
  end)

  it("is disturbed for no task by the failure of another", function()
    local ids, bad = ids_of(10, "queued*3", "completed"), {}
    for i, step in ipairs { "400", "503", "truncated", "web_ui", "never" } do
      bad[i] = service:id(step)
      table.insert(ids, 2 * i, bad[i])
    end
    local tasks, errs = client:wait_all(ids,
      clients.quick { max_errors = 2, request_timeout = 2 })
    assert.equal(10, count(tasks))
    assert.equal(5, count(errs))
    assert.equal(400, errs[bad[1]].status)
    assert.equal(503, errs[bad[2]].status)
    assert.equal("decode", errs[bad[3]].kind)
    assert.equal("http", errs[bad[4]].kind)
    assert.equal("timeout", errs[bad[5]].kind)
  end)

  it("survives a connection that breaks under all of them", function()
    local ids = ids_of(20, "queued;delay=0.1*2", "completed")
    ids[21] = service:id("reset;delay=0.05", "completed")
    local tasks, errs = client:wait_all(ids, clients.quick())
    assert.same({}, errs)
    assert.equal(21, count(tasks))
    assert.is_true(client:stats().connections > 1)
  end)

  it("has at most `concurrency` queries in flight", function()
    local own = standin.start()
    local mine = clients.new { base_url = own.base_url, ca_file = own.ca_file }
    local ids = {}
    for i = 1, 40 do ids[i] = own:id("queued;delay=0.02", "completed;delay=0.02") end
    assert.equal(40, count(mine:wait_all(ids, clients.quick { concurrency = 7 })))
    assert.equal(7, own:stats().requests_in_flight_peak)
    mine:close()
    assert.equal("", own:stop())
  end)

  it("keeps to max_connections, and shares one where HTTP/2 can", function()
    local own = standin.start()
    local ids = {}
    for i = 1, 60 do ids[i] = own:id("queued;delay=0.02", "completed") end
    local h2 = clients.new { base_url = own.base_url, ca_file = own.ca_file, max_connections = 1 }
    assert.equal(60, count(h2:wait_all(ids, clients.quick())))
    assert.equal(1, own:stats().connections_accepted)
    assert.equal(1, h2:stats().connections)
    own:reset()
    local h1 = clients.new { base_url = own.h1_url, ca_file = own.ca_file, max_connections = 3 }
    assert.equal(60, count(h1:wait_all(ids, clients.quick())))
    assert.equal(3 + 1, own:stats().connections_open_peak) -- one is that of h2
    h2:close()
    h1:close()
    assert.equal("", own:stop())
  end)

  it("has one timeout for the whole call", function()
    local ids, started = ids_of(6, "queued;delay=0.05"), sora.driver.now()
    local done = service:id "completed"
    ids[7] = done
    local tasks, errs = client:wait_all(ids, { timeout = 3, interval = 0.1, concurrency = 2 })
    local seconds = sora.driver.now() - started
    assert.is_true(seconds > 2.9 and seconds < 60)
    assert.same({ [done] = tasks[done] }, tasks)
    for i = 1, 6 do
      local err = errs[ids[i]]
      assert.equal("timeout", err.kind)
      assert.equal(ids[i], err.id)
      assert.equal("queued", err.task.status)
      assert.is_true(err.polls >= 1)
    end
  end)

  it("tells on_update of each task; false ends that task's wait alone", function()
    local stopped, other = service:id("queued", "completed"), service:id("queued", "completed")
    local told = {}
    local tasks, errs = client:wait_all({ stopped, other }, clients.quick {
      on_update = function(task, info)
        told[#told + 1] = info.id .. " " .. task.status
        if info.id == stopped then return false end
      end,
    })
    table.sort(told)
    local expected = { stopped .. " queued", other .. " queued", other .. " completed" }
    table.sort(expected)
    assert.same(expected, told)
    assert.equal("cancelled", errs[stopped].kind)
    assert.equal("queued", errs[stopped].task.status)
    assert.equal("completed", tasks[other].status)
  end)

  for _, callback in ipairs { "on_result", "on_update" } do
    it("raises the error of " .. callback .. " to the caller, with nothing in flight", function()
      local raised = {}
      local ids = ids_of(20, "never")
      ids[21] = service:id "completed"
      local ok, err = pcall(client.wait_all, client, ids,
        clients.quick { [callback] = function() error(raised) end })
      assert.is_false(ok)
      assert.equal(raised, err)
      assert.equal(0, client:stats().in_flight)
      assert.equal("completed", client:query(service:id "completed").status)
    end)
  end

  it("lets on_result use the client", function()
    local ids, again = ids_of(5, "queued", "completed"), 0
    client:wait_all(ids, clients.quick {
      on_result = function(id)
        if client:query(id) and client:wait(service:id "completed") then again = again + 1 end
      end,
    })
    assert.equal(5, again)
  end)

  it("ends all of them when on_result closes the client", function()
    local told = 0
    local ids = ids_of(30, "queued", "completed")
    table.insert(ids, 3, service:id "completed")
    local tasks, errs = client:wait_all(ids, {
      interval = 60, concurrency = 5,
      on_result = function()
        told = told + 1
        client:close()
      end,
    })
    assert.equal(1, count(tasks))
    assert.equal(30, count(errs))
    assert.equal(31, told)
    for id, err in pairs(errs) do
      assert.equal("cancelled", err.kind)
      assert.equal(id, err.id)
    end
  end)

  it("ends at once when the client is closed while all of them sleep", function()
    if flows.lacking then return pending(flows.lacking) end
    local ids, started, errs = ids_of(10, "queued"), sora.driver.now(), nil
    local own = clients.new(nil, flows.sora)
    flows.run(function()
      local told = 0
      local all = flows.spawn(own.wait_all, own, ids,
        { interval = 60, on_update = function() told = told + 1 end })
      while told < #ids do flows.sleep(0.02) end
      own:close()
      errs = select(2, all:join())
    end)
    assert.is_true(sora.driver.now() - started < 30)
    for _, id in ipairs(ids) do
      assert.equal("cancelled", errs[id].kind)
      assert.equal("queued", errs[id].task.status)
    end
  end)

  it("does not ask on while a 429 silences its client", function()
    local ids = ids_of(20, "queued", "completed")
    table.insert(ids, 1, service:id("429;retry_after=1", "completed"))
    assert.equal(21, count(client:wait_all(ids, clients.quick { concurrency = 1, timeout = 20 })))
    local silent = service:log(ids[1])[1].time
    for _, id in ipairs(ids) do
      for i, entry in ipairs(service:log(id)) do
        if id ~= ids[1] or i > 1 then assert.is_true(entry.time - silent >= 0.95) end
      end
    end
  end)

  it("does not ask tasks that are told to wait the same at the same moment", function()
    local ids = ids_of(50, "queued", "completed")
    assert.equal(50, count(client:wait_all(ids, { interval = 1, timeout = 20 })))
    local times = {}
    for i = 1, 50 do times[i] = service:log(ids[i])[2].time end
    table.sort(times)
    assert.is_true(times[50] - times[1] > 0.1)
  end)

  it("raises misuse where it is called", function()
    local function check(expected, ...)
      local ok, err = pcall(function(...) client:wait_all(...) end, ...)
      assert.is_false(ok)
      assert.is_truthy(err:find "^spec/waiting/many_spec.lua:%d+: ", err)
      assert.is_truthy(err:find(expected, 1, true), err)
    end
    check("#1 to 'wait_all' (table of task ids expected, got string)", "x")
    check("(at position 2: task id (a string) expected, got number)", { "a", 5 })
    check("(at position 1: task id is empty)", { "" })
    check("(did you mean 'concurrency'?)", { "a" }, { concurency = 1 })
    check("'concurrency'", { "a" }, { concurrency = 0 })
    check("'base_url'", { "a" }, { base_url = "gopher://x" })
  end)
end)

describe("sleeping tasks", function()
  it("take less than 2 KiB each beyond the id, the last answer included", function()
    if flows.lacking then return pending(flows.lacking) end
    local ids = {}
    for i = 1, 2000 do ids[i] = service:id "minimal" end
    local before, during
    local own = clients.new(nil, flows.sora)
    flows.run(function()
      assert(own:query(ids[1]))
      collectgarbage()
      collectgarbage()
      before = collectgarbage "count"
      local all = flows.spawn(own.wait_all, own, ids, { interval = 60, concurrency = 1000 })
      while own:stats().requests < 2001 or own:stats().in_flight > 0 do flows.sleep(0.05) end
      flows.sleep(0.05)
      collectgarbage()
      collectgarbage()
      during = collectgarbage "count"
      own:close()
      all:join()
    end)
    local bytes = (during - before) * 1024 / #ids
    assert.is_true(bytes < 2048, bytes)
  end)
end)

describe("Ctrl-C", function()
  it("ends all of them, and leaves the client usable", function()
    local said = program.interrupted(service, ([[
      local ids = {}
      for i = 1, 200 do ids[i] = (i %% 2 == 0 and "never~i" or "queued~i") .. i end
      local ok, err = pcall(client.wait_all, client, ids, { interval = 30 })
      print(ok, err, client:stats().in_flight)
      print(client:query(%q).status)
    ]]):format(service:id "completed"))
    assert.is_truthy(said:find("^false\t[^\n]*interrupted!\t0\ncompleted$"), said)
  end)
end)

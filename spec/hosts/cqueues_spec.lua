-- sora.cqueues: waits inside a controller, and keeps the common contract of hosts.

local lacking = require("spec.support.host").lacks "cqueues"
if lacking then return pending(lacking) end

local clients = require "spec.support.clients"
local contract = require "spec.support.driver_contract"
local cqueues = require "cqueues"
local flows = require "spec.support.flows"
local sora = require "sora.cqueues"
local standin = require "spec.support.standin"

require "spec.support.lua_http"

local LIMIT = 20 -- seconds

local service = standin.shared()
local client

--- Runs fn(controller) in a controller, until nothing is left to do there.
local function run(fn)
  local controller = cqueues.new()
  controller:wrap(fn, controller)
  assert(controller:loop(LIMIT))
  assert.is_true(controller:empty(), "the controller goes on")
end

local function new_client() return clients.new(nil, sora) end

describe("cqueues", function()
  before_each(function() client = new_client() end)
  after_each(function() client:close() end)

  describe("as a driver:", function()
    contract.specify(function()
      local lines, path = {}, os.tmpname()
      run(function(controller)
        contract.run {
          sora = sora, base_url = service.base_url, ca_file = service.ca_file, tag = "cqueues",
          path = path, sleep = cqueues.sleep,
          spawn = function(fn) controller:wrap(fn) end,
          emit = function(line) lines[#lines + 1] = line end,
          pcall = flows.pcall,
        }
      end)
      os.remove(path)
      return table.concat(lines, "\n")
    end)
  end)

  it("serves HTTP and queries in one controller", function()
    local http_server, http_request = require "http.server", require "http.request"
    local http_headers = require "http.headers"
    local statuses = {}
    run(function(controller)
      local server = assert(http_server.listen {
        host = "127.0.0.1", port = 0, tls = false, cq = controller,
        onstream = function(_, stream)
          local id = assert(stream:get_headers()):get ":path":sub(2)
          local task = assert(client:query(id))
          local headers = http_headers.new()
          headers:append(":status", "200")
          assert(stream:write_headers(headers, false))
          assert(stream:write_chunk(task.status, true))
        end,
      })
      assert(server:listen())
      local _, host, port = server:localname()
      local words, left = { "completed", "queued", "failed" }, 3
      for i, word in ipairs(words) do
        controller:wrap(function()
          local id = service:id(word .. ";delay=0.3")
          local request = http_request.new_from_uri(("http://%s:%d/%s"):format(host, port, id))
          local headers, stream = request:go(10)
          statuses[i] = headers and stream:get_body_as_string()
          left = left - 1
          if left == 0 then server:close() end
        end)
      end
    end)
    assert.are.same({ "completed", "queued", "failed" }, statuses)
  end)

  it("lets the controller end as soon as nothing is in flight", function()
    local task
    run(function() task = client:query(service:id "completed") end) -- says whether it ends
    assert.are.equal("completed", task.status)
    assert.are.equal(1, client:stats().open_connections)
  end)

  it("asks with one client from several controllers, one inside the other", function()
    local inner, outer = nil, {}
    run(function(controller)
      local nested = cqueues.new()
      nested:wrap(function() inner = client:query(service:id "completed;delay=0.2") end)
      controller:wrap(function() outer[1] = client:query(service:id "queued;delay=0.1") end)
      controller:wrap(function() outer[2] = client:query(service:id "queued;delay=0.3") end)
      assert(nested:loop(LIMIT))
    end)
    assert.are.equal("completed", inner.status)
    assert.are.equal("queued", outer[1].status)
    assert.are.equal("queued", outer[2].status)
  end)

  it("goes on after a controller was closed with a query in flight", function()
    local controller = cqueues.new()
    controller:wrap(function() client:query(service:id "never") end)
    for _ = 1, 5 do assert(controller:step(0.02)) end
    assert.are.equal(1, client:stats().in_flight)
    controller:close()
    local task
    run(function()
      task = client:query(service:id "completed")
      client:cancel()
    end)
    assert.are.equal("completed", task.status)
  end)

  it("ends a controller whose clients are closed from outside of it", function()
    local err
    local controller = cqueues.new()
    controller:wrap(function() err = select(2, client:query(service:id "never")) end)
    for _ = 1, 5 do assert(controller:step(0.02)) end
    client:close()
    assert(controller:loop(LIMIT))
    assert.is_true(controller:empty())
    assert.are.equal("cancelled", err.kind)
  end)

  it("leaves an error in a coroutine to the controller", function()
    local controller, task = cqueues.new(), nil
    controller:wrap(function()
      client:wait(service:id "queued", { on_update = function() error("mine", 0) end })
    end)
    controller:wrap(function() task = client:query(service:id "completed;delay=0.2") end)
    local ok, message = controller:loop(LIMIT)
    assert.is_false(ok)
    assert.are.equal("mine", message)
    assert(controller:loop(LIMIT))
    assert.are.equal("completed", task.status)
  end)

  describe("outside of a controller", function()
    it("blocks until there is an answer", function()
      local task = client:query(service:id "completed")
      assert.are.equal("completed", task.status)
      task = client:wait(service:id("queued", "completed"), { interval = 0.05 })
      assert.are.equal("completed", task.status)
    end)

    it("blocks in the steps of a watch", function()
      local words = {}
      for task in client:watch(service:id("queued", "completed"), { interval = 0.05 }) do
        words[#words + 1] = task.status
      end
      assert.are.same({ "queued", "completed" }, words)
    end)

    it("keeps to timeouts", function()
      local started = sora.driver.now()
      local _, err = client:wait(service:id "queued", { interval = 60, timeout = 0.2 })
      assert.are.equal("timeout", err.kind)
      assert.is_true(sora.driver.now() - started < 30)
    end)
  end)

  it("lets on_attempt wait in every call", function()
    local slept, failed = 0, nil
    local opts = { interval = 0.01, max_interval = 0.01, retries = 2, on_attempt = function()
      cqueues.sleep(0.01)
      slept = slept + 1
    end }
    run(function()
      local ids = { service:id("500;retry_after=0", "completed"), service:id "completed" }
      assert(client:wait(service:id("500;retry_after=0", "completed"), opts))
      failed = next((select(2, client:wait_all(ids, opts))))
      service:reset()
      opts.interval, opts.max_interval = nil, nil
      failed = failed or next((select(2, client:query_all(ids, opts))))
    end)
    assert.is_nil(failed)
    assert.equal(8, slept)
  end)
end)

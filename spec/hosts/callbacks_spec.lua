-- What a callback may do, in each call of each host. Lua 5.1 cannot catch the error of a callback
-- in a coroutine that may yield: there it ends the coroutine, and what was in flight is cancelled
-- when that is collected.

local lacking = require("spec.support.host").lacks("cqueues", "luv")
if lacking then return pending(lacking) end

local clients = require "spec.support.clients"
local cqueues = require "cqueues"
local files = require "spec.support.files"
local loop = require "spec.support.luv_loop"
local luv = require "sora.luv"
local standin = require "spec.support.standin"
local system = require "system"

local unpack = table.unpack or unpack

local LIMIT = 20 -- seconds

local service = standin.shared()
local client, other, path

--- Hosts: how a function runs there, in a flow of control that may wait. Returns what pcall would.
local hosts = {
  plain = { sora = require "sora", run = pcall },
  cqueues = { sora = require "sora.cqueues", sleep = cqueues.sleep },
  luv = { sora = luv, sleep = luv.sleep },
}

function hosts.cqueues.run(fn)
  local controller, results = cqueues.new(), { n = 0 }
  controller:wrap(function() results = { fn() } end)
  local ok, err = controller:loop(LIMIT)
  if not ok then return false, err end
  assert.is_true(controller:empty())
  return true, results[1], results[2]
end

function hosts.luv.run(fn)
  local results, report, raised = nil, luv.driver.report, nil
  luv.driver.report = function(message) raised = message end
  luv.spawn(function() results = { fn() } end)
  loop(LIMIT)
  luv.driver.report = report
  if raised then return false, raised end
  assert.is_table(results, "it did not end")
  return true, results[1], results[2]
end

--- What each call is made with.
local function options(callback, fn, opts)
  local all = { interval = 0.02, max_interval = 0.02, timeout = opts and opts.timeout or 10 }
  all[callback] = fn
  return all
end

local calls = {}

--- A call that tells a callback: perform(opts, ids) makes it, and fills `ids` with those that it
-- waits for.
local function call(name, callback, perform)
  calls[#calls + 1] = { name = name, callback = callback, perform = perform }
  return calls[#calls]
end

call("wait", "on_update", function(opts, ids)
  ids[1] = service:id("queued", "pending", "completed")
  return client:wait(ids[1], opts)
end)

call("watch", "on_update", function(opts, ids)
  ids[1] = service:id("queued", "pending", "completed")
  local next_change, last = client:watch(ids[1], opts), nil
  local task = next_change()
  while task do
    last, task = task, next_change()
  end
  return last
end)

local function one_of(ids, tasks, errs)
  for _, id in ipairs(ids) do
    assert(not tasks[id] ~= not errs[id], "an id that did not end, or did so twice")
  end
  if errs[ids[1]] then return nil, errs[ids[1]] end
  return tasks[ids[1]], errs[ids[2]]
end

for _, callback in ipairs { "on_update", "on_result" } do
  call("wait_all", callback, function(opts, ids)
    ids[1] = service:id("queued", "pending", "completed")
    ids[2] = service:id("queued*3", "pending", "completed")
    return one_of(ids, client:wait_all(ids, opts))
  end)
end

call("query_all", "on_result", function(opts, ids)
  opts.interval, opts.max_interval = nil, nil
  ids[1], ids[2] = service:id "completed", service:id "completed;delay=0.1"
  return one_of(ids, client:query_all(ids, opts))
end)

local download = call("download", "on_progress", function(opts)
  opts.interval, opts.max_interval = nil, nil
  return client:download(service:id "completed", path, opts)
end)

for _, callback in ipairs { "on_update", "on_progress" } do
  call("generate", callback, function(opts)
    local body = { model = "sora-2", prompt = "a cat script:queued,pending,completed" }
    return client:generate(body, path, opts)
  end)
end

--- What is told of attempts may do all that, in each call: `plain` ones have no options of waits.
local function each_attempt(name, plain, perform)
  call(name, "on_attempt", function(opts, ids)
    if plain then opts.interval, opts.max_interval = nil, nil end
    return perform(opts, ids)
  end)
end

each_attempt("query", true, function(opts)
  return client:query(service:id("503;retry_after=0", "completed"), opts)
end)
each_attempt("create", true, function(opts)
  return client:create({ model = "sora-2", prompt = "a cat script:completed" }, opts)
end)
each_attempt("call", true, function(opts) return client:call("GET", "/echo", opts) end)
each_attempt("download", true, function(opts)
  return client:download(service:id "completed", path, opts)
end)
for _, one in ipairs { unpack(calls) } do
  if one.callback == "on_update" or one.name == "query_all" then
    each_attempt(one.name, false, one.perform)
  end
end

for host_name, host in pairs(hosts) do
  describe("in " .. host_name .. ", a callback", function()
    before_each(function()
      client, other = clients.new(nil, host.sora), clients.new(nil, host.sora)
      path = os.tmpname()
    end)

    after_each(function()
      client:close()
      other:close()
      os.remove(path)
      os.remove(path .. ".part")
      assert.equal("", service:complaints())
    end)

    --- Makes the call with a callback that does fn() the first time.
    local function perform(one, fn, opts)
      local ids, calls_made = {}, 0
      local function callback()
        calls_made = calls_made + 1
        if calls_made == 1 then return fn() end
      end
      local ok, value, err = host.run(function()
        return one.perform(options(one.callback, callback, opts), ids)
      end)
      assert.is_true(calls_made > 0)
      return ok, value, err, ids
    end

    local function usable(whose)
      local ok, task, err = host.run(function() return whose:query(service:id "completed") end)
      assert.is_true(ok, task)
      assert.equal("completed", task and task.status, tostring(err))
      assert.equal(0, whose:stats().in_flight)
    end

    for _, one in ipairs(calls) do
      local what = (" in %s of %s"):format(one.callback, one.name)

      it("may raise" .. what, function()
        local ok, err = perform(one, function() error("mine", 0) end)
        assert.is_false(ok)
        assert.is_truthy(tostring(err):find("mine", 1, true), tostring(err))
        for _ = 1, 2 do collectgarbage() end
        usable(client)
      end)

      it("may use the same client and another" .. what, function()
        local inner = {}
        local ok, value, err = perform(one, function()
          for i, each in ipairs { client, other } do
            inner[i] = assert(each:query(service:id "completed")).status
            inner[i + 2] = assert(each:wait(service:id("queued", "completed"),
              { interval = 0.02 })).status
            local id = service:id "completed"
            inner[i + 4] = each:wait_all({ id }, { interval = 0.02 })[id].status
          end
        end)
        assert.is_true(ok, value)
        assert.is_truthy(value, tostring(err))
        if one.name ~= "generate" then assert.is_nil(err) end -- else the task
        for i = 1, 6 do assert.equal("completed", inner[i]) end
        usable(client)
        usable(other)
      end)

      for how, said in pairs {
        cancel = "cancelled by the caller", close = "the client was closed",
      } do
        it(("may %s the client's calls"):format(how) .. what, function()
          local ok, value, err, ids = perform(one, function() client[how](client) end)
          if not ok then value, err = nil, value end -- of watch
          if err and (one.name ~= "generate" or not value) then
            assert.matches(said, tostring(err))
          end
          if one.callback == "on_update" then
            assert.is_nil(value)
            if ids[1] then assert.equal(1, #service:log(ids[1])) end
          end
          if how == "cancel" then usable(client) end
        end)
      end

      it("may take longer than the timeout" .. what, function()
        local ok, value, err, ids = perform(one, function() system.sleep(0.6) end,
          { timeout = 0.4 })
        if not ok then value, err = nil, value end
        if one.name == "wait" or one.name == "watch" then assert.is_nil(value) end
        if err and (one.name ~= "generate" or not value) then
          assert.matches("timeout", tostring(err))
        end
        if one.callback == "on_update" and ids[1] then
          assert.equal(1, #service:log(ids[1]))
        end
        usable(client)
      end)

      if host.sleep then
        it("may yield" .. what, function()
          local ok, value, err = perform(one, function() host.sleep(0.05) end)
          assert.is_true(ok, value)
          assert.is_truthy(value, tostring(err))
          if one.name ~= "generate" then assert.is_nil(err) end
          usable(client)
        end)
      end
    end

    for _, how in ipairs { "cancel", "close" } do
      it(("may %s between two steps of generate"):format(how), function()
        local ok, bytes, err = host.run(function()
          return client:generate({ model = "sora-2", prompt = "a cat script:queued,completed" },
            path, {
              interval = 0.02,
              on_update = function(task) if task.status == "completed" then client[how](client) end
              end,
            })
        end)
        assert.is_true(ok, bytes)
        assert.is_nil(bytes)
        assert.equal("cancelled", err.kind)
        assert.equal("completed", err.task.status)
      end)
    end

    it("may write files of its own while a video is written", function()
      local ok, bytes = perform(download, function() files.write(path .. ".own", "mine") end)
      assert.is_true(ok)
      assert.is_number(bytes)
      assert.equal("mine", files.read(path .. ".own"))
      os.remove(path .. ".own")
    end)
  end)
end

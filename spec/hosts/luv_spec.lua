-- sora.luv: coroutines and callbacks on libuv's loop, and the common contract of hosts.

local lacking = require("spec.support.host").lacks "luv"
if lacking then return pending(lacking) end

local clients = require "spec.support.clients"
local contract = require "spec.support.driver_contract"
local loop = require "spec.support.luv_loop"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local sora = require "sora.luv"
local standin = require "spec.support.standin"
local uv = require "luv"

local LIMIT = 20 -- seconds

local service = standin.shared()
local client

--- Runs the loop until there is nothing left to wait for, with fn(...) in a coroutine of it.
local function run(fn, ...)
  if fn then sora.spawn(fn, ...) end
  loop(LIMIT)
  assert.is_false(uv.loop_alive(), "the loop goes on")
end

--- Calls fn after some milliseconds.
local function after(milliseconds, fn)
  local timer = uv.new_timer()
  uv.update_time()
  timer:start(milliseconds, 0, function()
    timer:close()
    fn()
  end)
end

--- A callback that keeps what it is told, and how often.
local function listener()
  local heard = { count = 0 }
  return setmetatable(heard, {
    __call = function(_, err, a, b)
      heard.count, heard.err, heard.a, heard.b = heard.count + 1, err, a, b
    end,
  }), function(...) return heard(...) end
end

--- What is reported while fn runs.
local function reports_of(fn)
  local reports, report = {}, sora.driver.report
  sora.driver.report = function(message) reports[#reports + 1] = message end
  local ok, err = pcall(fn)
  sora.driver.report = report
  assert(ok, err)
  return reports
end

local function new_client() return clients.new(nil, sora) end

describe("luv", function()
  before_each(function() client = new_client() end)
  after_each(function() client:close() end)

  it("raises misuse of spawn and sleep at their caller, and nothing is left in the loop", function()
    local messages = {}
    local function misuse(fn, ...)
      local ok, message = pcall(function(...) fn(...) end, ...)
      assert.is_false(ok)
      assert.matches("^spec/hosts/luv_spec.lua:%d+: ", message)
      messages[#messages + 1] = message:gsub("^[^ ]* ", "")
    end
    misuse(sora.spawn, 1)
    misuse(sora.sleep, 1)
    run(function()
      misuse(sora.sleep)
      misuse(sora.sleep, "x")
      misuse(sora.sleep, 0 / 0)
      sora.sleep(-1) -- over at once
      messages[#messages + 1] = "went on"
    end)
    assert.equal("bad argument #1 to 'spawn' (function expected, got number)", messages[1])
    assert.matches("outside a coroutine", messages[2])
    assert.equal("bad argument #1 to 'sleep' (number expected, got nil)", messages[3])
    assert.equal("bad argument #1 to 'sleep' (number expected, got string)", messages[4])
    assert.matches("^bad argument #1 to 'sleep' %(number expected, got %-?nan", messages[5])
    assert.equal("went on", messages[6])
  end)

  -- a coroutine of Lua 5.1 cannot yield inside the pcall of the cases
  if jit or _VERSION ~= "Lua 5.1" then
    describe("as a driver:", function()
      contract.specify(function()
        local lines, path = {}, os.tmpname()
        run(contract.run, {
          sora = sora, base_url = service.base_url, ca_file = service.ca_file, tag = "luv",
          path = path, spawn = sora.spawn, sleep = sora.sleep,
          emit = function(line) lines[#lines + 1] = line end,
        })
        os.remove(path)
        return table.concat(lines, "\n")
      end)
    end)
  end

  describe("with a callback", function()
    it("returns at once, and tells err, task later", function()
      local heard, callback = listener()
      client:query(service:id "completed", callback)
      assert.are.equal(0, heard.count)
      run()
      assert.are.equal(1, heard.count)
      assert.is_nil(heard.err)
      assert.are.equal("completed", heard.a.status)
    end)

    it("takes options before the callback", function()
      local heard, callback = listener()
      client:query(service:id("503;body=empty", "completed"), { retries = 0 }, callback)
      run()
      assert.are.equal("http", heard.err.kind)
      assert.is_nil(heard.a)
    end)

    it("is a function of the module as well", function()
      local heard, callback = listener()
      local opts = { base_url = service.base_url, ca_file = service.ca_file, api_key = "sk-luv" }
      sora.query(service:id "completed", opts, callback)
      run()
      assert.are.equal("completed", heard.a.status)
    end)

    it("tells of wait, its updates before", function()
      local heard, callback = listener()
      local words = {}
      client:wait(service:id("queued", "completed"), {
        interval = 0.05,
        on_update = function(task) words[#words + 1] = task.status .. heard.count end,
      }, callback)
      run()
      assert.are.same({ "queued0", "completed0" }, words)
      assert.are.equal("completed", heard.a.status)
    end)

    it("tells tasks and errors of wait_all and query_all", function()
      local good, bad = service:id "completed", service:id "failed"
      local one, tell_one = listener()
      local other, tell_other = listener()
      client:wait_all({ good, bad }, tell_one)
      client:query_all({ good, "unknown" }, tell_other)
      run()
      assert.is_nil(one.err)
      assert.are.equal("completed", one.a[good].status)
      assert.are.equal("failed", one.b[bad].kind)
      assert.are.equal("completed", other.a[good].status)
      assert.are.equal("api", other.b.unknown.kind)
    end)

    it("tells the bytes of a download, or why there was none", function()
      local heard, callback = listener()
      local none, tell_none = listener()
      local path = os.tmpname()
      client:download(service:video "size=5000", path, callback)
      client:download({ status = "completed" }, path .. ".none", tell_none)
      assert.are.equal(0, none.count)
      run()
      os.remove(path)
      assert.are.equal(5000, heard.a)
      assert.are.equal("no_video", none.err.kind)
    end)

    it("tells what was created, generated and called", function()
      local created, tell_created = listener()
      local generated, tell_generated = listener()
      local called, tell_called = listener()
      local failed, tell_failed = listener()
      local path, body = os.tmpname(), { model = "m", prompt = "script:completed" }
      client:create(body, tell_created)
      client:generate(body, path, { interval = 0.02 }, tell_generated)
      client:call("GET", "/echo", tell_called)
      client:generate({ model = "m" }, path, tell_failed)
      run()
      os.remove(path)
      assert.are.equal("pending", created.a.status)
      assert.is_nil(generated.err)
      assert.are.equal("number", type(generated.a))
      assert.are.equal("succeeded", sora.status(generated.b))
      assert.are.equal("GET", called.a.method)
      assert.are.same({ 1, "create" }, { failed.count, failed.err.step })
    end)

    it("may call on from the callback, without another one", function()
      local again
      client:query(service:id "completed", function()
        again = client:query(service:id "queued")
      end)
      run()
      assert.are.equal("queued", again.status)
    end)

    it("raises misuse where the call stands", function()
      local ok, message = pcall(function() client:query("", print) end)
      assert.is_false(ok)
      assert.matches("^.*luv_spec.lua:%d+: bad argument #1 to 'query'", message)
      ok, message = pcall(function() client:wait("id", { intervall = 1 }, print) end)
      assert.is_false(ok)
      assert.matches("^.*luv_spec.lua:%d+: unknown option 'intervall'", message)
      ok, message = pcall(function() client:query("id", {}, "print") end)
      assert.is_false(ok)
      assert.matches("^.*luv_spec.lua:%d+: callback of 'query' must be a function", message)
    end)

    it("is refused by watch, which is a loop", function()
      local ok, message = pcall(function() client:watch("id", print) end)
      assert.is_false(ok)
      assert.matches("^.*luv_spec.lua:%d+: .*on_update", message)
    end)
  end)

  it("says so where there is neither a callback nor a coroutine", function()
    for _, call in ipairs { "query", "wait", "watch", "wait_all", "query_all" } do
      local ok, message = pcall(function() local _ = client[call](client, "id") end)
      assert.is_false(ok)
      assert.matches("^.*luv_spec.lua:%d+: '" .. call .. "' outside a coroutine needs a callback",
        message)
    end
  end)

  describe("cancelling", function()
    it("ends a query in flight", function()
      local heard, callback = listener()
      local handle = client:query(service:id "never", callback)
      after(50, function() handle:cancel() end)
      run()
      assert.are.equal(1, heard.count)
      assert.are.equal("cancelled", heard.err.kind)
      assert.are.equal(0, client:stats().in_flight)
    end)

    it("ends a create, and tells that it was sent", function()
      local heard, callback = listener()
      service:script("/v1/luv/create", { "never" })
      local opts = { create_path = "/v1/luv/create" }
      local handle = client:create({ model = "m", prompt = "p" }, opts, callback)
      after(300, function() handle:cancel() end)
      run()
      assert.are.same({ 1, "cancelled", true }, { heard.count, heard.err.kind, heard.err.sent })
    end)

    it("ends a call at once", function()
      local heard, callback = listener()
      local handle = client:query(service:id "never", callback)
      handle:cancel()
      handle:cancel()
      run()
      assert.are.equal(1, heard.count)
      assert.are.equal("cancelled", heard.err.kind)
    end)

    it("ends a wait between two polls, with the last task", function()
      local heard, callback = listener()
      local handle = client:wait(service:id "queued", { interval = 60 }, callback)
      after(200, function() handle:cancel() end)
      run()
      assert.are.equal("cancelled", heard.err.kind)
      assert.are.equal("queued", heard.err.task.status)
    end)

    it("ends wait_all: what has ended stays, the rest is cancelled", function()
      local heard, callback = listener()
      local ids = { service:id "completed", service:id "queued", service:id "never" }
      local handle = client:wait_all(ids, { interval = 60 }, callback)
      after(200, function() handle:cancel() end)
      run()
      assert.is_nil(heard.err)
      assert.are.equal("completed", heard.a[ids[1]].status)
      assert.are.equal("cancelled", heard.b[ids[2]].kind)
      assert.are.equal("cancelled", heard.b[ids[3]].kind)
    end)

    it("ends a download, in flight or between two attempts", function()
      local one, tell_one = listener()
      local other, tell_other = listener()
      local path = os.tmpname()
      local handles = {
        client:download(service:video "size=50000&rate=1000", path, tell_one),
        client:download(service:video "size=50000&status=503", path .. ".b", tell_other),
      }
      after(200, function() for _, handle in ipairs(handles) do handle:cancel() end end)
      run()
      os.remove(path)
      os.remove(path .. ".part")
      os.remove(path .. ".b.part")
      assert.are.equal("cancelled", one.err.kind)
      assert.are.equal("cancelled", other.err.kind)
    end)

    it("is without effect once the callback was told", function()
      local again, handle
      handle = client:query(service:id "completed", function()
        handle:cancel()
        again = client:query(service:id "queued")
      end)
      run()
      assert.are.equal("queued", again.status)
    end)

    it("ends each call of a coroutine of spawn", function()
      local kinds = {}
      local handle = sora.spawn(function()
        for i = 1, 2 do
          local _, err = client:query(service:id "never")
          kinds[i] = err.kind
        end
      end)
      after(50, function() handle:cancel() end)
      run()
      assert.are.same({ "cancelled", "cancelled" }, kinds)
    end)
  end)

  describe("an error", function()
    it("in a callback is reported with its place, and loses nobody's answer", function()
      local heard, callback = listener()
      local reports = reports_of(function()
        client:query(service:id "completed", function() error("mine") end)
        client:query(service:id "completed", callback)
        run()
      end)
      assert.are.equal(1, #reports)
      assert.matches("luv_spec.lua:%d+: mine\nstack traceback", reports[1])
      assert.are.equal(1, heard.count)
      assert.are.equal("completed", heard.a.status)
    end)

    it("in on_update is reported, and ends the call for its callback", function()
      local heard, callback = listener()
      local mine = setmetatable({}, { __tostring = function() return "mine" end })
      local reports = reports_of(function()
        client:wait(service:id "queued", { on_update = function() error(mine) end }, callback)
        run()
      end)
      assert.are.equal(1, #reports)
      assert.matches("^mine\n", reports[1])
      assert.are.equal(1, heard.count)
      assert.are.equal(mine, heard.err)
    end)

    it("in a coroutine of the program is reported when the loop had resumed it", function()
      local reports = reports_of(function()
        coroutine.wrap(function()
          client:query(service:id "completed")
          error("mine")
        end)()
        run()
      end)
      assert.are.equal(1, #reports)
      assert.matches("luv_spec.lua:%d+: mine\n", reports[1])
    end)

    local close = rawget(coroutine, "close") -- Lua 5.4
    if close then
      it("is not that a coroutine was closed by the program, whatever it waits for", function()
        local reports = reports_of(function()
          for _, call in ipairs {
            function(id) for _ in client:watch(id) do end end, -- luacheck: ignore 542
            function(id) client:query(id, { timeout = 0.1 }) end,
            function() sora.sleep(0.1) end,
          } do
            local co = coroutine.create(call)
            assert(coroutine.resume(co, service:id "never"))
            after(50, function() close(co) end)
          end
          run()
        end)
        assert.are.same({}, reports)
      end)
    end
  end)

  describe("the loop", function()
    it("is kept alive by a query, and by nothing after it", function()
      client:query(service:id "completed", function() end)
      run() -- says whether it ends
      assert.are.equal(1, client:stats().open_connections)
    end)

    it("ends when a client is closed under a query", function()
      local heard, callback = listener()
      client:query(service:id "never", callback)
      after(50, function() client:close() end)
      run()
      assert.are.equal("cancelled", heard.err.kind)
    end)

    it("goes on with a client that nobody holds while its query is in flight", function()
      local heard, callback = listener()
      new_client():query(service:id "completed;delay=0.1", callback)
      collectgarbage()
      after(50, collectgarbage)
      run()
      assert.are.equal("completed", heard.a.status)
    end)

    it("stops watching a client that goes out of scope", function()
      local chunk = (loadstring or load)([[
        local client, id = ...
        local scoped <close> = client
        scoped:query(id, function() end)
      ]])
      if not chunk then return end -- before Lua 5.4
      local scoped = new_client()
      chunk(scoped, service:id "never")
      assert.is_true(scoped:closed())
      run()
    end)

    it("is left cleanly by a program that ends with queries in flight", function()
      local code = ([[
        local sora, uv = require "sora.luv", require "luv"
        local client = sora.client { base_url = %q, ca_file = %q }
        for i = 1, 20 do client:query("sora-2:task_never~luv" .. i, print) end
        client:wait("sora-2:task_queued~luv", print)
        uv.new_timer():start(100, 0, uv.stop)
        uv.run()
        ]]):format(service.base_url, service.ca_file)
      for _, ending in ipairs { "", "os.exit(0, true)", "os.exit(0)", "client:close()" } do
        local ended = program.run(shell.LUA .. " -e " .. shell.quote(code .. ending))
        assert.are.equal(0, ended.code)
        assert.are.equal("", ended.out .. ended.err)
      end
    end)
  end)

  it("the loop has its turn after a few of many answers that come at once", function()
    local count, in_turn, most, turns = 0, 0, 0, uv.new_prepare()
    turns:start(function() in_turn = 0 end)
    for _ = 1, 100 do
      client:query(service:id "completed;delay=0.5", function()
        local busy = os.clock() + 0.001
        repeat until os.clock() >= busy
        count, in_turn = count + 1, in_turn + 1
        most = math.max(most, in_turn)
        if count == 100 then turns:close() end
      end)
    end
    run()
    assert.are.equal(100, count)
    assert.is_true(most <= 10, most .. " callbacks of a millisecond in one turn")
  end)
end)

--- The connection in each host, and in what happens to a process: it forks, it collects, it ends.

local servers = require "spec.support.redis"

local lacking = servers.lacking()
if lacking then return pending(lacking) end

local connection = require "sora.fleet.connection"
local finalised = require "spec.support.finalised"
local helpers = require "spec.support.helpers"
local hosts = require "spec.support.host"
local nginx = require "spec.support.nginx"
local inboxes = require "sora.hosts.inbox"

local unpack = table.unpack or unpack
local LIMIT = 20 -- seconds

local redis

setup(function() redis = servers.start {} end)
teardown(function() redis:stop() end)

local function collect()
  for _ = 1, 3 do collectgarbage() end
end

--- run(fn) of each host runs fn(spawn, sleep) in a flow of control of its own until that and all
-- that it spawned have ended.
local HOSTS = {
  cqueues = function(fn)
    local cqueues = require "cqueues"
    local controller = cqueues.new()
    local function spawn(work) controller:wrap(work) end
    spawn(function() fn(spawn, cqueues.sleep) end)
    assert(controller:loop(LIMIT))
    assert.is_true(controller:empty(), "the controller goes on")
  end,
  luv = function(fn)
    local uv, sora = require "luv", require "sora.luv"
    sora.spawn(function() fn(sora.spawn, sora.sleep) end)
    require "spec.support.luv_loop"(LIMIT)
    assert.is_false(uv.loop_alive(), "the loop goes on")
  end,
}

for name, run in pairs(HOSTS) do
  describe("in " .. name, function()
    local missing = hosts.lacks(name)
    if missing then return pending(missing) end
    local sora = require("sora." .. name)
    local conn

    before_each(function()
      conn = connection.new { redis = redis.url, driver = sora.driver, command_timeout = 5 }
    end)
    after_each(function() conn:close() end)

    it("a hundred flows of control share a connection, and the loop goes on", function()
      local sum, turns, done = 0, 0, 0
      redis:call "FLUSHALL"
      run(function(spawn, sleep)
        for i = 1, 100 do
          spawn(function()
            assert(conn:command("INCRBY", "sum", i))
            sum = sum + i
            done = done + 1
          end)
        end
        while done < 100 do
          turns = turns + 1
          sleep(0.001)
        end
      end)
      assert.are.equal(5050, sum)
      assert.are.equal("5050", redis:call("GET", "sum"))
      assert.is_true(turns > 0)
    end)

    it("the loop goes on while Redis does not answer", function()
      local turns, reply = 0, nil
      run(function(spawn, sleep)
        assert(conn:command "PING")
        redis:call("CLIENT", "PAUSE", 300)
        spawn(function() reply = conn:command "PING" end)
        while not reply do
          turns = turns + 1
          sleep(0.01)
        end
      end)
      assert.are.equal("PONG", reply)
      assert.is_true(turns > 5, turns .. " turns")
    end)

    it("a message wakes who sleeps on its inbox", function()
      local heard
      run(function(spawn, sleep)
        local inbox = inboxes.of(conn.commands, conn.driver, conn.calls)
        local subscription = assert(conn:subscribe("news", function(text)
          heard = text
          conn.driver.wake(inbox)
        end, inbox))
        spawn(function()
          sleep(0.05)
          assert(conn:command("PUBLISH", "news", "hello"))
        end)
        local deadline = conn.driver.now() + 5
        while not heard and conn.driver.now() < deadline do inboxes.sleep(inbox, 5) end
        subscription:cancel()
      end)
      assert.are.equal("hello", heard)
    end)

    it("close ends what waits", function()
      local err
      run(function(spawn, sleep)
        assert(conn:command "PING")
        redis:call("CLIENT", "PAUSE", 100)
        spawn(function() err = select(2, conn:command "PING") end)
        sleep(0.02)
        conn:close()
      end)
      assert.are.equal("cancelled", err.kind)
      assert.matches("closed", tostring(conn))
    end)
  end)
end

describe("in nginx", function()
  if not rawget(_G, "jit") then return end
  if not nginx.is_there() then return pending "there is no nginx with its Lua module" end

  it("requests of one worker share a connection, which each worker makes for itself", function()
    redis:call "FLUSHALL"
    local server = nginx.start {
      workers = 2,
      http = ([[init_by_lua_block {
        sora = require "resty.sora"
        conn = require("sora.fleet.connection").new { redis = %q, driver = sora.driver }
      }]]):format(redis.url),
      locations = {
        ["/incr"] = [[ngx.say(tostring((conn:command("INCR", "n"))))]],
        ["/many"] = [[
          local threads = {}
          for i = 1, 50 do
            threads[i] = ngx.thread.spawn(function() return conn:command("INCR", "n") end)
          end
          local count = 0
          for i = 1, 50 do
            local ok, reply = ngx.thread.wait(threads[i])
            if ok and reply then count = count + 1 end
          end
          ngx.say(count)]],
        ["/listen"] = [[
          local inboxes = require "sora.hosts.inbox"
          local inbox, heard = inboxes.of(conn.commands, conn.driver, conn.calls), nil
          local subscription, err = conn:subscribe("news", function(text)
            heard = text
            conn.driver.wake(inbox)
          end, inbox)
          if not subscription then return ngx.say(tostring(err)) end
          ngx.thread.spawn(function()
            ngx.sleep(0.05)
            conn:command("PUBLISH", "news", "hello")
          end)
          while not heard do inboxes.sleep(inbox, 5) end
          subscription:cancel()
          ngx.say(heard)]],
      },
    }
    local bodies = {}
    for i = 1, 10 do bodies[i] = tonumber((server:get "/incr")) end
    assert.are.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, bodies)
    assert.matches("^50", (server:get "/many"))
    assert.are.equal("60", redis:call("GET", "n"))
    assert.matches("^hello", (server:get "/listen"))
    server:stop()
    assert.is_nil(server:log():find "%[error%]")
  end)
end)

describe("a process", function()
  local unix
  setup(function() unix = helpers.load "unix" end)

  it("that forks goes on, and so does its child, each on a connection of its own", function()
    local conn = connection.new { redis = redis.url }
    local mine = conn:command("CLIENT", "ID")
    redis:call "FLUSHALL"
    redis:call("CLIENT", "PAUSE", 200)
    local inbox = inboxes.of(conn.commands, conn.driver, conn.calls)
    local call = conn:start(inbox, nil, "INCR", "n")
    conn.commands:step()
    local pid = unix.child(function()
      local other = assert(conn:command("CLIENT", "ID"))
      assert(other ~= mine)
      local lost, err = call:result()
      assert(lost == nil and err.kind == "cancelled", tostring(err))
      conn:close()
    end)
    assert.are.equal(0, unix.wait(pid))
    assert.are.equal(1, (inboxes.result(inbox)))
    assert.are.equal(mine, conn:command("CLIENT", "ID"))
    assert.are.equal("1", redis:call("GET", "n"))
    conn:close()
  end)

  it("has its descriptors back when connections are closed, or forgotten", function()
    local function use(close)
      local conn = connection.new { redis = redis.url }
      assert(conn:command "PING")
      assert(conn:subscribe("news", function() end))
      conn.commands:pollfd()
      if close then conn:close() end
    end
    use(true)
    collect()
    local before = unix.descriptors()
    for i = 1, 20 do use(i % 2 == 0) end
    collect()
    assert.are.equal(before, unix.descriptors())
  end)

  it("may close a connection in a finaliser, in the midst of its calls", function()
    local conn = connection.new { redis = redis.url }
    assert(conn:command "PING")
    local big = {}
    for i = 1, 2000 do big[i] = ("value %d"):format(i) end
    assert(conn:command("RPUSH", "list", unpack(big)))
    local closed = 0
    for pause = 1, 40 do
      conn = connection.new { redis = redis.url }
      local victim = conn
      local inbox = inboxes.of(conn.commands, conn.driver, conn.calls)
      for i = 1, 20 do conn:start(inbox, i, "LRANGE", "list", 0, pause * 50) end
      finalised(function()
        closed = closed + 1
        victim:close()
      end)
      collectgarbage "step"
      while next(inbox.pending) do
        local call = inboxes.take(inbox)
        if call then
          local reply, err = call:result()
          assert.is_true(type(reply) == "table" or err.kind == "cancelled")
        else
          inbox.driver.park(inbox)
        end
      end
      conn:close()
    end
    collect()
    assert.is_true(closed > 0)
  end)
end)

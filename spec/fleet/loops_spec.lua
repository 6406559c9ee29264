-- A fleet in the hosts that have an event loop of their own: luv and OpenResty. (fleet_spec.lua
-- runs in cqueues, the processes of promises_spec.lua are plain scripts.)

local fleets = require "spec.support.fleet"
local hosts = require "spec.support.host"
local nginx = require "spec.support.nginx"
local standin = require "spec.support.standin"
local texts = require "spec.support.service.text"

local lacking = fleets.lacking()
if lacking then return pending(lacking) end

local LIMIT = 30 -- seconds

local world

setup(function() world = fleets.start { service = standin.shared() } end)
teardown(function() world:stop() end)
before_each(function() world.server:call "FLUSHALL" end)

describe("a fleet in luv", function()
  local lacks = hosts.lacks "luv"
  if lacks then return it("needs luv", function() pending(lacks) end) end

  local loop, uv, sora = require "spec.support.luv_loop", require "luv", require "sora.luv"

  local function run(fn)
    local over, err
    local report = sora.driver.report
    function sora.driver.report(message)
      err = message
      uv.stop()
    end
    sora.spawn(function()
      fn()
      over = true
      uv.stop()
    end)
    loop(LIMIT)
    sora.driver.report = report
    assert.is_nil(err)
    assert.is_true(over, "the loop had to be stopped")
  end

  it("works, waits and tells in coroutines, while the loop goes on", function()
    local id, turns, told = standin.shared():id("queued", "completed"), 0, nil
    run(function()
      local fleet = world:fleet(sora)
      local ticker = uv.new_timer()
      ticker:start(0, 5, function() turns = turns + 1 end)
      sora.spawn(function() fleet:work { concurrency = 5 } end)
      sora.spawn(function()
        fleet:results { group = "db", on_result = function(ended) told = ended end }
      end)
      assert.equal("added", (fleet:add(id)))
      assert.equal("succeeded", sora.status((assert(fleet:wait(id)))))
      while not told do sora.sleep(0.01) end
      ticker:close()
      fleet:stop()
      sora.sleep(0.3)
      fleet:close()
      fleet.client:close()
    end)
    assert.equal(id, told)
    assert.is_true(turns > 10, turns)
  end)

  it("tells callbacks, and wants one outside of a coroutine", function()
    local fleet, id = world:fleet(sora), standin.shared():id "completed"
    local ok, err = pcall(function() local said = fleet:add(id) return said end)
    assert.is_false(ok)
    assert.matches("loops_spec%.lua:%d+: 'add' outside a coroutine needs a callback", err)
    local added, waited
    fleet:add(id, function(failure, said) added = failure or said end)
    run(function()
      while not added do sora.sleep(0.01) end
      fleet:wait(id, function(failure, task) waited = failure or sora.status(task) end)
      sora.spawn(function() fleet:work() end)
      while not waited do sora.sleep(0.01) end
      fleet:stop()
      sora.sleep(0.3)
      fleet:close()
      fleet.client:close()
    end)
    assert.are.same({ "added", "succeeded" }, { added, waited })
  end)
end)

describe("a fleet in nginx", function()
  if not jit or not nginx.is_there() then
    return it("needs nginx and LuaJIT", function() pending "there is none for this Lua" end)
  end

  local server

  setup(function()
    local client = world.client_options
    server = nginx.start {
      workers = 2,
      http = ([[
        init_by_lua_block {
          sora = require "resty.sora"
          client = sora.client { base_url = %q, ca_file = %q, api_key = "sk-fleet-secret" }
          fleet = sora.fleet { redis = %q, name = "spec", client = client, interval = 0.2 }
        }
        init_worker_by_lua_block { ngx.timer.at(0, function() fleet:work { concurrency = 10 } end) }
      ]]):format(client.base_url, client.ca_file, world.fleet_options.redis),
      locations = {
        ["/task"] = [[
          local id = ngx.unescape_uri(ngx.var.arg_id)
          ngx.say(tostring(fleet:add(id)))
          local task, err = fleet:wait(id, { timeout = 20 })
          ngx.say(task and sora.status(task) or tostring(err))
        ]],
      },
    }
  end)
  teardown(function() server:stop() end)

  it("works in a timer of init_worker, and waits in requests", function()
    local id = standin.shared():id("queued", "completed")
    local said = server:get("/task?id=" .. texts.percent_encode(id))
    assert.equal("added\nsucceeded\n", (said .. "\n"):gsub("\n+$", "\n"))
    assert.equal(2, #standin.shared():log(id))
  end)
end)

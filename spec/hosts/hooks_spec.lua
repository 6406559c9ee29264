-- Ctrl-C is a hook on the main state that raises. Every other hook there is somebody else's.

local clients = require "spec.support.clients"
local helpers = require "spec.support.helpers"
local standin = require "spec.support.standin"

local service = standin.shared()
local client, hooks

setup(function() hooks = helpers.load "hooks" end)

before_each(function() client = clients.new() end)

after_each(function()
  hooks.stop()
  clients.finish(client)
end)

local CALLS = {
  query = function(steps) return client:query(service:id(steps .. ";delay=0.25")) end,
  wait = function(steps)
    return client:wait(service:id(steps .. ";delay=0.12*2", "completed"), { interval = 0.05 })
  end,
  wait_all = function(steps)
    local id = service:id(steps .. ";delay=0.12*2", "completed")
    return client:wait_all({ id }, { interval = 0.05 })[id]
  end,
}

local function in_main(fn, ...) return pcall(fn, ...) end

local function in_coroutine(fn, ...)
  return coroutine.resume(coroutine.create(fn), ...)
end

for name, call in pairs(CALLS) do
  for where, within in pairs { ["the main state"] = in_main, ["a coroutine"] = in_coroutine } do
    describe(name .. " in " .. where, function()
      for _, kinds in ipairs { "c", "l", "#", "cl#" } do
        it("is not interrupted by a profiler's hooks of the kind " .. kinds, function()
          hooks.start(kinds, 0.05, 0.05)
          local ok, task = within(call, "queued")
          local signals = hooks.stop()
          assert.is_true(ok, task)
          assert.is_table(task)
          assert.is_true(signals >= 2)
        end)

        it("is interrupted by a hook of the kind " .. kinds .. " that raises, once", function()
          hooks.start(kinds, 0.1, nil, true)
          local ok, err = within(call, "never")
          assert.is_false(ok)
          assert.matches("interrupted!$", err)
          assert.same({ 1, 1 }, { hooks.stop() })
          assert.equal(0, client:stats().in_flight)
          assert.equal("completed", client:query(service:id "completed").status)
        end)
      end

      it("leaves a hook that was there before in its place", function()
        local function counting() end
        debug.sethook(counting, "", 1000000)
        local ok, task = within(call, "queued")
        local hook, mask, count = debug.gethook()
        debug.sethook()
        assert.is_true(ok, task)
        assert.same({ counting, "", 1000000 }, { hook, mask, count })
      end)
    end)
  end
end

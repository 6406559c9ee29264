-- Waiting in a virtual world: see spec/support/simulation/run.lua for what is checked. SORA_SEED=n
-- replays one seed, SORA_SEEDS=n plays so many in the place of what is quick enough here.

local simulation = require "spec.support.simulation.run"
local worlds = require "spec.support.simulation.world"

local function play(first, last, tasks)
  local totals = { ends = 0, requests = 0, raises = 0 }
  for seed = first, last do
    local ok, counts = xpcall(function() return simulation.play(seed, tasks) end, debug.traceback)
    if not ok then error(("SORA_SEED=%d: %s"):format(seed, counts), 0) end
    for name in pairs(totals) do totals[name] = totals[name] + counts[name] end
  end
  return totals
end

describe("in a virtual world", function()
  local world, client

  before_each(function()
    world = worlds.new(1)
    client = world.plain.client {}
    function world.answer(id) return 0.1, { id = id, status = "queued" } end
  end)

  it("a wait ends at its deadline, whatever time on_update took of it", function()
    for _, seconds in ipairs { 0, 1, 3, 3.7, 4, 10 } do
      local started, passed = world.time, 0
      local _, err = client:wait("a", { timeout = 4, interval = 3, on_update = function()
        world:pass(seconds)
        passed = world.time - started
      end })
      assert.equal("timeout", err.kind)
      assert.is_true(world.time - started <= math.max(4, passed) + 1e-6)
    end
  end)

  it("a clock that jumps anywhere raises nothing", function()
    for _, name in ipairs { "query", "wait", "query_all", "wait_all" } do
      for which = 1, 12 do
        local looks = 0
        world.jump_probability = 1
        world.jumps = {
          is = function()
            looks = looks + 1
            return looks == which
          end,
          scale = function() return 1 end,
        }
        local ids = name:find "_all$" and { "a", "b" } or "a"
        local _, errs = client[name](client, ids, { timeout = 0.5 })
        local err = errs and errs.a or errs
        if err and err.kind == nil then err = nil end -- no error of any id
        assert.is_true(err == nil or err.kind == "timeout", tostring(err))
      end
    end
  end)
end)

describe("a simulation", function()
  local seed = tonumber(os.getenv "SORA_SEED")
  if seed then
    it("of the seed " .. seed, function() play(seed, seed) end)
    return
  end

  it("of many seeds finds no fault", function()
    local totals = play(1, tonumber(os.getenv "SORA_SEEDS" or 200))
    assert.is_true(totals.ends > 1000 and totals.requests > totals.ends and totals.raises > 10)
  end)

  it("of ten thousand tasks finds no fault", function()
    assert.is_true(play(1, 1, 10000).ends > 9000)
  end)

  it("says the same of the same seed", function()
    for one = 1, 10 do assert.same(simulation.play(one), simulation.play(one)) end
  end)
end)

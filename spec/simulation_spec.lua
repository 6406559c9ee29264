-- Waiting in a virtual world: see spec/support/simulation/run.lua for what is checked. SORA_SEED=n
-- replays one seed, SORA_SEEDS=n plays so many in the place of what is quick enough here.

local simulation = require "spec.support.simulation.run"

local function play(first, last, tasks)
  local totals = { ends = 0, requests = 0, raises = 0 }
  for seed = first, last do
    local ok, counts = xpcall(simulation.play, debug.traceback, seed, tasks)
    if not ok then error(("SORA_SEED=%d: %s"):format(seed, counts), 0) end
    for name in pairs(totals) do totals[name] = totals[name] + counts[name] end
  end
  return totals
end

describe("a simulation", function()
  local seed = tonumber(os.getenv "SORA_SEED")
  if seed then
    it("of the seed " .. seed, function() play(seed, seed) end)
    return
  end

  it("of many seeds finds no fault", function()
    local totals = play(1, tonumber(os.getenv "SORA_SEEDS" or 300))
    assert.is_true(totals.ends > 1000 and totals.requests > totals.ends and totals.raises > 10)
  end)

  it("of ten thousand tasks finds no fault", function()
    assert.is_true(play(1, 1, 10000).ends > 9000)
  end)

  it("says the same of the same seed", function()
    for one = 1, 10 do assert.same(simulation.play(one), simulation.play(one)) end
  end)
end)

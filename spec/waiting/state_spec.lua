-- The state of a poller, to be kept and taken up by another process.

local core = require "sora.core"
local new_pace = require("sora.waiting.pace").new
local pollers = require "sora.waiting.poller"
local states = require "sora.waiting.state"

local function rules(opts)
  return pollers.rules(core.options("wait", opts or {}), nil, function() return 0 end)
end

local function running(progress)
  return { status = "pending", detail = { pending_info = { progress_pct = progress } } }
end

--- A poller that goes on in another process, whose clock is another one, `idle` seconds later.
local function moved(poller, now, idle, other_now, opts)
  local text = assert(core.encode(states.export(poller, now)))
  return states.restore(poller.id, rules(opts), new_pace(), other_now, core.decode(text),
    { started = now + idle - poller.started, exported = idle }, poller.task)
end

describe("the state of a poller", function()
  it("says the same in another process", function()
    local answers = {
      { running(0.1) }, { running(0.2) }, { nil, "reset" }, { nil, "missing" }, { running(0.3) },
      { nil, "missing" }, { nil, "missing" }, { running(0.3) }, { { status = "completed" } },
      { { status = "completed" } }, { running(0.9) },
    }
    local stays = pollers.new("a", rules(), new_pace(), 1000)
    local moves, now, offset = pollers.new("a", rules(), new_pace(), 1000), 1000, 0
    for _, answer in ipairs(answers) do
      local function err()
        if not answer[2] then return nil end
        return { kind = "http", message = answer[2], retryable = answer[2] == "reset",
          status = answer[2] == "missing" and 404 or nil }
      end
      local action, pause = stays:answer(now, answer[1], err())
      local other_action, other_pause = moves:answer(now + offset, answer[1], err())
      assert.equal(action, other_action)
      assert.near(pause, other_pause, 0.01)
      local before, idle = now + offset, pause + 1
      now, offset = now + idle, offset - 12345
      moves = moved(moves, before, idle, now + offset)
      assert.near(stays:remaining(now), moves:remaining(now + offset), 1e-6)
      local info, other = stays:info(now), moves:info(now + offset)
      assert.are.same({ info.polls, info.progress }, { other.polls, other.progress })
      assert.near(info.eta or 0, other.eta or 0, 0.1)
    end
  end)

  it("keeps what is known of a task's names and the last error", function()
    local poller = states.restore("a", rules { timeout = 10 }, new_pace(), 5,
      states.new("a", "sora-2:a"), { started = 0, exported = 0 })
    assert.equal("a", poller:asked())
    poller:answer(5, nil, { kind = "api", message = "unknown", retryable = false, status = 400 })
    local other = moved(poller, 5, 0, 100, { timeout = 10 })
    assert.equal("sora-2:a", other:asked())
    other:answer(101, nil, { kind = "network", message = "reset", retryable = true })
    other = moved(other, 101, 20, 500, { timeout = 10 })
    local _, err = other:due(500)
    assert.equal("timeout", err.kind)
    assert.equal(2, err.polls)
    assert.is_truthy(err.message:find "last error")
  end)

  it("is that of a new poller where it says nothing", function()
    local fresh = pollers.new("a", rules(), new_pace(), 7)
    local restored = states.restore("a", rules(), new_pace(), 7, {}, { started = 0, exported = 0 })
    fresh.rules, restored.rules = nil, nil
    fresh.pace, restored.pace = nil, nil
    assert.are.same(fresh, restored)
  end)
end)

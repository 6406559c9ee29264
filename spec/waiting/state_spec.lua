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
  local text, answer = assert(core.encode(states.export(poller, now))), poller.task
  return states.restore(poller.id, rules(opts), new_pace(), other_now, core.decode(text),
    { started = now + idle - poller.started, exported = idle },
    answer and function() return answer end)
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

  it("keeps the last error's text whole, however it was cut", function()
    local poller = pollers.new("a", rules(), new_pace(), 0)
    poller:answer(0, nil, { kind = "network", retryable = true })
    for i = 0, 2 do
      poller.trouble.error = ("x"):rep(295 + i) .. ("\226\130\172"):rep(50)
      local other = moved(poller, 0, 1, 0)
      assert.equal(1, other.trouble.errors)
      assert.is_true(#other.trouble.error <= 303)
      assert.equal(("x"):rep(295 + i), other.trouble.error:match "^x+")
    end
  end)

  it("is that of a new poller where it says nothing", function()
    local fresh = pollers.new("a", rules(), new_pace(), 7)
    local restored = states.restore("a", rules(), new_pace(), 7, {}, { started = 0, exported = 0 })
    fresh.rules, restored.rules = nil, nil
    fresh.pace, restored.pace = nil, nil
    assert.are.same(fresh, restored)
  end)
end)

describe("the last answer of a poller in another process", function()
  local reads

  before_each(function() reads = 0 end)

  --- A poller of which `said` was written down, and the answer `stored` beside it.
  local function restored(said, stored)
    return states.restore("a", rules(), new_pace(), 0, said, { started = 1, exported = 0 },
      function()
        reads = reads + 1
        return stored
      end)
  end

  --- What was written down after so many polls that said the same.
  local function written(polls, answer)
    local poller = pollers.new("a", rules(), new_pace(), 0)
    for _ = 1, polls do poller:answer(0, answer, nil, "\0mark\255") end
    return core.decode((core.encode(states.export(poller, 0))))
  end

  it("is not read while the same comes, nor when something else comes", function()
    local poller = restored(written(3, running(0.3)), running(0.3))
    assert.equal("\0mark\255", poller.mark)
    assert.is_false((select(3, poller:answer(0, nil, nil, poller.mark))))
    assert.is_false((select(3, poller:answer(0, running(0.3), nil, "other"))))
    assert.is_true((select(3, poller:answer(0, running(0.4), nil, "third"))))
    assert.equal(0, reads)
  end)

  it("is read for an error, and known after it", function()
    local poller = restored(written(3, running(0.3)), running(0.3))
    poller:answer(0, nil, { kind = "network", message = "reset", retryable = true })
    assert.equal(0, reads)
    local _, err = poller:answer(0, nil, { kind = "http", message = "HTTP 401", retryable = false })
    assert.same(running(0.3), err.task)
    assert.equal(1, reads)
  end)

  it("is read for the message of a timeout", function()
    local poller = restored(written(3, running(0.3)), running(0.3))
    local action, err = poller:due(1e6)
    assert.equal("error", action)
    assert.matches("30 %%", err.message)
    assert.same(running(0.3), err.task)
    assert.equal(1, reads)
  end)

  it("is read at once where an older version has written the state", function()
    local said = written(3, running(0.3))
    said.seen = nil
    local poller = restored(said, running(0.3))
    assert.equal(1, reads)
    assert.equal("", poller.mark)
    assert.is_false((select(3, poller:answer(0, running(0.3), nil, "new"))))
  end)

  it("is read at once where the task may be over, and where it was shown", function()
    assert.is_nil(written(3, { status = "completed" }).seen)
    local poller = pollers.new("a", rules(), new_pace(), 0)
    poller:answer(0, running(0.3), nil, "mark")
    poller:show()
    assert.is_nil(states.export(poller, 0).seen)
  end)

  it("is read where its status is longer than any word", function()
    assert.is_not_nil(written(3, { status = "in_" .. ("x"):rep(200) }).seen)
    assert.is_nil(written(3, { status = "in_" .. ("x"):rep(400) }).seen)
  end)

  it("is read at each tenth poll, for a version to which it means something else", function()
    local polls, said = {}, written(1, running(0.3))
    for _ = 1, 30 do
      local before = reads
      local poller = restored(said, running(0.3))
      if reads > before then
        polls[#polls + 1] = said.polls
        poller:answer(0, running(0.3), nil, "mark")
      else
        poller:answer(0, nil, nil, poller.mark)
      end
      said = core.decode((core.encode(states.export(poller, 0))))
    end
    assert.same({ 10, 20, 30 }, polls)
  end)
end)

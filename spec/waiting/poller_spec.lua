-- A poller, without a network: when it asks next, and when it gives up.

local core = require "sora.core"
local new_pace = require("sora.waiting.pace").new
local poller = require "sora.waiting.poller"

local URL = "https://cdn.example/a.mp4?sig=SECRET"
local DONE = { status = "completed", video_url = URL }
local NO_URL = { status = "completed" }

local function most() return 0 end   -- the chance that leaves a pause as it is
local function least() return 1 end  -- the chance that shortens it most

local function rules_of(opts, make_error, chance)
  return poller.rules(core.options("wait", opts), make_error, chance)
end

local function running(progress)
  return { status = "pending", detail = { pending_info = { progress_pct = progress } } }
end

local function failure(fields)
  local err = { kind = "network", message = "connection reset", retryable = true }
  for name, value in pairs(fields or {}) do err[name] = value end
  return err
end

--- A poller and its clock. wait:feed(task, err) answers at the current time and moves the clock to
-- where the poller wants to ask again, as the loop of a wait does.
local function start(opts, chance, pace)
  opts = opts or {}
  local wait = { now = 1000, pace = pace or new_pace() }
  wait.poller = poller.new("sora-2:task_x", rules_of(opts, nil, chance or most), wait.pace,
    wait.now)

  function wait:sleep(action, value)
    while action == "ask" and value > 0 do
      self.now = self.now + value
      action, value = self.poller:due(self.now)
    end
    return action, value
  end

  function wait:feed(task, err)
    local before = self.now
    local action, value, changed = self.poller:answer(self.now, task, err)
    local asked = action
    action, value = self:sleep(action, value)
    if action == "ask" then return asked, self.now - before, changed end
    return action, value, changed
  end

  return wait
end

local function pauses(wait, count, task, err)
  local list = {}
  for i = 1, count do
    local action, pause = wait:feed(task, err)
    assert.equal("ask", action)
    list[i] = pause
  end
  return list
end

describe("a poller's pause", function()
  it("is none before the first query", function()
    local action, pause = start().poller:due(1000)
    assert.equal("ask", action)
    assert.equal(0, pause)
  end)

  it("starts at interval, grows while nothing changes, and stops at max_interval", function()
    assert.same({ 5, 7.5, 11.25, 16.875, 25.3125, 30, 30 }, pauses(start(), 7, running(0.5)))
    local wait = start { interval = 2, max_interval = 3 }
    assert.same({ 2, 3, 3 }, pauses(wait, 3, { status = "queued" }))
  end)

  it("is interval where max_interval is less", function()
    assert.same({ 60, 60 }, pauses(start { interval = 60 }, 2, { status = "queued" }))
  end)

  it("starts again at interval when something changes", function()
    local wait = start()
    pauses(wait, 5, { status = "queued" })
    assert.same({ 5, 7.5 }, pauses(wait, 2, { status = "running" }))
    assert.same({ 5, 7.5 }, pauses(wait, 2, { status = "running", progress = 10 }))
  end)

  it("is shortened by chance, by a fifth at most, and never exceeds max_interval", function()
    assert.same({ 4, 6, 9, 13.5, 20.25, 24 }, pauses(start({}, least), 6, { status = "queued" }))
    local different = {}
    for _ = 1, 100 do
      local wait = { poller = poller.new("x", rules_of(), new_pace(), 0) }
      local _, pause = wait.poller:answer(0, { status = "queued" })
      assert.is_true(pause >= 4 and pause <= 5)
      different[pause] = true
    end
    local count = 0
    for _ in pairs(different) do count = count + 1 end
    assert.is_true(count > 90)
  end)

  it("is half the estimated time left, where progress allows an estimate", function()
    local wait = start()
    wait:feed(running(0.5))                                   -- t = 0
    local _, pause = wait:feed(running(0.6))                  -- t = 5: 20 s left
    assert.equal(5, pause)
    _, pause = wait:feed(running(0.8))                        -- t = 10: 6.67 s left
    assert.is_true(math.abs(pause - 10 / 3) < 1e-9)
    _, pause = wait:feed(running(0.95))
    assert.equal(1, pause)
  end)

  it("does not believe a leap from 0", function()
    local wait = start()
    pauses(wait, 1, running(0))
    local _, pause = wait:feed(running(0.9))
    assert.equal(5, pause)
    assert.is_nil(wait.poller:info(wait.now).eta)
  end)

  it("grows again where the end does not come", function()
    local wait = start()
    pauses(wait, 1, running(0.5))
    local list = pauses(wait, 12, running(1))
    assert.equal(1, list[1])
    for i = 2, #list do assert.is_true(list[i] >= list[i - 1]) end
    assert.equal(30, list[#list])
  end)

  it("forgets its estimate when progress goes back", function()
    local wait = start()
    for _, progress in ipairs { 0.2, 0.4 } do pauses(wait, 1, running(progress)) end
    assert.is_number(wait.poller:info(wait.now).eta)
    pauses(wait, 1, running(0.1))
    assert.is_nil(wait.poller:info(wait.now).eta)
  end)

  it("is never shorter than a fifth of interval, or a second, or interval where that is less",
    function()
      for interval, shortest in pairs { [0.05] = 0.05, [3] = 1, [20] = 4 } do
        local wait = start { interval = interval }
        pauses(wait, 1, running(0.5))
        local _, pause = wait:feed(running(1))
        assert.is_true(math.abs(pause - shortest) < 1e-9)
      end
    end)

  it("goes on where due is asked too early", function()
    local wait = start()
    wait.poller:answer(1000, { status = "queued" })
    local action, pause = wait.poller:due(1002)
    assert.equal("ask", action)
    assert.equal(3, pause)
  end)
end)

describe("a poller's end", function()
  it("is the task as soon as it has a video", function()
    local wait = start()
    pauses(wait, 3, running(0.5))
    local action, task, changed = wait:feed(DONE)
    assert.equal("done", action)
    assert.equal(DONE, task)
    assert.is_true(changed)
  end)

  it("is an error with the reason where the task failed", function()
    local task = { id = "task_x", status = "failed",
      error = { message = "bad https://h/in.png?sig=SECRET" } }
    local action, err = start():feed(task)
    assert.equal("error", action)
    assert.equal("failed", err.kind)
    assert.equal(task, err.task)
    assert.equal("sora-2:task_x", err.id)
    assert.equal("task sora-2:task_x failed: bad https://h/in.png", err.message)
    action, err = start():feed { status = "failed" }
    assert.equal("error", action)
    assert.equal("task sora-2:task_x failed", err.message)
  end)

  it("is an error of its own where the task was cancelled", function()
    local action, err = start():feed { status = "canceled" }
    assert.equal("error", action)
    assert.equal("cancelled", err.kind)
    assert.equal("canceled", err.task.status)
  end)

  it("waits five polls for the URL of a task that succeeded", function()
    local wait = start()
    pauses(wait, 6, running(0.5))
    assert.same({ 5, 5, 5, 5, 5 }, pauses(wait, 5, NO_URL))
    local action, task = wait:feed(DONE)
    assert.equal("done", action)
    assert.equal(DONE, task)

    wait = start()
    pauses(wait, 5, NO_URL)
    local err
    action, err = wait:feed(NO_URL)
    assert.equal("error", action)
    assert.equal("no_video", err.kind)
    assert.equal(NO_URL, err.task)
    assert.equal(6, err.polls)
  end)

  it("does not count bad answers as polls without a URL", function()
    local wait = start()
    pauses(wait, 5, NO_URL)
    pauses(wait, 5, nil, failure())
    assert.equal("done", (wait:feed(DONE)))
  end)

  it("never comes from a word that is unknown, absent or disputed", function()
    local wait = start { timeout = 1e6 }
    for _, status in ipairs { "unknown", "", "video_upsampling_completed", "whatever" } do
      pauses(wait, 20, { status = status })
    end
    pauses(wait, 20, {})
    assert.equal("done", (wait:feed { status = "video_upsampling_completed", url = URL }))
  end)
end)

describe("a poller's bad answers", function()
  it("end the wait when there are max_errors in a row", function()
    local wait, err = start(), failure()
    pauses(wait, 9, nil, failure())
    local action, value = wait:feed(nil, err)
    assert.equal("error", action)
    assert.equal(err, value)
    action, value = start({ max_errors = 1 }):feed(nil, err)
    assert.equal("error", action)
    assert.equal(err, value)
  end)

  it("are forgotten with a good one", function()
    local wait = start { timeout = 1e6 }
    for _ = 1, 5 do
      pauses(wait, 9, nil, failure())
      assert.equal(9, wait.poller.trouble.errors)
      assert.equal("ask", (wait:feed(running(0.5))))
      assert.is_nil(wait.poller.trouble)
    end
  end)

  it("lengthen the pause", function()
    assert.same({ 7.5, 11.25, 16.875, 25.3125, 30 }, pauses(start(), 5, nil, failure()))
  end)

  it("end the wait at once where a repeat cannot help", function()
    for _, status in ipairs { 400, 401, 402, 403 } do
      local wait, err = start(), failure { kind = "api", status = status, retryable = false }
      local good = running(0.5)
      pauses(wait, 1, good)
      local action, value = wait:feed(nil, err)
      assert.equal("error", action)
      assert.equal(err, value)
      assert.equal(good, value.task)
      assert.equal(2, value.polls)
      assert.equal(5, value.elapsed)
      assert.equal("connection reset", value.message)
    end
    assert.equal("error", (start():feed(nil, failure { kind = "cancelled", retryable = true })))
  end)

  it("end the wait at once with a page of HTML, unless a good answer came before", function()
    for _, status in ipairs { 200, 401, 403 } do
      local function page()
        return failure { kind = "http", status = status, page = true, retryable = false }
      end
      assert.equal("error", (start():feed(nil, page())))
      local wait = start()
      pauses(wait, 2, nil, failure())
      assert.equal("error", (wait:feed(nil, page())))
      wait = start()
      pauses(wait, 1, running(0.5))
      pauses(wait, 9, nil, page())
      assert.equal("done", (wait:feed(DONE)))
      wait = start()
      pauses(wait, 1, running(0.5))
      pauses(wait, 9, nil, page())
      assert.equal("error", (wait:feed(nil, page())))
    end
  end)

  it("go on with a gateway's page of HTML", function()
    pauses(start(), 9, nil, failure { status = 502, page = true })
  end)

  it("say why they were the end", function()
    local wait = start { max_errors = 2 }
    pauses(wait, 1, running(0.5))
    pauses(wait, 1, nil, failure())
    local _, err = wait:feed(nil, failure())
    assert.equal("connection reset (the wait ended: bad answers in a row: 2)", err.message)
    assert.equal(3, err.polls)
    assert.equal(12.5, err.elapsed)
  end)

  it("are nothing that has changed", function()
    local wait = start()
    local _, _, changed = wait:feed(nil, failure())
    assert.is_falsy(changed)
  end)
end)

describe("a poller told that there is no such task", function()
  local function unknown(fields)
    local err = failure { kind = "api", status = 400, code = "task_not_exist", retryable = false,
      not_found = true }
    for name, value in pairs(fields or {}) do err[name] = value end
    return err
  end

  --- Feeds at times of its own: the action, and what came with it, for each.
  local function feed_at(opts, times, answer)
    local made = poller.new("x", rules_of(opts, nil, most), new_pace(), 0)
    local action, value
    for i, time in ipairs(times) do
      if i > 1 then assert.equal("ask", action) end
      local task, err = answer(i)
      action, value = made:answer(time, task, err)
    end
    return action, value
  end

  local function always(fields) return function() return nil, unknown(fields) end end

  it("believes it the third time, after 15 s", function()
    assert.equal("ask", (feed_at({}, { 0, 15 }, always())))
    assert.equal("ask", (feed_at({}, { 0, 7, 14.9 }, always())))
    local action, err = feed_at({}, { 0, 7, 15 }, always())
    assert.equal("error", action)
    assert.equal("task_not_exist", err.code)
    assert.equal("connection reset (the wait ended: said 3 times over 15 s)", err.message)
    assert.equal("error", (feed_at({}, { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16 }, always())))
  end)

  it("believes it after a quarter of a short timeout", function()
    assert.equal("ask", (feed_at({ timeout = 40 }, { 0, 1, 9 }, always())))
    assert.equal("error", (feed_at({ timeout = 40 }, { 0, 1, 10 }, always())))
  end)

  it("counts from the first of them, wherever in the wait", function()
    assert.equal("ask", (feed_at({}, { 0, 100, 110, 114 }, function(i)
      if i == 1 then return running(0.5) end
      return nil, unknown()
    end)))
  end)

  it("begins anew after a good answer, and not after other errors", function()
    local function broken_at(number, answer)
      return function(i)
        if i == number then return answer() end
        return nil, unknown()
      end
    end
    local function good() return running(0.5) end
    local function bad() return nil, failure() end
    assert.equal("ask", (feed_at({}, { 0, 8, 16, 24, 32 }, broken_at(3, good))))
    assert.equal("error", (feed_at({}, { 0, 8, 16, 24 }, broken_at(3, bad))))
  end)

  it("takes a 404 for that, with a page of HTML and without an error of the service's", function()
    for _, fields in ipairs { { status = 404, code = false, not_found = false },
      { kind = "http", status = 404, page = true, not_found = false },
      { status = 200 }, { code = "fail_to_fetch_task" } } do
      assert.equal("ask", (feed_at({}, { 0, 7 }, always(fields))))
      assert.equal("error", (feed_at({}, { 0, 7, 15 }, always(fields))))
    end
  end)

  it("counts a 5xx that says so with max_errors", function()
    local passing = { status = 500, retryable = true, not_found = false }
    assert.equal("ask", (feed_at({ max_errors = 4 }, { 0, 10, 20 }, always(passing))))
    assert.equal("error", (feed_at({ max_errors = 3 }, { 0, 1, 2 }, always(passing))))
  end)

  it("does not count it with max_errors", function()
    assert.equal("ask", (feed_at({ max_errors = 1 }, { 0, 1, 2 }, always())))
  end)
end)

describe("a poller told to wait", function()
  it("respects Retry-After, also beyond max_interval", function()
    assert.same({ 100, 100 }, pauses(start(), 2, nil, failure { status = 503, retry_after = 100 }))
    local wait = start({}, function() return 0.5 end)
    local _, pause = wait:feed(nil, failure { status = 503, retry_after = 100 })
    assert.is_true(pause > 100 and pause < 110)
  end)

  it("is not hurried by a short Retry-After", function()
    assert.same({ 7.5 }, pauses(start(), 1, nil, failure { status = 503, retry_after = 1 }))
  end)

  it("never waits past its deadline", function()
    local wait = start { timeout = 60 }
    local action, err = wait:feed(nil, failure { status = 429, retry_after = 3600 })
    assert.equal("error", action)
    assert.equal("timeout", err.kind)
    assert.is_true(err.retryable)
    assert.is_true(math.abs(wait.now - 1060) < 1e-6)
    assert.matches("last error", err.message)
  end)

  it("does not ask once more before the deadline where it was told to wait longer", function()
    local wait = start({ timeout = 100 }, least)
    wait.poller:answer(1000, nil, failure { status = 503, retry_after = 95 })
    local action, pause = wait.poller:due(1000)
    assert.equal("ask", action)
    assert.equal(100, pause)
  end)

  it("makes all others of its client wait, asleep or not", function()
    local pace = new_pace()
    local told, asleep, fresh = start({}, nil, pace), start({}, nil, pace), start({}, nil, pace)
    asleep.poller:answer(1000, { status = "queued" })
    told.poller:answer(1004, nil, failure { status = 429, retry_after = 20 })
    local action, pause = asleep.poller:due(1005)
    assert.equal("ask", action)
    assert.equal(19, pause)
    action, pause = fresh.poller:due(1010)
    assert.equal("ask", action)
    assert.equal(14, pause)
    local _, none = start().poller:due(1005)
    assert.equal(0, none)
  end)

  it("slows down without Retry-After, and so do the others", function()
    local pace = new_pace()
    local told, other = start({}, nil, pace), start({}, nil, pace)
    assert.same({ 15 }, pauses(told, 1, nil, failure { status = 429 }))
    assert.same({ 10 }, pauses(other, 1, { status = "queued" }))
    assert.equal("done", (other:feed(DONE)))
  end)

  it("is slowed down less as good answers come", function()
    local wait = start { timeout = 1e6 }
    pauses(wait, 1, nil, failure { status = 429 })
    assert.equal(2, wait.pace.factor)
    pauses(wait, 5, running(0.5))
    assert.equal(1, wait.pace.factor)
  end)

  it("goes on at a time of its own after another's 429", function()
    local pace = new_pace()
    pace:limited(1000, 20)
    local _, pause = start({}, function() return 0.5 end, pace).poller:due(1000)
    assert.equal(22.5, pause)
  end)

  it("does not come back in a herd", function()
    local pace, rules = new_pace(), rules_of()
    local seconds, most_in_one = {}, 0
    for i = 1, 1000 do
      local _, pause = poller.new(tostring(i), rules, pace, 0)
        :answer(0, nil, failure { status = 429, retry_after = 60 })
      assert.is_true(pause >= 60)
      local second = math.floor(pause)
      seconds[second] = (seconds[second] or 0) + 1
    end
    for _, count in pairs(seconds) do most_in_one = math.max(most_in_one, count) end
    assert.is_true(most_in_one < 200)
  end)
end)

describe("a poller's deadline", function()
  local function run(opts, chance, task)
    local wait = start(opts, chance)
    while true do
      local asked_at = wait.now
      local action, value = wait:feed(task or running(0.5))
      if action ~= "ask" then return wait.now - 1000, asked_at - 1000, action, value end
    end
  end

  it("is never overslept, and the last poll is shortly before it", function()
    for _, chance in ipairs { most, least, function() return 0.5 end } do
      for _, timeout in ipairs { 2, 7, 60, 1800 } do
        local ended, asked, action, err = run({ timeout = timeout }, chance)
        assert.equal("error", action)
        assert.equal("timeout", err.kind)
        assert.is_true(math.abs(ended - timeout) < 1e-3)
        local reserve = math.min(5, timeout / 10)
        assert.is_true(asked <= timeout - reserve + 1e-3 and asked >= timeout * 0.5)
      end
    end
  end)

  it("is not what a thousand last polls wait for together", function()
    for chance, pause in pairs { [most] = 35, [least] = 30 } do
      local wait = start({ timeout = 100, interval = 90 }, chance)
      local _, asked = wait.poller:answer(1060, running(0.5))
      assert.equal(pause, asked)
    end
  end)

  it("is 1800 s by default and may be endless", function()
    local ended = run({}, most)
    assert.equal(1800, ended)
    pauses(start { timeout = math.huge }, 1000, running(0.5))
  end)

  it("ends the wait with id, last task, elapsed time and polls", function()
    local task = { id = "other", status = "pending", progress = "93%", url = URL }
    local _, _, _, err = run({ timeout = 60 }, most, task)
    assert.equal("sora-2:task_x", err.id)
    assert.equal(task, err.task)
    assert.equal(60, err.elapsed)
    assert.equal(6, err.polls)
    assert.equal("timeout after 60.0 s (polls: 6): other pending 93 %", err.message)
  end)

  it("holds for an answer that comes too late, but not for a final one", function()
    local wait = start { timeout = 60 }
    local action, err = wait.poller:answer(1061, running(0.5))
    assert.equal("error", action)
    assert.equal("timeout", err.kind)
    wait = start { timeout = 60, max_errors = 1 }
    action, err = wait.poller:answer(1061, nil, failure())
    assert.equal("error", action)
    assert.equal("timeout", err.kind)
    assert.equal("done", (wait.poller:answer(1061, DONE)))
  end)

  it("tells how much time a query has", function()
    local wait = start { timeout = 60 }
    assert.equal(60, wait.poller:remaining(1000))
    assert.equal(-1, wait.poller:remaining(1061))
  end)

  it("that is over at once ends the wait before the first query", function()
    local action, err = start({ timeout = 1e-4 }).poller:due(1000)
    assert.equal("error", action)
    assert.equal("timeout", err.kind)
    assert.equal("timeout after 0.0 s (polls: 0): sora-2:task_x never seen", err.message)
  end)
end)

describe("a poller", function()
  it("says what has changed", function()
    local wait = start()
    local answers = {
      { running(0.1), true }, { running(0.1), false }, { running(0.2), true },
      { { status = "PENDING ", progress = 20 }, false }, { { status = "running" }, true },
      { {}, true }, { {}, false }, { NO_URL, true }, { NO_URL, false }, { DONE, true },
    }
    for _, answer in ipairs(answers) do
      local _, _, changed = wait:feed(answer[1])
      assert.equal(answer[2], changed)
    end
  end)

  it("informs about elapsed time, polls, next poll, progress and time left", function()
    local wait = start()
    wait:feed(running(0.2))
    wait.poller:answer(wait.now, running(0.4))
    local id = wait.poller.id
    assert.same({ id = id, elapsed = 5, polls = 2, next_poll = 5, progress = 0.4, eta = 15 },
      wait.poller:info(wait.now))
    assert.same({ id = id, elapsed = 7, polls = 2, next_poll = 3, progress = 0.4, eta = 21 },
      wait.poller:info(wait.now + 2))
  end)

  it("makes errors by the function it was given", function()
    local rules = rules_of({}, function(spec) return "made: " .. spec.kind end)
    local _, err = poller.new("x", rules, new_pace(), 0):answer(0, { status = "failed" })
    assert.equal("made: failed", err)
  end)

  it("takes less than 750 bytes, and 250 more while its answers are bad", function()
    local COUNT = 10000 -- so that what else the process does in between is little
    local rules, pace, list, answer = rules_of(), new_pace(), {}, running(0.5)
    for i = 1, COUNT do list[i] = i end
    if jit then jit.off() end -- its traces are memory, too
    local function used()
      collectgarbage() collectgarbage()
      return collectgarbage("count") * 1024 / COUNT
    end
    local before = used()
    for i = 1, COUNT do
      list[i] = poller.new("id", rules, pace, 0)
      list[i]:answer(1, answer, nil, "a mark, the same for all")
    end
    local good = used() - before
    for i = 1, COUNT do list[i]:answer(2, nil, rules) end
    local bad = used() - before
    if jit then jit.on() end
    assert.is_true(good < 750, good .. " bytes")
    assert.is_true(bad < good + 250, bad .. " bytes")
  end)
end)

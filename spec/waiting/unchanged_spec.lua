-- Answers that say what the one before has said are not decoded again, and nobody can tell.

local answers = require "sora.answers.task"
local chance = require "spec.support.chance"
local clients = require "spec.support.clients"
local core = require "sora.core"
local pace = require "sora.waiting.pace"
local pollers = require "sora.waiting.poller"
local shell = require "spec.support.shell"
local sora = require "sora"
local standin = require "spec.support.standin"
local states = require "sora.waiting.state"

local service, client

setup(function() service = standin.shared() end)

before_each(function() client = clients.new() end)

after_each(function() clients.finish(client) end)

--- What one request came to.
local function ask(id, known, opts)
  local request = core.request(client, id, opts)
  while not request:done() do core.step(client, 1) end
  return request:result(known)
end

describe("the result of a request", function()
  it("has a mark where one is asked for", function()
    local id = service:id "queued"
    assert.equal(1, select("#", ask(id)))
    local task, err, mark = ask(id, "")
    assert.equal("queued", task.status)
    assert.is_nil(err)
    assert.is_true(#mark > 16)
  end)

  it("is only the mark where that is known", function()
    local id = service:id "queued"
    local _, _, mark = ask(id, "")
    local task, err, again = ask(id, mark)
    assert.is_nil(task)
    assert.is_nil(err)
    assert.equal(mark, again)
  end)

  it("is the task where anything is different: a byte, the length, the status of HTTP", function()
    local body = '{"status":"word %d"}'
    local function mark_of(text, http)
      local id = service:id("body;text=" .. text .. (http and ";status=" .. http or ""))
      return (select(3, ask(id, "")))
    end
    local mark = mark_of(body:format(1))
    assert.equal(mark, mark_of(body:format(1)))
    assert.not_equal(mark, mark_of(body:format(2)))
    assert.not_equal(mark, mark_of(body:format(1) .. " "))
    assert.not_equal(mark, mark_of(body:format(1), 202))
    local task = ask(service:id("body;text=" .. body:format(3)), mark)
    assert.equal("word 3", task.status)
  end)

  it("is only the mark where another process has seen the same", function()
    local id = service:id("queued*2", "pending")
    local hex = shell.output_of(("%s -e %s"):format(shell.quote(shell.LUA), shell.quote(([[
      local core, sora = require "sora.core", require "sora"
      local client = sora.client { base_url = %q, ca_file = %q, api_key = "sk-spec" }
      local request = core.request(client, %q)
      while not request:done() do core.step(client, 1) end
      local _, _, mark = request:result ""
      print((mark:gsub(".", function(byte) return ("%%02x"):format(byte:byte()) end)))
    ]]):format(service.base_url, service.ca_file, id))))
    local mark = hex:gsub("%X", ""):gsub("%x%x", function(byte)
      return string.char(tonumber(byte, 16))
    end)
    local answer, err, again = ask(id, mark)
    assert.is_nil(answer)
    assert.is_nil(err)
    assert.equal(mark, again)
    answer, err, again = ask(id, mark)
    assert.equal("pending", answer.status)
    assert.is_nil(err)
    assert.not_equal(mark, again)
  end)

  it("has no mark where it is an error", function()
    for _, step in ipairs { "500", "not_json", "error_object", "html", "empty", "unknown" } do
      local task, err, mark = ask(service:id(step), "", { retries = 0 })
      assert.is_nil(task)
      assert.is_string(err.kind, step)
      assert.is_nil(mark, step)
    end
  end)

  it("is cancelled where the client was closed, whatever is known", function()
    local id = service:id "queued"
    local _, _, mark = ask(id, "")
    local other = clients.new()
    local request = core.request(other, id)
    while not request:done() do core.step(other, 1) end
    other:close()
    local task, err = request:result(mark)
    assert.is_nil(task)
    assert.equal("cancelled", err.kind)
  end)
end)

-- A poller that is told of equal answers as the core tells it, beside one that gets every answer
-- decoded anew: whatever comes, they do the same.

local TEXT = { __tostring = function(err) return err.message end }

local function copy(value)
  if type(value) ~= "table" then return value end
  local made = value.message and setmetatable({}, TEXT) or {}
  for key, field in pairs(value) do made[key] = copy(field) end
  return made
end

local function running(progress, more)
  return { status = "pending", detail = { pending_info = { progress_pct = progress } }, n = more }
end

--- What services send; a body stands for its bytes.
local BODIES = {
  { status = "queued" }, { status = "queued", n = 1 }, { status = "never heard" }, {},
  running(0), running(0.3), running(0.3, 1), running(0.9), running(0.2),
  { status = "completed" }, { status = "video_generation_completed" },
}
local ENDS = {
  { status = "completed", video_url = "https://cdn.example/a.mp4" },
  { status = "failed", error = "policy" }, { status = "cancelled" },
}
local ERRORS = {
  { kind = "http", status = 503, retryable = true, message = "HTTP 503" },
  { kind = "network", retryable = true, message = "reset" },
  { kind = "http", status = 429, retryable = true, message = "HTTP 429" },
  { kind = "http", status = 429, retryable = true, message = "HTTP 429", retry_after = 7 },
  { kind = "api", status = 400, retryable = false, not_found = true, message = "unknown" },
}

--- The next answer of a script: mostly what the last one was.
local function next_answer(random, last)
  local roll = random(100)
  if last and roll <= 60 then return last end
  if roll <= 80 then return { body = BODIES[random(#BODIES)] } end
  if roll <= 97 then return { err = ERRORS[random(#ERRORS)], last = last } end
  return { body = ENDS[random(#ENDS)] }
end

local function new_poller(random)
  local rules = pollers.rules({ interval = 5, max_interval = 30, timeout = 900, max_errors = 10 },
    nil, random)
  local made = pollers.new("sora-2:task_x", rules, pace.new(), 0)
  return made
end

--- As the core does it: a known mark alone, or the task with its mark.
local function by_mark(poller, now, answer)
  if answer.err then return poller:answer(now, nil, copy(answer.err)) end
  local mark = tostring(answer.body)
  if poller.mark == mark then return poller:answer(now, nil, nil, mark) end
  return poller:answer(now, copy(answer.body), nil, mark)
end

local function decoded(poller, now, answer)
  return poller:answer(now, copy(answer.body), copy(answer.err))
end

--- What can be seen of an outcome, without what tells two tables apart.
local function seen(poller, now, action, value, changed)
  return { action, copy(value), changed or false, copy(poller.task), poller:info(now) }
end

--- Numbers from 0 to 1, the same for each of two pollers.
local function sequence(seed)
  local random = chance.new(seed)
  return function() return random:number() end
end

--- Plays one script to both. Returns how many answers were not decoded.
local function play(seed)
  local script = chance.new(seed, 1)
  local function random(most) return script:between(1, most) end
  local marked, plain = new_poller(sequence(seed)), new_poller(sequence(seed))
  local now, last, undecoded = 0, nil, 0
  while true do
    local action, wait = marked:due(now)
    local expected, other_wait = plain:due(now)
    assert.same({ expected, copy(other_wait) }, { action, copy(wait) })
    if action == "error" then return undecoded end
    now = now + wait
    if wait == 0 then
      local answer = next_answer(random, last)
      last = answer.body and answer or answer.last
      local known = answer.body and marked.mark == tostring(answer.body) and 1 or 0
      local got = seen(marked, now, by_mark(marked, now, answer))
      assert.same(seen(plain, now, decoded(plain, now, answer)), got)
      undecoded = undecoded + known
      if got[1] ~= "ask" then return undecoded end
      if got[3] and random(2) == 1 then -- it is shown, and whoever gets it changes it
        for _, poller in ipairs { marked, plain } do
          local task = poller:show()
          task.status, task.mine = "changed by the caller", { now }
        end
      end
      now = now + random(3) - 1
    end
  end
end

--- What a fleet does with a poller after each poll that goes on. `read` reads what was stored.
local function moved(poller, random, now, pause, read)
  local state = core.decode(assert(core.encode(states.export(poller, now))))
  local rules = new_poller(random).rules
  return states.restore(poller.id, rules, poller.pace, now + pause, state,
    { started = now + pause - poller.started, exported = pause }, read)
end

--- What can be seen of an outcome where pollers move: of a task the last change, not each byte.
local function moving(poller, now, action, value, changed)
  local pause, told = nil, value
  if action == "ask" then pause, told = value, {} end
  told = told.task or told
  return {
    action = action, pause = pause, changed = changed or false, info = poller:info(now),
    word = answers.word(told), progress = answers.progress(told),
  }
end

--- Plays one script to a poller that moves with what it has seen of its answers, and to one for
-- which each is read. Returns how many answers were not decoded, and how often the stored one was.
local function move_about(seed)
  local script = chance.new(seed, 1)
  local function random(most) return script:between(1, most) end
  local marked_chance, plain_chance = sequence(seed), sequence(seed)
  local marked, plain = new_poller(marked_chance), new_poller(plain_chance)
  local now, last, stored, undecoded, reads = 0, nil, nil, 0, 0
  local function read() return copy(stored) end
  local function counted()
    reads = reads + 1
    return copy(stored)
  end
  while true do
    local action, wait = marked:due(now)
    local expected, other_wait = plain:due(now)
    assert.same({ expected, copy(other_wait) }, { action, copy(wait) })
    if action == "error" then return undecoded, reads end
    now = now + wait
    if wait == 0 then
      local answer = next_answer(random, last)
      last = answer.body and answer or answer.last
      if answer.body and marked.mark == tostring(answer.body) then undecoded = undecoded + 1 end
      local got = moving(marked, now, by_mark(marked, now, answer))
      assert.same(moving(plain, now, decoded(plain, now, answer)), got)
      if got.action ~= "ask" then return undecoded, reads end
      if got.changed then stored = answer.body end
      marked = moved(marked, marked_chance, now, got.pause, stored and counted)
      plain = moved(plain, plain_chance, now, got.pause, stored and read)
      now = now + got.pause
    end
  end
end

describe("a wait", function()
  it("does the same whether equal answers are decoded or not, in 300 scripts", function()
    local undecoded = 0
    for seed = 1, 300 do undecoded = undecoded + play(seed) end
    assert.is_true(undecoded > 3000, undecoded .. " answers were not decoded")
  end)

  --- Counts the answers that were decoded for the waits of fn.
  local function decoded_in(fn)
    local new, count = pollers.new, 0
    function pollers.new(...)
      local poller = new(...)
      local answer = poller.answer
      function poller:answer(now, task, ...)
        if task then count = count + 1 end
        return answer(self, now, task, ...)
      end
      return poller
    end
    local ok, err = pcall(fn)
    pollers.new = new
    assert(ok, err)
    return count
  end

  it("does the same in a fleet, whose tasks move from process to process, in 300 scripts",
    function()
      local undecoded, reads = 0, 0
      for seed = 1, 300 do
        local more, read = move_about(seed)
        undecoded, reads = undecoded + more, reads + read
      end
      assert.is_true(undecoded > 3000, undecoded .. " answers were not decoded")
      assert.is_true(reads < undecoded / 3, reads .. " answers were read once more")
    end)

  it("decodes an answer that comes again and again once", function()
    local id = service:id("queued*6", "completed")
    assert.equal(2, decoded_in(function() assert(client:wait(id, clients.quick())) end))
    assert.equal(7, #service:log(id, "tls"))
  end)

  it("does so again after a bad answer between", function()
    local id = service:id("queued*3", "500", "queued*3", "completed")
    assert.equal(2, decoded_in(function() assert(client:wait(id, clients.quick())) end))
  end)

  it("decodes an answer once more that on_update has seen, who may have changed it", function()
    local id, updates, kept = service:id("queued*6", "completed"), 0, nil
    local function on_update(task)
      updates, kept = updates + 1, kept or task
      task.status = "changed by the caller"
    end
    local count = decoded_in(function()
      assert(client:wait(id, clients.quick { on_update = on_update }))
    end)
    assert.equal(3, count)
    assert.equal(2, updates)
  end)

  it("ends with a task that nobody has changed", function()
    local id, first = service:id "queued", nil
    local _, err = client:wait(id, clients.quick { timeout = 0.5, on_update = function(task)
      first, task.status = first or task, "changed by the caller"
    end })
    assert.equal("timeout", err.kind)
    assert.equal("queued", err.task.status)
    assert.not_equal(first, err.task)
  end)

  it("does so in wait_all and watch", function()
    local ids = {}
    for i = 1, 5 do ids[i] = service:id("queued*5", "pending;progress=0.5*5", "completed") end
    assert.equal(15, decoded_in(function()
      local tasks = client:wait_all(ids, clients.quick())
      for _, id in ipairs(ids) do assert.equal("succeeded", sora.status(tasks[id])) end
    end))
    local words = {}
    assert.equal(5, decoded_in(function()
      for task in client:watch(service:id("queued*5", "pending*5", "completed"),
        clients.quick()) do
        words[#words + 1] = task.status
      end
    end))
    assert.same({ "queued", "pending", "completed" }, words)
  end)

  it("makes no table for an answer that is known", function()
    local id = service:id "sample"
    local task, _, mark = ask(id, "")
    assert.is_table(task.detail)
    local function bytes_of(known)
      local request = core.request(client, id)
      while not request:done() do core.step(client, 1) end
      collectgarbage "stop"
      local before = collectgarbage "count"
      request:result(known)
      local bytes = (collectgarbage "count" - before) * 1024
      collectgarbage "restart"
      return bytes
    end
    bytes_of(mark)
    assert.is_true(bytes_of "" > 2000)
    assert.equal(0, bytes_of(mark))
  end)
end)

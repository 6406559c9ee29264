-- What a worker of a fleet need not decode: an answer that says what the one before has said,
-- whoever had that, and the last answer that Redis has. Nobody can tell, but by counting.

local clients = require "spec.support.clients"
local core = require "sora.core"
local fleets = require "spec.support.fleet"
local inboxes = require "sora.hosts.inbox"
local record = require "sora.fleet.record"
local sora = require "sora"
local standin = require "spec.support.standin"
local workers = require "sora.fleet.worker"

local lacking = fleets.lacking()
if lacking then return pending(lacking) end

local world, fleet, other
local decode, reads -- of what Redis has

setup(function() world = fleets.start { service = standin.shared(), interval = 0.01 } end)
teardown(function() world:stop() end)

before_each(function()
  world.server:call "FLUSHALL"
  fleet, other = world:fleet(), world:fleet()
  decode, reads = record.decode, 0
  function record.decode(...) -- luacheck: ignore
    reads = reads + 1
    return decode(...)
  end
end)

after_each(function()
  record.decode = decode -- luacheck: ignore
  for _, each in ipairs { fleet, other } do
    each:close()
    clients.finish(each.client)
  end
end)

local function added(...)
  local id = standin.shared():id(...)
  assert(fleet:add(id))
  return id
end

--- A worker that does what it is told to do, of which the decoded answers are counted.
local function new_worker(of)
  local worker = workers.new(of, { concurrency = 1, drain = 1 })
  local take = worker.take
  worker.decoded = 0
  function worker:take(request, held)
    local answer = held.poller.answer
    function held.poller.answer(poller, now, task, ...)
      if task then self.decoded = self.decoded + 1 end
      return answer(poller, now, task, ...)
    end
    take(self, request, held)
  end
  return worker
end

--- Has a worker claim the task, ask once, and report. Returns what Redis knows then of the task,
-- and how that ended.
local function poll(worker, id)
  while worker.in_flight == 0 do
    worker.claim_at = 0
    assert.is_true(worker:claim())
    worker:start()
    if worker.in_flight == 0 then inboxes.sleep(worker.inbox, 0.01) end
  end
  while worker.in_flight == 1 do
    inboxes.sleep(worker.inbox, 1)
    worker:take_all()
  end
  assert.equal(1, #worker.reports)
  worker.text = worker.reports[1].text
  assert.is_true(worker:report())
  local state, text = fleet.store:look(id)
  if state == "ended" then return nil, record.outcome(text, id) end
  return decode(text, id)
end

describe("a worker", function()
  it("decodes an answer that comes again and again once, and once more in ten polls", function()
    local id, worker = added("queued*12", "completed"), new_worker(fleet)
    for i = 1, 12 do
      assert.equal("queued", poll(worker, id).status)
      assert.equal(i == 1, worker.text ~= "")
      assert.equal(i < 11 and 1 or 2, worker.decoded)
      assert.equal(i < 11 and 0 or 1, reads)
    end
    local _, outcome = poll(worker, id)
    assert.equal("succeeded", sora.status(outcome.task))
    assert.is_string(sora.video_url(outcome.task))
    assert.equal(3, worker.decoded)
  end)

  it("goes on with what another one has seen, and decodes nothing anew", function()
    local id = added("pending;progress=0.5*6", "completed")
    local one, two = new_worker(fleet), new_worker(other)
    for _ = 1, 3 do
      poll(one, id)
      assert.equal(0.5, sora.progress(poll(two, id)))
    end
    assert.are.same({ 1, 0, 0 }, { one.decoded, two.decoded, reads })
    local _, outcome = poll(new_worker(other), id)
    assert.equal("succeeded", sora.status(outcome.task))
  end)

  it("tells each change, where an answer changes and changes back between two workers", function()
    local lives = {}
    for i = 1, 8 do lives[i] = "pending;progress=0." .. (i % 2 + 1) end
    local id = added((table.unpack or unpack)(lives))
    local one, two = new_worker(fleet), new_worker(other)
    for i = 1, 8 do
      local worker = i % 2 == 1 and one or two
      assert.near((i % 2 + 1) / 10, sora.progress(poll(worker, id)), 1e-9)
      assert.not_equal("", worker.text)
    end
    assert.are.same({ 4, 4, 0 }, { one.decoded, two.decoded, reads })
  end)

  it("believes nothing that was seen of a task before it was removed and added again", function()
    local id = added("pending;progress=0.1", "pending;progress=0.2", "pending;progress=0.1*2")
    local one, two = new_worker(fleet), new_worker(other)
    assert.near(0.1, sora.progress(poll(one, id)), 1e-9)
    assert(fleet:remove(id))
    assert(fleet:add(id))
    assert.near(0.2, sora.progress(poll(two, id)), 1e-9)
    assert.near(0.1, sora.progress(poll(one, id)), 1e-9)
    assert.not_equal("", one.text)
  end)

  it("reads what an older version has left, and is told no change by it", function()
    local id, worker = added "pending;progress=0.5*3", new_worker(fleet)
    poll(worker, id)
    local key = world.prefix .. "task:" .. id
    local state = core.decode(world.server:call("HGET", key, "state"))
    state.seen = nil
    world.server:call("HSET", key, "state", core.encode(state))
    assert.equal(0.5, sora.progress(poll(worker, id)))
    assert.are.same({ "", 2, 1 }, { worker.text, worker.decoded, reads })
    poll(worker, id)
    assert.are.same({ "", 2, 1 }, { worker.text, worker.decoded, reads })
  end)

  it("ends with the last answer, after polls that said the same", function()
    local id, worker = added("pending;progress=0.5*4", "500", "401"), new_worker(fleet)
    for _ = 1, 5 do assert.equal(0.5, sora.progress(poll(worker, id))) end
    assert.are.same({ 1, 0 }, { worker.decoded, reads })
    local _, outcome = poll(worker, id)
    assert.equal(401, outcome.err.status)
    assert.equal(6, outcome.err.polls)
    assert.equal(0.5, sora.progress(outcome.err.task))
    assert.equal(id, sora.id(outcome.err.task))
  end)

  it("asks with the requests that it has, however many tasks there are", function()
    local request, made = core.request, 0
    core.request = function(...) -- luacheck: ignore
      made = made + 1
      return request(...)
    end
    local ok, fault = pcall(function()
      local worker = new_worker(fleet)
      for _ = 1, 3 do
        local id = added("queued*3", "completed")
        for _ = 1, 4 do poll(worker, id) end
      end
    end)
    core.request = request -- luacheck: ignore
    assert(ok, fault)
    assert.equal(1, made)
  end)
end)

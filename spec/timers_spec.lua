-- Many deadlines at once, taken out in any order: each comes in its time, none is lost.

local core = require "sora.core"
local sora = require "sora"
local standin = require "spec.support.standin"

local service = standin.shared()
local now = sora.driver.now

local COUNT, SPREAD = 100, 0.6 -- requests; seconds over which their deadlines are spread
local LATE = 3                 -- seconds, on a busy machine

describe("deadlines of many requests", function()
  local c

  before_each(function()
    -- a connection for each: one on which nobody is answered is given up with all that is on it
    c = sora.client { base_url = service.http_url, retries = 0, max_connections = COUNT }
  end)
  after_each(function() c:close() end)

  --- Requests that are never answered, with deadlines in no order; the owner of each knows its own.
  local function start()
    local list = {}
    for i = 1, COUNT do
      local seconds = 0.3 + (i * 37 % COUNT) / COUNT * SPREAD
      local owner = { started = now(), seconds = seconds }
      owner.request = c:request(service:id "never", { timeout = seconds }, owner)
      list[i] = owner
    end
    return list
  end

  --- Until all have ended; returns them in the order in which they did.
  local function finish(left)
    local order, limit = {}, now() + 10
    while left > 0 and now() < limit do
      core.poll({ c }, 0.1)
      c:step()
      for _, owner in c.finished, c do
        owner.ended = now()
        order[#order + 1] = owner
        left = left - 1
      end
    end
    assert.are.equal(0, left)
    return order
  end

  local function check(owner)
    local took = owner.ended - owner.started
    assert.is_true(took >= owner.seconds - 0.002 and took < owner.seconds + LATE,
      ("%g instead of %g seconds"):format(took, owner.seconds))
    assert.are.equal("timeout", select(2, owner.request:result()).kind)
  end

  it("come one after the other, the earliest first", function()
    start()
    local last = 0
    for _, owner in ipairs(finish(COUNT)) do
      check(owner)
      local due = owner.started + owner.seconds
      assert.is_true(due >= last - 0.05, "out of order")
      last = due
    end
  end)

  it("are gone with the requests that are cancelled, whichever these are", function()
    local list = start()
    c:step()
    for i = 1, COUNT do
      local owner = list[i]
      if i * 7 % 3 == 0 and not owner.request:done() then
        owner.request:cancel()
        owner.cancelled = true
      end
    end
    for _, owner in ipairs(finish(COUNT)) do
      if owner.cancelled then
        assert.are.equal("cancelled", select(2, owner.request:result()).kind)
      else
        check(owner)
      end
    end
    assert.are.equal(0, c:in_flight())
  end)

  it("are gone with the requests that are collected", function()
    local list = start()
    c:step()
    for i = 1, COUNT, 2 do list[i] = nil end -- luacheck: ignore
    list = nil -- luacheck: ignore
    for _ = 1, 3 do collectgarbage() end
    assert.are.equal(0, c:in_flight())
    assert.is_truthy(c:query(service:id "completed"))
  end)
end)

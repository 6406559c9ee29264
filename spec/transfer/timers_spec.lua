-- Many deadlines at once, taken out in any order: each comes in its time, none is lost.

local core = require "sora.core"
local sora = require "sora"
local standin = require "spec.support.standin"

local service = standin.shared()
local now = sora.driver.now

local COUNT = 127 -- requests: a heap of seven full levels
local LATE = 3    -- seconds, on a busy machine

describe("deadlines of many requests", function()
  local c

  before_each(function()
    -- a connection for each: one on which nobody is answered is given up with all that is on it
    c = sora.client { base_url = service.http_url, retries = 0, max_connections = COUNT }
  end)
  after_each(function() c:close() end)

  --- Requests that are never answered; the i-th has seconds_of(i).
  local function start(seconds_of)
    local list = {}
    for i = 1, COUNT do
      local owner = { seconds = seconds_of(i), after = now() + seconds_of(i) }
      owner.request = core.request(c, service:id "never", { timeout = owner.seconds }, owner)
      owner.before = now() + owner.seconds -- due somewhere between the two
      list[i] = owner
    end
    return list
  end

  local function in_no_order(i) return 0.3 + i * 37 % COUNT / COUNT * 0.8 end

  --- As they lie in the heap: on its left side all that is late, the earliest on its right.
  local function lopsided(i)
    local first = i
    while first > 3 do first = math.floor(first / 2) end
    return (first == 2 and 0.8 or 0.3) + i / COUNT * 0.4
  end

  --- Until all of the list have ended; returns them in the order in which they did.
  local function finish(list)
    local order, limit = {}, now() + 10
    while #order < #list and now() < limit do
      core.step(c, 0.1)
      for _, owner in core.finished, c do
        owner.ended = now()
        order[#order + 1] = owner
      end
    end
    assert.are.equal(#list, #order)
    return order
  end

  --- Each in its time, and none before one that was due earlier.
  local function check(order)
    local last = 0
    for _, owner in ipairs(order) do
      assert.are.equal("timeout", select(2, owner.request:result()).kind)
      assert.is_true(owner.ended >= owner.after and owner.ended < owner.before + LATE)
      assert.is_true(owner.before >= last, ("%g seconds too late"):format(last - owner.before))
      last = math.max(last, owner.after)
    end
  end

  it("come one after the other, the earliest first", function()
    check(finish(start(in_no_order)))
  end)

  for name, seconds_of in pairs { ["in no order"] = in_no_order, lopsided = lopsided } do
    it("are gone with the requests that are cancelled: " .. name, function()
      local list, others = start(seconds_of), {}
      c:step()
      for i = 2, COUNT do
        local owner = list[i]
        if i % 3 == 2 and not owner.request:done() then
          owner.request:cancel()
          owner.cancelled = true
        end
      end
      for _, owner in ipairs(finish(list)) do
        if owner.cancelled then
          assert.are.equal("cancelled", select(2, owner.request:result()).kind)
        else
          others[#others + 1] = owner
        end
      end
      check(others)
      assert.are.equal(0, c:in_flight())
    end)
  end

  it("are gone with the requests that are collected", function()
    local list = start(in_no_order)
    c:step()
    for i = 1, COUNT, 2 do list[i] = nil end -- luacheck: ignore
    list = nil -- luacheck: ignore
    for _ = 1, 3 do collectgarbage() end
    assert.are.equal(0, c:in_flight())
    assert.is_truthy(c:query(service:id "completed"))
  end)
end)

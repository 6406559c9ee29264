--- Flows of control beside each other, for specs that need several at once: coroutines of cqueues.
-- What they ask has to be a client of `flows.sora`, sora.cqueues. Where this Lua has no cqueues,
-- there is only `flows.lacking`, the reason to skip the spec.

local lacking = require("spec.support.host").lacks "cqueues"
if lacking then return { lacking = lacking } end

local condition = require "cqueues.condition"
local cqueues = require "cqueues"
local inboxes = require "sora.hosts.inbox"

local LIMIT = 60 -- seconds

local M = { sora = require "sora.cqueues", sleep = cqueues.sleep, pcall = pcall }

local unpack = table.unpack or unpack
local function pack(...) return { n = select("#", ...), ... } end

--- A pcall that may be yielded in, which Lua 5.1 has not.
if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then
  function M.pcall(fn, ...)
    local co = coroutine.create(fn)
    local function go_on(ok, ...)
      if not ok then
        inboxes.abandon(co) -- in Lua 5.1 that is left to whoever resumes a coroutine
        return false, ...
      end
      if coroutine.status(co) == "dead" then return true, ... end
      return go_on(coroutine.resume(co, coroutine.yield(...)))
    end
    return go_on(coroutine.resume(co, ...))
  end
end

local Flow = {}
Flow.__index = Flow

--- Starts fn(...) beside the flow of control that calls, which `run` has started.
function M.spawn(fn, ...)
  local flow = setmetatable({ ended = condition.new() }, Flow)
  cqueues.running():wrap(function(...)
    flow.results = pack(fn(...))
    flow.ended:signal()
  end, ...)
  return flow
end

--- Waits for its end. Returns what the function returned.
function Flow:join()
  while not self.results do self.ended:wait() end
  return unpack(self.results, 1, self.results.n)
end

--- Runs fn(...) and all that it spawns until they have ended. Returns what it returned; raises the
-- first error that one of them raised.
function M.run(fn, ...)
  local controller, results = cqueues.new(), nil
  controller:wrap(function(...) results = pack(fn(...)) end, ...)
  assert(controller:loop(LIMIT))
  assert(controller:empty(), "a flow of control did not end")
  return unpack(results, 1, results.n)
end

return M

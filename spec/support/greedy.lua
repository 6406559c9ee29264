-- A collector that never rests, so that whatever is kept by luck is lost: through $LUA_INIT in the
-- programs that specs run as well, and as a helper of busted, which then tells how often.
--
-- One cycle follows another. From 5.3 on, where that is not hard enough (5.4) and values are
-- never collected while one is made, GREEDY (20) says how many requests for memory there are from
-- one full collection in the midst of such a request to the next. See restless.c.

local LUA = jit and "luajit" or _VERSION:lower():gsub(" ", "")
local TOP = debug.getinfo(1, "S").source:match "^@(.*)spec/support/greedy.lua$" or ""
-- The collector's speed. What 100 means differs from Lua to Lua: bytes, or objects, that it goes
-- through for each byte that is allocated.
local STEPS = { ["Lua 5.1"] = 1500, ["Lua 5.3"] = 200, ["Lua 5.4"] = 1000, ["Lua 5.5"] = 1000 }

--- An allocator that collects, where there is one.
local function restless_allocator()
  if _VERSION == "Lua 5.1" then return nil end
  local path = ("%sbuild/%s/support/restless.so"):format(TOP, LUA)
  local open = package.loadlib(path, "luaopen_restless")
  local restless = open and open()
  if restless then restless.start(tonumber(os.getenv "GREEDY") or 20) end
  return restless
end

--- Drives the collector from now on; returns what it has done so far, kept up to date.
local function drive()
  local set = dofile(TOP .. "spec/support/collector.lua")
  local finalised = dofile(TOP .. "spec/support/finalised.lua")
  set("pause", 0)
  set("stepmul", STEPS[_VERSION])
  if _VERSION == "Lua 5.4" and os.getenv "GENERATIONAL" then
    collectgarbage("generational", 1, 1)
  end
  local done = { cycles = 0, restless = restless_allocator() }
  local function count()
    done.cycles = done.cycles + 1
    if done.restless then done.restless.cycle() end
    finalised(count)
  end
  count()
  return done
end

local registry = debug.getregistry()
registry["spec.support.greedy"] = registry["spec.support.greedy"] or drive()

if package.loaded["busted.core"] then
  if _VERSION >= "Lua 5.4" then
    debug.sethook(function()
      if collectgarbage "isrunning" then collectgarbage "step" end
    end, "", 2000)
  end
  require "busted".subscribe({ "exit" }, function()
    local done = registry["spec.support.greedy"]
    print(("%d cycles, %d collections beside them"):format(done.cycles,
      done.restless and done.restless.refused() or 0))
    return nil, true
  end)
end

-- A collector that never rests, so that whatever is kept by luck is lost: a helper of busted, and
-- through $LUA_INIT in the programs that the specs run.
--
-- One cycle follows another. Where the collector cannot be driven hard enough by that (Lua 5.4), or
-- strikes between allocations only (5.3, 5.4), GREEDY (20) says how many requests for memory there
-- are from one full collection in the midst of an allocation to the next. See restless.c.

-- luacheck: read globals newproxy

local LUA = jit and "luajit" or _VERSION:lower():gsub(" ", "")
local TOP = debug.getinfo(1, "S").source:match "^@(.*)spec/support/greedy.lua$" or ""
-- what 100 means differs: bytes gone through for each that is allocated, or objects
local STEPS = { ["Lua 5.1"] = 4000, ["Lua 5.3"] = 200, ["Lua 5.4"] = 1000 }

collectgarbage("setpause", 0)
collectgarbage("setstepmul", STEPS[_VERSION])
if _VERSION == "Lua 5.4" and os.getenv "GENERATIONAL" then collectgarbage("generational", 1, 1) end

local restless
if _VERSION ~= "Lua 5.1" then
  local path = ("%sbuild/%s/support/restless.so"):format(TOP, LUA)
  local open = package.loadlib(path, "luaopen_restless")
  restless = open and open()
  if restless then restless.start(tonumber(os.getenv "GREEDY") or 20) end
end

local cycles = 0

local function count()
  cycles = cycles + 1
  if restless then restless.again() end
  if _VERSION == "Lua 5.1" then
    getmetatable(newproxy(true)).__gc = count
  else
    setmetatable({}, { __gc = count })
  end
end
count()

if package.loaded["busted.core"] then
  if _VERSION == "Lua 5.4" then
    debug.sethook(function()
      if collectgarbage "isrunning" then collectgarbage "step" end
    end, "", 2000)
  end
  require "busted".subscribe({ "exit" }, function()
    print(("%d cycles, %d collections beside them"):format(cycles,
      restless and restless.refused() or 0))
    return nil, true
  end)
end

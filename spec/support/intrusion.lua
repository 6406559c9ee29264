-- Every public call with code that runs in the midst of it: in a finaliser at each request for
-- memory, and in a debug hook at each instruction. It closes the client, cancels all, asks, starts
-- a download, changes the tables that were handed in, raises.
--
--   lua spec/support/intrusion.lua LIMIT BASE_URL HTTP_URL CA_FILE VIDEO PATH FOLDER [CALL [ACT]]
--
-- FOLDER is where the helpers in C are. A call is tried with LIMIT places (0: all), evenly apart
-- from a first one on that INTRUSION_SEED (1) chooses; of instructions there are many: at most
-- $INSTRUCTIONS (LIMIT, or 400) of them are tried. In all cases the call ends within 20 s, with a
-- value, `nil, err`, or misuse of a closed client; nothing is in flight after it that nobody waits
-- for, the client goes on if it is open, and nothing leaks.

local calls = require "spec.support.torture_calls"

local limit, video, path, folder = tonumber(arg[1]), arg[5], arg[6], arg[7]
local only, only_act = arg[8], arg[9]
local intruder = assert(package.loadlib(folder .. "intruder.so", "luaopen_intruder"))()
local unix = assert(package.loadlib(folder .. "unix.so", "luaopen_unix"))()
local core = require "sora.core"
calls.load()

if jit then jit.off() end -- whose traces call no hooks

local INSTRUCTIONS = tonumber(os.getenv "INSTRUCTIONS") or (limit > 0 and limit or 400)
local RAISED = "raised by the intruder"

local KINDS = {}
for kind in ("cancelled failed http api decode io connect timeout"):gmatch "%S+" do
  KINDS[kind] = true
end

local function clear(value)
  if type(value) ~= "table" or getmetatable(value) then return end
  for name, field in pairs(value) do
    if name == "headers" then clear(field) end
    value[name] = nil
  end
end

--- What the intruder does, with what the call was made with.
local ACTS = {
  close = function(client) client:close() end,
  cancel = function(client) client:cancel() end,
  query = function(client) assert(client:query(calls.id "completed")) end,
  download = function(client)
    core.fetch(client, { url = video, path = path .. ".other", offset = 0 }, nil, {})
  end,
  change = function(_, ...)
    for i = 1, select("#", ...) do clear((select(i, ...))) end
    return true -- what was in them is to be collected
  end,
  raise = function() error(RAISED, 0) end,
}

local became

local function note(what) became[what] = (became[what] or 0) + 1 end

--- Raises when that is no proper end of a call.
local function judge(act, ok, value, err)
  if ok and value ~= nil then return note "value" end
  if not ok then err = value end -- watch raises what others return
  if type(err) == "table" and KINDS[err.kind] then return note(err.kind) end
  err = tostring(err)
  if act == "raise" and err:find(RAISED, 1, true) then return note "raised" end
  if act == "close" and err:find("closed", 1, true) then return note "misuse" end
  if act == "change" and (err:find("'next'", 1, true) or err:find("bad argument", 1, true)) then
    return note "misuse"
  end
  error(("%s, %s"):format(tostring(ok), err), 0)
end

local function collect()
  for _ = 1, 4 do collectgarbage() end
end

--- One attempt; returns how many places there were, and whether the intruder came.
local function try(call, act, road, n)
  local label = ("%s, %s, %s %d"):format(call[1], act, road, n)
  local a, b, c, d = call[2]()
  local work = ACTS[act]
  local function intrude()
    if act == "raise" then work() end
    local _, go_on = pcall(work, a, b, c, d)
    return go_on == true
  end
  intruder.watch(20, label)
  local places, came, ok, value, err = intruder.attempt(road, n, intrude, call[3], a, b, c, d)
  local judged, why = pcall(judge, act, ok, value, err)
  if not judged then error(why, 0) end
  collect() -- a request that was started, but never reached its owner, is garbage
  if act ~= "close" and not call.closes then
    if a:stats().in_flight ~= 0 then error("a request is still in flight", 0) end
    local task, said = a:query(calls.id "completed")
    if not task then error("the next query: " .. tostring(said), 0) end
  end
  a:close()
  intruder.watch(0)
  if type(value) == "userdata" then value:close() end
  for _, name in ipairs { path, path .. ".part", path .. ".other" } do os.remove(name) end
  return places, came
end

local failed, total, came_in = 0, 0, 0

local function fail(...)
  failed = failed + 1
  print("FAILED: " .. string.format(...))
end

--- Numbers from 1 to `count`, at most `most` of them (0: all), evenly apart.
local function numbers(count, most)
  local step = most > 0 and math.max(1, count / most) or 1
  local n = step > 1 and math.random() * step or 1
  return function()
    local this = math.floor(n)
    n = n + step
    if this <= count then return math.max(1, this) end
  end
end

local function use()
  collect()
  return unix.allocated() or 0, unix.descriptors()
end

local function intrude(call, act, road)
  became = {}
  for _ = 1, 2 do try(call, act, road, 0) end
  local count, tried, inside = try(call, act, road, 0), 0, 0
  became = {}
  local before, open = use()
  for n in numbers(count, road == "hook" and INSTRUCTIONS or limit) do
    local ok, places, came = pcall(try, call, act, road, n)
    tried = tried + 1
    if not ok then fail("%s, %s, %s %d: %s", call[1], act, road, n, places) end
    if came then inside = inside + 1 end
  end
  local after, still_open = use()
  total, came_in = total + tried, came_in + inside
  local words = {}
  for what, times in pairs(became) do words[#words + 1] = ("%s %d"):format(what, times) end
  table.sort(words)
  print(("%-30s %-8s %-9s places %5d, tried %4d, came in %4d: %s; growth %d"):format(call[1], act,
    road, count, tried, inside, table.concat(words, ", "), after - before))
  io.stdout:flush()
  if after - before > math.max(50000, tried * 64) then
    fail("%s, %s, %s: %d bytes more", call[1], act, road, after - before)
  end
  if still_open > open then fail("%s: %d descriptors more", call[1], still_open - open) end
end

math.randomseed(tonumber(os.getenv "INTRUSION_SEED") or 1)

local acts = {}
for act in pairs(ACTS) do acts[#acts + 1] = act end
table.sort(acts)
for _, call in ipairs(calls.list) do
  for _, act in ipairs(acts) do
    for _, road in ipairs { "finaliser", "hook" } do
      if (not only or only == call[1]) and (not only_act or only_act == act) then
        intrude(call, act, road)
      end
    end
  end
end
print(("%d places, %d intrusions, %d failed"):format(total, came_in, failed))
if failed > 0 then os.exit(1) end

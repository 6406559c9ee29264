-- Every public call with the n-th request for memory refused, for every n until the call passes.
--
--   torture spec/support/torture.lua LIMIT BASE_URL HTTP_URL CA_FILE VIDEO PATH [CALL]
--
-- A call that asks for memory more than LIMIT times (0: no limit) is tried with so many n, evenly
-- apart from a first one on that TORTURE_SEED (1) chooses. Without a limit, TORTURE_PIECE=K/M tries
-- each M-th from K on (from 0): the whole is done by M runs of a bearable length. It prints a line
-- for each call and kind of memory, and ends with status 1 after what went wrong. In all cases: a
-- value, Lua's memory error, or `nil, err`; the same client answers the next query; what was in use
-- before is in use after, and no more.

local calls = require "spec.support.torture_calls"
local files = require "spec.support.files"
local torture = require "torture"

if jit then jit.off() end -- that the compiler survives without memory is not what is looked at

local limit, base_url, path, only = tonumber(arg[1]), arg[2], arg[6], arg[7]
local KINDS = {} -- of errors that an answer may have when memory is short
for kind in ("dns connect tls timeout network http api decode too_large io memory cancelled")
  :gmatch "%S+" do
  KINDS[kind] = true
end
local sora
local CALLS, client, id, query = calls.list, calls.client, calls.id, calls.query
CALLS[#CALLS + 1] = require "spec.support.torture_heap"

local became -- of the calls: outcome -> how often

local function note(what) became[what] = (became[what] or 0) + 1 end

--- Raises when that is no proper outcome of a call that ran out of memory.
local function judge(call, outcome, value, err)
  if outcome == "returned" and value ~= nil then
    if call.fails then error "a value, where there can be none" end
    return note "value"
  elseif outcome == "memory" or outcome == "raised" and type(value) == "string"
    and value:find("not enough memory", 1, true) then
    return note "memory raised"
  end
  if outcome == "raised" then err = value end -- watch raises what others return
  local kind = type(err) == "table" and err.kind
  if not KINDS[kind] and not (call.fails and kind == "failed") then
    error(("%s %s %s"):format(outcome, tostring(value), tostring(err)), 0)
  end
  note(kind)
end

local function collect()
  for _ = 1, 4 do collectgarbage() end
end

local function use()
  collect()
  local c, lua = torture.live()
  return c, lua
end

--- One attempt, with all that belongs to it; returns how many requests for memory the call made.
local function try(call, which, n, mode)
  torture.label(("%s, %s memory, request %d, %s"):format(call[1], which, n, mode))
  local a, b, c, d = call[2]()
  local started = sora.driver.now()
  local outcome, requests, value, err = torture.attempt(which, n, mode, call[3], a, b, c, d)
  if sora.driver.now() - started > 2 then note "slow" end
  local ok, message = pcall(judge, call, outcome, value, err)
  if not ok then error(message, 0) end
  if call.closes then
    a:close()
    a = client()
  end
  collectgarbage() -- a request that was started, but never reached its owner, is garbage
  if a:stats().in_flight ~= 0 then error("a request is still in flight", 0) end
  local task, why = a:query(id "completed")
  if not task then error("the next query: " .. tostring(why), 0) end
  a:close()
  if type(value) == "userdata" then value:close() end
  os.remove(path)
  os.remove(path .. ".part")
  return requests
end

local piece, pieces = (os.getenv "TORTURE_PIECE" or "0/1"):match "^(%d+)/(%d+)$"

--- n from 0 to below count: all, those of the piece, or as many as the limit allows.
local function numbers(count)
  local step = limit > 0 and math.max(1, math.floor(count / limit)) or tonumber(pieces)
  local first = limit == 0 and tonumber(piece) or math.random(0, step - 1)
  local n = first - step
  return function()
    n = n + step
    if n < count then return n end
  end, step, first
end

local failed, total = 0, 0

local function report(name, which, mode, count, tried, step, first, growth)
  local words = {}
  for what, times in pairs(became) do words[#words + 1] = ("%s %d"):format(what, times) end
  table.sort(words)
  print(("%-34s %-3s %-4s requests %5d, refused %5d (each %d. from %d): %s; growth %d"):format(name,
    which, mode, count, tried, step, first, table.concat(words, ", "), growth))
  io.stdout:flush()
end

local function fail(...)
  failed = failed + 1
  print("FAILED: " .. string.format(...))
end

local function torment(call, which, mode)
  became = {}
  for _ = 1, 3 do try(call, which, -1, mode) end
  local count, tried = try(call, which, -1, mode), 0
  became = {}
  local before = use()
  local each, step, first = numbers(count)
  for n in each do
    local ok, message = pcall(try, call, which, n, mode)
    tried = tried + 1
    if not ok then fail("%s, %s, request %d, %s: %s", call[1], which, n, mode, message) end
  end
  local after = use()
  total = total + tried
  report(call[1], which, mode, count, tried, step, first, after - before)
  -- a leak in one place shows once at least; what libraries keep does not grow with the attempts
  if after - before > 40 then fail("%s, %s memory, %s: %d blocks more", call[1], which, mode,
    after - before) end
end

local function torment_loading(which, mode)
  became = {}
  local function try_to_load(n)
    torture.label(("loading, %s memory, request %d, %s"):format(which, n, mode))
    local outcome, count, again, left = torture.load(which, n, mode)
    -- Lua 5.1 itself, while it reads a source, can lose some bytes
    if left > (_VERSION == "Lua 5.1" and 64 or 0) then
      fail("loading, request %d leaks %d bytes of Lua's", n, left)
    end
    -- a loader that cannot read a file says only that it found no module
    if outcome == "raised" and which == "lua" then fail("loading, request %d raised", n) end
    if again ~= "returned" then fail("loading again after request %d: %s", n, again) end
    note(outcome)
    return count
  end
  try_to_load(-1)
  local count, tried = try_to_load(-1), 0
  became = {}
  local before = use()
  local each, step, first = numbers(count)
  for n in each do
    try_to_load(n)
    tried = tried + 1
  end
  local after = use()
  total = total + tried
  report("loading", which, mode, count, tried, step, first, after - before)
  if after - before > 4 then fail("loading leaks %d blocks", after - before) end
end

--- How a process that uses TLS may end, and what that says.
local ENDS = {
  ok = "ok", ["left 1"] = "TLS is broken in this process",
  ["left 2"] = "OpenSSL crashed in its set-up",
}

--- One query over TLS, in the process that this one is, with request n refused (below 0: none; the
-- number of requests is written to the file then).
local function use_tls(n, mode)
  sora = calls.load()
  local c, one = client(base_url), id "completed"
  if mode == "on" then c:pollfd() end -- curl_global_init, see torment_tls
  local outcome, requests, task, err = torture.attempt("c", n, mode, query, c, one)
  if n < 0 then return files.write(path, tostring(requests)) end
  judge({}, outcome, task, err)
  local again, why = c:query(id "completed")
  c:close()
  if again then return end
  if why.kind == "tls" or why.kind == "memory" then torture.leave(1) end
  error("the next query: " .. tostring(why), 0)
end

--- TLS in a process of its own for each attempt, since OpenSSL 3.0 remembers for the rest of the
-- process what it could not load once; each further use of TLS is then an error of kind tls or
-- memory. `cold`: as the first use of all in the process. There it can crash by itself, in
-- RAND_status (see torture.c), and does for certain when no memory at all is left within
-- curl_global_init: that is passed before memory runs out.
local function torment_tls(name, cold, mode)
  if not cold then
    sora = calls.load()
    assert(client(base_url):query(id "completed"))
    collect()
  end
  became = {}
  torture.label(name)
  assert(torture.child(use_tls, -1, mode) == "ok")
  local count, tried = tonumber(files.read(path)), 0
  os.remove(path)
  local each, step, first = numbers(count)
  for n in each do
    torture.label(("%s, request %d, %s"):format(name, n, mode))
    local how = torture.child(use_tls, n, mode)
    local ended = ENDS[how]
    if how == "left 2" and not cold then ended = nil end
    if not ended then fail("%s, request %d, %s: %s", name, n, mode, how) end
    note(ended or how)
    tried = tried + 1
  end
  total = total + tried
  report(name, "c", mode, count, tried, step, first, 0)
end

math.randomseed(tonumber(os.getenv "TORTURE_SEED") or 1) -- the same places each time
local function wanted(name) return not only or name == only end

for _, cold in ipairs { true, false } do
  local name = cold and "first use over TLS" or "query over TLS, connecting"
  for _, mode in ipairs { "once", "on" } do
    if wanted(name) then torment_tls(name, cold, mode) end
  end
end
local _, lua_bytes = torture.live()
local has_lua = lua_bytes > 0
if not has_lua then print "this Lua takes no allocator: only C memory runs out" end
sora = calls.load()
for _, which in ipairs(has_lua and { "lua", "c" } or { "c" }) do
  for _, mode in ipairs { "once", "on" } do
    -- LuaJIT crashes by itself when it reads a source, or sets itself up, without memory
    if wanted "loading" and not jit then torment_loading(which, mode) end
    for _, call in ipairs(CALLS) do
      if wanted(call[1]) then torment(call, which, mode) end
    end
  end
end
print(("%d requests for memory refused, %d failed"):format(total, failed))
if failed > 0 then error("failed", 0) end

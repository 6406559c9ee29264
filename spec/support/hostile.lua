-- The client against a server that means harm (hostile_server.lua): whatever comes, each call ends
-- within its bounds, each id is told once, no text holds the key, and a file that was told as whole
-- is.
--
-- By itself: LUA spec/support/hostile.lua SECONDS [SEED]; prints each seed that breaks a promise.

local ROOT = (arg and arg[0] and arg[0]:match "^(.*)spec/support/hostile%.lua$") or "./"
package.path = ROOT .. "?.lua;" .. package.path
require "spec.support.lua_http"

local certificates = require "spec.support.service.certificates"
local cqueues = require "cqueues"
local files = require "spec.support.files"
local pattern = require "spec.support.service.pattern"
local server = require "spec.support.hostile_server"

local M = {}

local KEY, SIZE = server.KEY, server.SIZE
local BOUND = 15 -- seconds for three calls whose own limits are one

local random, one_of, sometimes = server.random, server.one_of, server.sometimes

local function holds_key(value)
  return type(value) == "string" and value:find(KEY:sub(1, -3), 1, true) ~= nil
end

local function check_error(fault, err)
  for _, text in ipairs { tostring(err), err.message or "", tostring(err.code), err.body or "",
    err.request_id or "" } do
    if holds_key(text) then fault "the key is in an error" end
  end
end

local function check_told(fault, ids, tasks, errs)
  for _, id in ipairs(ids) do
    if (tasks[id] == nil) == (errs[id] == nil) then fault("told not once: " .. id) end
    if errs[id] then check_error(fault, errs[id]) end
  end
end

local function check_file(fault, path, size)
  local text = files.read(path)
  if not text or #text ~= size then return fault "a file of another size than was told" end
  local wanted = size <= SIZE and pattern.bytes(SIZE, 0, size - 1)
  if text:find("ftyp", 1, true) == 5 and text ~= wanted then fault "a file with other bytes" end
end

local CALLS = {
  function(client, fault)
    local task, err = client:query("t" .. random(1000), { timeout = 0.8 })
    if not task then check_error(fault, err) end
  end,
  function(client, fault)
    local ids = {}
    for i = 1, 10 do ids[i] = "t" .. i end
    check_told(fault, ids, client:query_all(ids, { timeout = 0.8 }))
  end,
  function(client, fault)
    local task, err = client:wait("t", { interval = 0.02, timeout = 0.8, max_errors = 5 })
    if not task then check_error(fault, err) end
  end,
  function(client, fault)
    local ids = { "a", "b", "c" }
    check_told(fault, ids, client:wait_all(ids, { interval = 0.02, timeout = 0.8, max_errors = 3 }))
  end,
  function(client, fault, folder, url)
    local path = folder .. "/video.mp4"
    local size, err = client:download(url, path, { timeout = 0.8 })
    if size then check_file(fault, path, size) else check_error(fault, err) end
  end,
}

--- Plays one seed. Returns what broke a promise, or nil.
---@param seed integer
---@return string?
function M.play(seed)
  local sora = require "sora.cqueues"
  server.sow(seed)
  local queue, broken, over = cqueues.new(), nil, false
  local function fault(what) broken = broken or what end
  local tls = sometimes(2)
  local authority = tls and certificates.authority "hostile" or nil
  local context = tls and certificates.context {
    authority = authority, names = { "127.0.0.1" }, protocols = { "h2" } } or nil
  local port, listener = server.listen(queue, context)
  local url = (tls and "https" or "http") .. "://127.0.0.1:" .. port
  local folder = files.folder()
  queue:wrap(function()
    local client = sora.client { base_url = url, api_key = KEY, verify = false,
      retries = random(3) - 1, request_timeout = 0.2, connect_timeout = 0.3,
      max_connections = random(4) }
    for _ = 1, 3 do one_of(CALLS)(client, fault, folder, url .. "/video") end
    if client:in_flight() ~= 0 then fault "requests are left" end
    client:close()
    over = true
  end)
  local ends = cqueues.monotime() + BOUND
  while not over and not broken and cqueues.monotime() < ends do
    local ok, message = queue:step(1) -- Lua 5.1 has no pcall that yields
    if not ok then fault("raised " .. tostring(message)) end
  end
  if not over then fault "a call has not ended" end
  listener:close()
  files.remove(folder)
  return broken
end

if arg and arg[0] and arg[0]:find "hostile%.lua$" then
  local seconds, seed = tonumber(arg[1]) or 60, tonumber(arg[2]) or os.time()
  local ends, count, bad = os.time() + seconds, 0, 0
  repeat
    local broken = M.play(seed)
    if broken then
      bad = bad + 1
      print(("seed %d: %s"):format(seed, broken))
    end
    seed, count = seed + 1, count + 1
  until os.time() >= ends
  print(("%d seeds, %d broke a promise"):format(count, bad))
  os.exit(bad == 0 and 0 or 1)
end

return M

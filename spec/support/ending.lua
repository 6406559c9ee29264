-- A program that ends with everything in flight: lua_close collects it all in the reverse order of
-- its making. After that a finaliser of the program's own, which was made first, uses what is left.
--
--   lua spec/support/ending.lua HOW HTTP_URL MODULE…
--
-- HOW: return, exit (os.exit with true as the second argument), error, or inside (that, in a
-- coroutine of cqueues). MODULE: what is made, in that order: sora, sora.cqueues, sora.luv.

local how, http_url = arg[1], arg[2]
local modules = { select(3, unpack and unpack(arg) or table.unpack(arg)) }
local core = require "sora.core"
local finalised = require "spec.support.finalised"
local sora = require "sora"
local live = {} -- clients and requests
local serial = 0

local function id(steps)
  serial = serial + 1
  return ("sora-2:task_%s~ending%d%s"):format(steps, serial, how)
end

--- Calls every method of what was made, whatever state it is in.
local function use()
  for _, object in ipairs(live) do
    tostring(object)
    for _, name in ipairs {
      "done", "progress", "etag", "cancel", "release", "result", "step", "pollfd", "events",
      "timeout", "stats", "in_flight", "closed", "close", "done",
    } do
      local _, method = pcall(function() return object[name] end)
      if method then pcall(method, object) end
    end
    pcall(core.again, object, "again", 1)
    for _, name in ipairs { "finished", "retries", "driver", "cancel", "step", "close" } do
      pcall(core[name], object)
    end
    local _, query = pcall(function() return object.query end)
    if query then pcall(query, object, id "completed") end
  end
end

local function start(client)
  local request = core.request(client, id "never", nil, {})
  client:step()
  live[#live + 1], live[#live + 2] = client, request
end

local MAKERS = {}

function MAKERS.sora()
  local client = sora.client { base_url = http_url }
  local next_change = client:watch(id "queued")
  next_change()
  start(client)
  return next_change
end

MAKERS["sora.cqueues"] = function()
  local cqueues = require "cqueues"
  local client = require("sora.cqueues").client { base_url = http_url }
  local controller = cqueues.new()
  controller:wrap(function() client:wait_all { id "queued", id "never" } end)
  for _ = 1, 3 do assert(controller:step(0.01)) end
  start(client)
  return controller
end

MAKERS["sora.luv"] = function()
  local uv = require "luv"
  local client = require("sora.luv").client { base_url = http_url }
  client:wait_all({ id "queued", id "never" }, print)
  for _ = 1, 3 do uv.run "nowait" end
  start(client)
end

local kept = { finalised(use) }
_G.kept = kept
for _, name in ipairs(modules) do kept[#kept + 1] = MAKERS[name]() or name end

if how == "exit" then os.exit(0, true) end
if how == "error" then error("mine", 0) end
if how == "inside" then
  local controller = require("cqueues").new()
  local client = require("sora.cqueues").client { base_url = http_url }
  for _ = 1, 3 do controller:wrap(function() client:query(id "never") end) end
  controller:wrap(function()
    start(client)
    os.exit(0, true)
  end)
  assert(controller:loop())
end

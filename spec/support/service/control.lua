-- The control port: plain HTTP, answers in JSON. service.lua lists what it understands.

local bad_tls = require "spec.support.service.bad_tls"
local http_util = require "http.util"
local json = require "spec.support.service.json"
local listening = require "spec.support.service.listening"
local reply = require "spec.support.service.reply"
local server = require "spec.support.service.server"
local text = require "spec.support.service.text"

local M = {}

local OK = '{"ok":true}'
local WAIT = 10

local routes = {}

local function body_of(x)
  local value = json.decode(x.stream:get_body_as_string(WAIT) or "")
  if type(value) ~= "table" then
    return nil, "the body is not a JSON array or object"
  end
  return value
end

local function seconds_of(x)
  return tonumber(text.query(x.path, "seconds")) or 1
end

routes["PUT /control/script"] = function(x)
  local list, why = body_of(x)
  if not list then
    return nil, why
  elseif not x.id then
    return nil, "id is missing"
  end
  return x.service.scripts:set(x.id, list)
end

routes["PUT /control/scripts"] = function(x)
  local map, why = body_of(x)
  if not map then
    return nil, why
  end
  for id, list in pairs(map) do
    local ok, bad = x.service.scripts:set(id, list)
    if not ok then
      return nil, bad
    end
  end
  return true
end

routes["PUT /control/noise"] = function(x)
  local noise, why = body_of(x)
  if not noise then
    return nil, why
  end
  return x.service.scripts:disturb(noise.rate and noise)
end

routes["GET /control/log"] = function(x)
  local entries = x.service.journal:log { id = x.id, port = text.query(x.path, "port"),
    since = text.query(x.path, "since") }
  return #entries == 0 and "[]" or json.encode(entries)
end

routes["GET /control/created"] = function(x)
  local created = x.service.created
  return #created == 0 and "[]" or json.encode(created)
end

routes["GET /control/stats"] = function(x)
  return json.encode(x.service.journal:stats())
end

routes["POST /control/reset"] = function(x)
  x.service.scripts:reset(x.id)
  if not x.id then
    x.service.journal:reset()
    x.service.video_counts = {}
    x.service.created = {}
  end
  return true
end

routes["POST /control/drop"] = function(x)
  listening.drop_connections(x.service)
  return true
end

routes["POST /control/outage"] = function(x)
  listening.outage(x.service, seconds_of(x))
  return true
end

routes["POST /control/blackhole"] = function(x)
  local port, sockets = bad_tls.blackhole()
  table.insert(x.service.kept, sockets)
  return json.encode { url = string.format("https://127.0.0.1:%d", port) }
end

routes["POST /control/stop"] = function(x)
  x.service.stopping = true
  return true
end

local function handle(service, stream)
  local headers = stream:get_headers(WAIT)
  if not headers then
    return
  end
  local path = headers:get(":path")
  local x = { service = service, stream = stream, path = path, method = headers:get(":method"),
    id = text.query(path, "id"), entry = {} }
  local action = routes[x.method .. " " .. path:match("^[^?]*")]
  if not action then
    return reply.send(x, { status = 404, body = '{"error":"no such control"}' })
  end
  local result, why = action(x)
  if not result then
    return reply.send(x, { status = 400, body = json.encode { error = why } })
  end
  reply.send(x, { body = result == true and OK or result })
end

--- Opens the control port.
---@param service table
---@return table listener
function M.open(service)
  return server.http(service, "control", { onstream = function(_, stream)
    local ok, why = http_util.yieldable_pcall(handle, service, stream)
    if not ok then
      service.complain("control: " .. tostring(why))
      reply.send({ stream = stream, entry = {} },
        { status = 500, body = json.encode { error = tostring(why) } })
    end
  end })
end

return M

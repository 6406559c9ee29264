-- What happens to a request: routing, script, modifiers, answer.

local cqueues = require "cqueues"
local creating = require "spec.support.service.creating"
local faults = require "spec.support.service.faults"
local http_server = require "http.server"
local http_util = require "http.util"
local listening = require "spec.support.service.listening"
local reply = require "spec.support.service.reply"
local scripts = require "spec.support.service.scripts"
local sock = require "spec.support.service.socket"
local text = require "spec.support.service.text"
local videos = require "spec.support.service.videos"

local M = {}

-- Requests -----------------------------------------------------------------------------------

--- What a step answers, as its parameters want it.
local function answer_step(x, step)
  x.entry.step = step.name
  local parameters = step.parameters
  if parameters.delay then
    cqueues.sleep(tonumber(parameters.delay))
  end
  local key = parameters.key
  if key and x.headers:get("authorization") ~= "Bearer " .. key then
    return scripts.steps["401"](x, {})
  end
  local answer = scripts.steps[step.name](x, parameters)
  return answer and faults.modify(answer, parameters)
end

local function answer_query(x)
  if not x.id or x.id == "" then
    return { status = 400,
      body = '{"error":{"message":"id is required","type":"invalid_request_error","code":""}}' }
  end
  return answer_step(x, x.service.scripts:next(x))
end

--- The relay's own copy of a video, where the id says how it is served: content=QUERY.
local function content(x, id)
  x.id = text.percent_decode(id)
  x.entry.id = x.id
  local query = x.id:match("content=([^;,~]*)")
  if not query then
    return faults.web_ui()
  end
  x.path = "/video?" .. query
  return videos.answer(x)
end

local function route(x)
  local target = x.path:match("^[^?]*")
  local id = target:match("/v1/videos/([^/]+)/content$")
  if id then
    return content(x, id)
  end
  if x.port == "cdn" or target:find("^/assets") or target:find("^/video") then
    return videos.answer(x)
  elseif target:find("/v1/video/query$") then
    return answer_query(x)
  end
  local other = creating.route(x)
  if other then return answer_step(x, creating.begin(x, other)) end
  return faults.web_ui()
end

local function exchange(service, port, stream, headers)
  local path = headers:get(":path") or ""
  local x = {
    service = service,
    port = port,
    stream = stream,
    headers = headers,
    version = stream.connection.version == 2 and "2" or "1.1",
    method = headers:get(":method"),
    path = path,
    id = text.query(path, "id"),
  }
  local video_id = path:match("^/assets%%2F(.-)%%2Fsrc%.mp4")
  if video_id then
    x.id = text.percent_decode(video_id)
  end
  x.entry = service.journal:begin(x)
  return x
end

-- A late frame of a stream that is over and collected makes lua-http hand out a closed one and
-- wait for ever for its end. This tells it that the connection has nothing to do.
local function settle(connection)
  if connection.n_active_streams == 0 then
    connection:onidle()(connection)
  end
end

-- lua-http reads for ever at what is left of a body that its client has cut short.
local function end_cut_body(x)
  local stream = x.stream
  if x.version == "2" or not stream.connection.socket or stream.body_read_type ~= "length" then
    return
  end
  local chunk, why
  repeat
    chunk, why = stream:get_next_chunk(0)
  until not chunk
  if not why and stream.body_read_left > 0 then
    sock.take(x):close()
  end
end

local function onstream(service, port, stream)
  local headers = stream:get_headers(60)
  if not headers then
    settle(stream.connection)
    return
  end
  local x = exchange(service, port, stream, headers)
  local ok, why = http_util.yieldable_pcall(function()
    local answer = route(x)
    if answer then
      reply.send(x, answer)
    end
  end)
  service.journal:finish(x.entry)
  end_cut_body(x)
  if x.version == "2" then
    stream:shutdown()
    sock.abandon(stream)
  end
  -- A client that ends the connection in the midst of an answer is within its rights.
  if not ok and not tostring(why):find("(socket closed)", 1, true) then
    service.complain(string.format("%s %s: %s", tostring(x.method), x.path, tostring(why)))
  end
end

-- HTTP ---------------------------------------------------------------------------------------

--- Listens for HTTP.
---@param service table
---@param name string  of the port, as the log shows it
---@param options table  context: TLS, nil for plain; version: 1.1, 2 or nil for both;
---  onstream: nil for the relay and the CDN
---@return table listener
function M.http(service, name, options)
  local server = http_server.new {
    cq = service.cq,
    tls = options.context ~= nil,
    ctx = options.context,
    version = options.version,
    connection_setup_timeout = 60,
    intra_stream_timeout = service.options.idle_timeout,
    onstream = options.onstream or function(_, stream)
      onstream(service, name, stream)
    end,
    onerror = function(_, context, op, why)
      if op == "onstream" then
        service.complain(string.format("%s: %s: %s", name, tostring(context), tostring(why)))
      end
    end,
  }
  service.servers[name] = server
  return listening.listen(service, name, function(client)
    server:add_socket(client)
  end)
end

return M

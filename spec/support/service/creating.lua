-- What a relay does beside answering queries: it makes tasks, and other functions of the family.
--
-- What answers a request here is the script of its path, such as /v1/video/create (PUT
-- /control/script?id=PATH), one step for each request; without one it is `made`. A step that is
-- a fault (faults.lua, wire.lua) makes a task too, before it answers, unless it is one by which
-- services say that they made nothing, or has the parameter `made=no`: what is counted is what
-- would be billed.

local json = require "spec.support.service.json"
local texts = require "spec.support.service.text"

local M = { steps = {} }
local steps = M.steps

local PATIENCE = 20 -- seconds for the body of a request

-- Bodies -------------------------------------------------------------------------------------

--- The parts of a form: list of name, filename, type, size, body (of a field).
local function parts_of(body, boundary)
  local parts, delimiter = {}, "\r\n--" .. boundary
  body = "\r\n" .. body -- the first delimiter has no line in front of it
  local at, behind = body:find(delimiter, 1, true)
  while at and body:sub(behind + 1, behind + 2) ~= "--" do
    local stop, after = body:find(delimiter, behind + 1, true)
    local part = body:sub(behind + 3, (stop or 0) - 1)
    local head, content = part:match("^(.-)\r\n\r\n(.*)$")
    head = head or ""
    local filename = head:match('filename="([^"]*)"')
    parts[#parts + 1] = {
      name = head:match('[; ]name="([^"]*)"'), filename = filename,
      type = head:match("[Cc]ontent%-[Tt]ype: ([^\r\n]+)"), size = content and #content or 0,
      body = not filename and content or nil,
    }
    at, behind = stop, after
  end
  return parts
end

--- What came with a request: its text, or the parts of a form.
local function read_body(x)
  local text = x.stream:get_body_as_string(PATIENCE) or ""
  local boundary = (x.headers:get("content-type") or ""):match('boundary="?([^";]+)')
  if boundary then
    return { parts = parts_of(text, boundary), fields = {} }
  end
  return { text = text, fields = json.decode(text) or {} }
end

-- Tasks --------------------------------------------------------------------------------------

--- Steps by which a service says that it has made nothing.
local function makes_nothing(step)
  if step.parameters.made == "no" then return true end
  if step.name == "rst_stream" and (step.parameters.code or "7") == "7" then return true end
  if step.name == "no_channel" then return true end
  local status = tonumber(step.name)
  return status ~= nil and (status < 500 or (status == 503 and step.parameters.retry_after ~= nil))
end

local function value_of(content, name)
  if content.fields[name] ~= nil then return content.fields[name] end
  for _, part in ipairs(content.parts or {}) do
    if part.name == name then return part.body end
  end
end

--- Makes a task and notes it. Its life is what the prompt says behind "script:", such as "a cat
--- script:queued,completed", or the script of the id "new tasks", or the step `life`.
local function make_task(x, content)
  local service = x.service
  local created = service.created
  local model = tostring(value_of(content, "model") or "sora-2")
  local task = ("task_01k%010d"):format(#created + 1)
  local id = model .. ":" .. task
  local script = tostring(value_of(content, "prompt") or ""):match("script:(%S+)")
  assert(service.scripts:set(id, texts.split(script or "life", ",")))
  local common = service.scripts.states["new tasks"]
  if common and not script then service.scripts.states[id].script = common.script end
  local made = { id = id, task = task, model = model, path = x.path, method = x.method,
    key = x.headers:get("idempotency-key"), body = content.text, parts = content.parts }
  created[#created + 1] = made
  return made
end

-- Steps --------------------------------------------------------------------------------------

local SHAPES = {
  id = '{"id":"$ID","status":"pending","status_update_time":1759763600042}',
  task_id = '{"task_id":"$ID","status":"queued"}',
  data_task_id = '{"code":"success","message":"","data":{"task_id":"$ID"}}',
  data_string = '{"code":"success","message":"","data":"$ID"}',
  request_id = '{"request_id":"$ID"}',
  both = '{"request_id":"req-1","id":"$ID","status":"processing"}',
  openai = '{"id":"$ID","object":"video","model":"$MODEL","status":"queued","progress":0,'
    .. '"created_at":1761622232}',
  none = '{"code":"success","message":"","data":null}',
}

--- The task that was made. as: the shape of the answer; bare: its id without the model in front
function steps.made(x, parameters)
  local made = x.made
  local values = { ID = parameters.bare and made.task or made.id, MODEL = made.model }
  return { body = (SHAPES[parameters.as or "id"]:gsub("%$(%u+)", values)) }
end

--- 503: nobody is there who could make it.
function steps.no_channel()
  return { status = 503, body = '{"error":{"message":"No available channel for model sora-2 under '
    .. 'group default (distributor) (request id: 2025)","type":"new_api_error",'
    .. '"code":"model_not_found"}}' }
end

--- Says what came: method, path, query, fields or parts, and the headers that matter.
function steps.echo(x)
  local content = x.content
  return { body = json.encode {
    method = x.method, path = x.path, text = content.text, parts = content.parts,
    type = x.headers:get("content-type"), key = x.headers:get("idempotency-key"),
    expect = x.headers:get("expect"), authorization = x.headers:get("authorization") ~= nil,
  } }
end

-- Quota, in the two forms of the family.
function steps.usage_token()
  return { body = '{"code":true,"message":"ok","data":{"object":"token_usage","name":"key",'
    .. '"total_granted":1000000,"total_used":12345,"total_available":987655,"expires_at":0}}' }
end

function steps.subscription()
  return { body = '{"object":"billing_subscription","has_payment_method":true,'
    .. '"hard_limit_usd":100,"soft_limit_usd":100,"system_hard_limit_usd":100,"access_until":0}' }
end

function steps.usage()
  return { body = '{"object":"list","total_usage":123.45}' }
end

function steps.character(x)
  return { body = ('{"id":"ch_%d","username":"cat.%d","permalink":"https://sora.example/cat"}')
    :format(#x.service.created, #x.service.created) }
end

function steps.uploaded(x)
  local part = {}
  for _, one in ipairs(x.content.parts or {}) do
    if one.filename then part = one end
  end
  return { body = json.encode { id = "file_1", filename = part.filename, bytes = part.size,
    url = "https://cdn.example/" .. (part.filename or "") } }
end

function steps.deleted()
  return { status = 204, type = "", body = "" }
end

-- Routes -------------------------------------------------------------------------------------

--- Method and path -> the step without a script, and whether it makes a task.
local ROUTES = {
  { "POST", "/v1/[^/]+/create$", "made", true },
  { "POST", "/v1/videos$", "made", true },
  { "POST", "/v1/videos/[^/]+/remix$", "made", true },
  { "POST", "/v1/video/extend$", "made", true },
  { "POST", "/v1/video/storyboard$", "made", true },
  { "POST", "/sora/v1/characters$", "character", false },
  { "POST", "/v1/files$", "uploaded", false },
  { "GET", "/api/usage/token/?$", "usage_token", false },
  { "GET", "/v1/dashboard/billing/subscription$", "subscription", false },
  { "GET", "/v1/dashboard/billing/usage$", "usage", false },
  { "DELETE", "/v1/videos/[^/]+$", "deleted", false },
  { "%u+", "/echo$", "echo", false },
}

--- The route of a request, or nil.
---@param x table  the exchange
---@return table?
function M.route(x)
  local target = x.path:match("^[^?]*")
  for _, route in ipairs(ROUTES) do
    if (x.method or ""):find("^" .. route[1] .. "$") and target:find(route[2]) then
      return route
    end
  end
end

--- Reads the body and chooses the step. Sets x.content, x.made and x.id, which is the path: the key
--- of the script.
---@param x table  the exchange
---@param route table
---@return table step  name, parameters
function M.begin(x, route)
  x.content = read_body(x)
  x.entry.body = x.content.text
  x.entry.parts = x.content.parts
  x.id = x.path:match("^[^?]*")
  x.entry.id = x.id
  local step = x.service.scripts:next_or(x, route[3])
  if route[4] and not makes_nothing(step) then
    x.made = make_task(x, x.content)
  end
  return step
end

return M

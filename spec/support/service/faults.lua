-- Steps that answer with an error over sound HTTP. Broken HTTP is in wire.lua.
-- A step is function(exchange, parameters) -> answer.

local reply = require "spec.support.service.reply"

local M = { steps = {} }
local steps = M.steps

local PAGE = [[<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>%s</title></head>
<body><h1>%s</h1><p>%s</p><div id="root"></div></body>
</html>
]]

local function page(title, text)
  return { type = "text/html; charset=utf-8", body = PAGE:format(title, title, text or "") }
end

local function json_error(message, kind, code)
  return { body = ('{"error":{"message":"%s","type":"%s","param":"","code":%s}}'):format(
    message, kind, code or '""') }
end

--- What a relay's web UI answers to any path it does not know.
---@return table answer
function M.web_ui()
  return page("New API", "You need to enable JavaScript to run this app.")
end

local BODIES = {
  json = function(status)
    local message = ("upstream error: status code %d (request id: 20251120151530)"):format(status)
    return json_error(message, "new_api_error", '"do_request_failed"')
  end,
  html = function(status)
    return page(("%d Error"):format(status), "cloudflare")
  end,
  empty = function()
    return { type = "", body = "" }
  end,
  text = function()
    return { type = "text/plain", body = "upstream request failed" }
  end,
}

-- What each status says when the step names no body.
local TYPICAL = {
  [400] = function()
    return { body = '{"code":"task_not_exist","message":"task_not_exist","data":null}' }
  end,
  [401] = function()
    return json_error("无效的令牌 (request id: 20251120151530)", "new_api_error")
  end,
  [403] = function()
    return json_error("用户额度不足, 剩余额度: ¥0.00", "new_api_error", '"insufficient_user_quota"')
  end,
  [404] = function()
    return json_error("Invalid URL (GET /v1/video/query)", "invalid_request_error")
  end,
  [429] = BODIES.empty,
}

local function status_step(status)
  return function(_, parameters)
    local body = BODIES[parameters.body] or TYPICAL[status]
      or (status >= 520 and BODIES.html or BODIES.json)
    local answer = body(status)
    answer.status = status
    return answer
  end
end

for status = 400, 599 do
  steps[string.format("%d", status)] = status_step(status)
end

steps["204"] = function()
  return { status = 204, type = "", body = "" }
end

steps.task_not_exist = steps["400"]

--- A CDN's challenge: 403 and a page.
function steps.challenge()
  local answer = page("Just a moment...", "Checking your browser")
  answer.status = 403
  return answer
end

steps.web_ui = M.web_ui

local function body_step(name, body, kind)
  steps[name] = function()
    return { body = body, type = kind }
  end
end

-- 200 with an error inside.
body_step("error_object", [[{"error":{"message":"upstream busy","type":"api","code":"busy"}}]])
body_step("error_code_empty", [[{"error":{"message":"upstream busy","type":"","code":""}}]])
body_step("error_code_null", [[{"error":{"message":"upstream busy","type":null,"code":null}}]])
body_step("error_code_number", [[{"error":{"message":"upstream busy","code":1013}}]])
body_step("error_string", [[{"error":"upstream busy"}]])
body_step("not_exist_200", [[{"code":"task_not_exist","message":"task_not_exist","data":null}]])
body_step("success_false", [[{"success":false,"message":"upstream busy"}]])
body_step("no_data", [[{"code":"success","message":"","data":null}]])
body_step("code_msg", [[{"code":2001,"msg":"upstream busy"}]])
body_step("detail_string", [[{"detail":"upstream busy"}]])

-- 200 that is no JSON, or not the JSON one expects.
body_step("empty", "")
body_step("not_json", "upstream connect error or disconnect/reset before headers")
body_step("truncated", [[{"id":"sora-2:task_x","status":"pending","detail":{"pending_in]])
body_step("bad_utf8", '{"id":"x","status":"pending","detail":{"prompt":"\255\254"}}')
body_step("bom", "\239\187\191" .. [[{"id":"x","status":"pending"}]])
body_step("array", [[[{"id":"x","status":"pending"}] ]])
body_step("null", "null")
body_step("string", [["pending"]])
body_step("json_as_text", [[{"id":"x","status":"pending"}]], "text/plain")
body_step("json_as_html", [[{"id":"x","status":"pending"}]], "text/html")

--- levels: how deep the arrays nest, default 1,000
function steps.deep(_, parameters)
  local levels = tonumber(parameters.levels) or 1000
  return { body = ('{"id":"x","status":"pending","detail":%s%s}'):format(
    ("["):rep(levels), ("]"):rep(levels)) }
end

--- A sound pending task with a long prompt. size: of the body in bytes, default 1 MiB
function steps.big(_, parameters)
  local head, tail = [[{"id":"x","status":"pending","prompt":"]], [["}]]
  local size = tonumber(parameters.size) or 1048576
  return { body = head .. ("p"):rep(size - #head - #tail) .. tail }
end

local TARGETS = {
  host = function(x)
    return x.service.urls.cdn_url .. x.path
  end,
  http = function(x)
    return x.service.urls.http_url .. x.path
  end,
  file = function()
    return "file:///etc/hostname"
  end,
  loop = function(x)
    return x.path
  end,
  none = function()
    return nil
  end,
}

--- status: 301, 302 (default), 303, 307, 308; to: host (another one), http, file, loop,
--- none (no Location at all) or a URL of its own
function steps.redirect(x, parameters)
  local to = parameters.to or "host"
  local location = to
  if TARGETS[to] then
    location = TARGETS[to](x)
  end
  local answer = page("Moved")
  answer.status = tonumber(parameters.status) or 302
  answer.headers = location and { { "location", location } } or {}
  return answer
end

-- Modifiers ----------------------------------------------------------------------------------

local REQUEST_ID = {
  oneapi = "x-oneapi-request-id",
  x = "x-request-id",
  cf = "cf-ray",
}

local function retry_after(value)
  local offset = value:match("^date:([+-]?%d+)$")
  return offset and reply.date(tonumber(offset)) or value
end

--- Applies to an answer the parameters that every step has: status, retry_after (seconds,
--- date:SECONDS, or any text), request_id (oneapi, x, cf, or several with +), header
--- ("Name: value"), type, gzip, chunked.
---@param answer table
---@param parameters table
---@return table answer  the same one
function M.modify(answer, parameters)
  local headers = answer.headers or {}
  answer.headers = headers
  answer.status = tonumber(parameters.status) or answer.status
  answer.type = parameters.type or answer.type
  answer.gzip = parameters.gzip and true
  answer.chunked = parameters.chunked and true
  if parameters.retry_after then
    headers[#headers + 1] = { "retry-after", retry_after(tostring(parameters.retry_after)) }
  end
  for kind in tostring(parameters.request_id or ""):gmatch("[^+]+") do
    headers[#headers + 1] = { REQUEST_ID[kind], kind .. "-20251120151530" }
  end
  if parameters.header then
    headers[#headers + 1] = { parameters.header:match("^([^:]+):%s*(.*)$") }
  end
  return answer
end

return M

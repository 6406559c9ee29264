--- Webhooks: whether a request that says it is from the service is, by the scheme of Standard
-- Webhooks (github.com/standard-webhooks/standard-webhooks, "spec/standard-webhooks.md"), which is
-- OpenAI's as well: HMAC-SHA256 over id, time and body, with a secret that both know.

local core = require "sora.core"
local urls = require "sora.answers.urls"

local M = {}

local WINDOW = 300 -- seconds by which its time may differ from ours
local PREFIX = "whsec_"

--- The level of error(), in `verify`, at which the program stands: above it is module.lua's
-- function.
local CALLER = 3

--- Raises misuse there. `depth`: how many functions are between `verify` and the one that calls
-- this.
local function bad(position, what, depth)
  error(("bad argument #%d to 'verify_webhook' (%s)"):format(position, what), CALLER + 1 + depth)
end

local function failed(format, ...)
  return nil, core.error { kind = "api", message = ("webhook: " .. format):format(...) }
end

--- The bytes of a secret, which is base64 behind a prefix.
local function key_of(secret)
  if type(secret) ~= "string" then bad(3, "secret expected, got " .. type(secret), 2) end
  local digits = secret:sub(1, #PREFIX) == PREFIX and secret:sub(#PREFIX + 1) or secret
  local key = urls.base64(digits)
  if not key or key == "" then bad(3, "secret expected: whsec_ and base64", 2) end
  return key
end

local function keys_of(secret)
  local secrets, keys = type(secret) == "table" and secret or { secret }, {}
  for i = 1, #secrets do keys[i] = key_of(secrets[i]) end
  if not keys[1] then bad(3, "secret expected, got an empty list", 1) end
  return keys
end

--- The value of a header, whatever the case of its name; a list where it came more than once. A
-- framework's own headers may be found by their method `get` alone (lua-http).
local function header(headers, name)
  for key, value in pairs(headers) do
    if type(key) == "string" and key:lower() == name and type(value) ~= "function" then
      return value
    end
  end
  return type(headers.get) == "function" and headers:get(name) or nil
end

--- The one value of a header.
---@return string? value
---@return sora.error? err
local function only(headers, name)
  local value = header(headers, name)
  if type(value) == "string" and value ~= "" then return value end
  if value == nil or value == "" then return failed("the header '%s' is missing", name) end
  return failed("the header '%s' came more than once", name)
end

--- Whether one of the signatures ("v1,base64 v1,base64 …": several while a secret is changed) is
-- that of the content by one of the keys. Other versions are other schemes.
local function is_signed(signatures, content, keys)
  for signature in signatures:gmatch "%f[^%s%z]v1,([^%s]+)" do
    local mac = urls.base64(signature)
    for i = 1, #keys do
      if mac and core.mac_matches(keys[i], content, mac) then return true end
    end
  end
  return false
end

--- sora.verify_webhook(body, headers, secret).
---@param body string  as it came, byte for byte
---@param headers table
---@param secret string|string[]
---@param now number  seconds since 1970
---@return table? event
---@return sora.error? err
function M.verify(body, headers, secret, now)
  if type(body) ~= "string" then bad(1, "body (a string) expected, got " .. type(body), 0) end
  if type(headers) ~= "table" then bad(2, "table of headers expected, got " .. type(headers), 0) end
  local keys = keys_of(secret)
  if not core.mac_matches then
    error("verify_webhook: this build of sora found neither OpenSSL nor GnuTLS", CALLER)
  end
  local id, err = only(headers, "webhook-id")
  if not id then return nil, err end
  local time
  time, err = only(headers, "webhook-timestamp")
  if not time then return nil, err end
  local signatures
  signatures, err = only(headers, "webhook-signature")
  if not signatures then return nil, err end
  local seconds = time:find "^%d+$" and #time <= 15 and tonumber(time)
  if not seconds then return failed "the header 'webhook-timestamp' is no time" end
  if not is_signed(signatures, ("%s.%s.%s"):format(id, time, body), keys) then
    return failed "no signature matches"
  end
  if math.abs(now - seconds) > WINDOW then
    return failed("its time differs from ours by %d seconds, more than %d",
      math.abs(now - seconds), WINDOW)
  end
  local event, wrong = core.decode(body)
  if wrong then return failed("the body is no JSON: %s", wrong.message) end
  if type(event) ~= "table" then return failed "the body is no JSON object" end
  return event
end

return M

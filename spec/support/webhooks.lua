-- Webhooks as a service sends them (Standard Webhooks), signed by the openssl program.

local shell = require "spec.support.shell"

local M = { SECRET = "whsec_a2V5LW9mLTI0LWJ5dGVzLW9yLXNv", KEY = "key-of-24-bytes-or-so" }

local function hexadecimal(text)
  return (text:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

--- The signature of a request.
---@param id string
---@param time integer
---@param body string
---@param key string  the bytes that the secret is the base64 of
---@return string
function M.sign(id, time, body, key)
  local command = ("printf %%s %s | openssl dgst -sha256 -mac HMAC -macopt hexkey:%s -binary "
    .. "| base64"):format(shell.quote(("%s.%d.%s"):format(id, time, body)), hexadecimal(key))
  return "v1," .. shell.output_of(command)
end

--- The options of curl that send such a request, with M.SECRET.
---@param body string
---@return string
function M.options(body)
  local time = os.time()
  return ("-X POST -H 'webhook-id: msg_1' -H 'webhook-timestamp: %d' -H %s --data-binary %s")
    :format(time, shell.quote("webhook-signature: " .. M.sign("msg_1", time, body, M.KEY)),
    shell.quote(body))
end

return M

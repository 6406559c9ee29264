-- Clients of the shared stand-in service, and what holds after each test that had one.

local luassert = require "luassert"
local sora = require "sora"
local standin = require "spec.support.standin"

local M = {}

local service = standin.shared()

local function with(opts, defaults)
  for name, value in pairs(opts or {}) do defaults[name] = value end
  return defaults
end

--- Makes a client that trusts the service.
---@param opts table?  its options
---@param module table?  whose client it is, sora by default
---@return sora.client
function M.new(opts, module)
  return (module or sora).client(with(opts, {
    base_url = service.base_url, ca_file = service.ca_file, api_key = "sk-spec",
  }))
end

--- Closes a client. Nothing may be in flight any more, and the service has nothing to complain of.
---@param client sora.client
function M.finish(client)
  local left = client:stats().in_flight
  client:close()
  luassert.equal(0, left, "requests left in flight")
  luassert.equal("", service:complaints())
end

--- Options of a wait that is over soon.
---@param opts table?  further options
---@return table
function M.quick(opts)
  return with(opts, { interval = 0.02, max_interval = 0.05, timeout = 20 })
end

return M

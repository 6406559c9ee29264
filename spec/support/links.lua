--- Connections to Redis of the specs, closed after each.

local connection = require "sora.fleet.connection"
local inboxes = require "sora.hosts.inbox"
local luassert = require "luassert"

local M = {}

local open = {}

---@param url string
---@param opts table?  further options
---@return sora.fleet.connection
function M.connect(url, opts)
  opts = opts or {}
  opts.redis = url
  local conn = connection.new(opts)
  open[#open + 1] = conn
  return conn
end

--- Closes all that were made.
function M.close()
  for _, conn in ipairs(open) do conn:close() end
  open = {}
end

--- The result of the next one of several calls that are in flight; inboxes.result is for one.
function M.result(inbox)
  local call = inboxes.take(inbox)
  while not call do
    inbox.driver.park(inbox)
    call = inboxes.take(inbox)
  end
  return call:result()
end

--- Returns the error of a command that has to fail with that kind.
function M.failed(kind, value, err)
  luassert.is_nil(value)
  luassert.are.equal(kind, err and err.kind, tostring(err))
  return err
end

return M

--- Which libcurl the specs run with: its versions differ in what they can do.

local sora = require "sora"

local M = {}

--- Whether it is older than a version.
---@param major integer
---@param minor integer
---@return boolean
function M.is_before(major, minor)
  local its_major, its_minor = sora.versions.libcurl:match "^(%d+)%.(%d+)"
  return tonumber(its_major) * 1000 + tonumber(its_minor) < major * 1000 + minor
end

return M

--- The memory of processes, as the system counts it.

local files = require "spec.support.files"

local M = {}

local function read(pid, name)
  local status = files.read(("/proc/%s/status"):format(pid or "self")) or ""
  return tonumber(status:match(name .. ":%s+(%d+)"))
end

--- What is resident now.
---@param pid integer?  this process by default
---@return integer? kib  nil where the system does not tell
function M.resident(pid) return read(pid, "VmRSS") end

--- The most that was resident at one time.
---@param pid integer?  this process by default
---@return integer? kib
function M.most_resident(pid) return read(pid, "VmHWM") end

return M

--- `sora wait`

local follow = require "sora.command.follow"
local service = require "sora.command.service"

local M = {}

---@param run sora.run
---@return integer code
function M.run(run)
  local ids = service.ids(run.words)
  run.resume = "the tasks go on at the service; the same command goes on waiting"
    .. (run.journal and " for those that are left" or " (with --journal for those that are left)")
  return follow.follow(run, ids)
end

return M

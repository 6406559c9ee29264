--- `sora help`

local exits = require "sora.command.exits"
local lines = require "sora.command.line"
local pages = require "sora.command.pages"

local M = {}

---@param run sora.run
---@return integer code
function M.run(run)
  local page = run.words[1] and pages.command(lines.command(run.words)) or pages.overview()
  io.stdout:write(page)
  return exits.OK
end

return M

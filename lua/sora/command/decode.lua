--- `sora decode`

local sora = require "sora"
local exits = require "sora.command.exits"
local files = require "sora.command.files"

local M = {}

---@param run sora.run
---@return integer code
function M.run(run)
  local value, err = sora.decode(files.read(run.words[1]), { null = sora.null })
  if err then
    io.stderr:write(tostring(err), "\n")
    return exits.of(err)
  end
  io.stdout:write(assert(sora.encode(value, { indent = run.options.json and 0 or 2 })), "\n")
  return exits.OK
end

return M

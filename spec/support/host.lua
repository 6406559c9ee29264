-- What a host of sora has for the Lua that runs the specs: not every library is packaged for each.

local M = {}

--- The reason to skip what needs some modules.
---@vararg string  their names
---@return string? line  such as "there is no luv for Lua 5.5"; nil where all are there
function M.lacks(...)
  for _, name in ipairs { ... } do
    if not pcall(require, name) then return ("there is no %s for %s"):format(name, _VERSION) end
  end
end

return M

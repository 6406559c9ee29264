-- The helpers of the specs that are written in C.

local shell = require "spec.support.shell"

local M = {}

--- Builds them as the module under test is built.
---@return string folder  where they are, such as "build/lua5.4/support/"
function M.build()
  local said = shell.output_of(("make -s LUA=%s support"):format(shell.NAME))
  return said:match "([^\n]+/)$" or error("the helpers cannot be built: " .. said, 2)
end

--- Loads one of them that is a Lua module.
---@param name string
---@return any
function M.load(name)
  return assert(package.loadlib(M.build() .. name .. ".so", "luaopen_" .. name))()
end

return M

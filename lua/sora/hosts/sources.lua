--- An installed Lua file, found as `require` would find it, to be read.

local M = {}

---@param name string  of the module, such as "sora.reference.api"
---@return file*?  open for reading; nil where it is not installed
---@return string? path
function M.open(name)
  local file = name:gsub("%.", package.config:sub(1, 1))
  for template in package.path:gmatch "[^;]+" do
    local path = template:gsub("?", (file:gsub("%%", "%%%%")))
    local handle = io.open(path)
    if handle then return handle, path end
  end
end

return M

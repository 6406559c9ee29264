-- Whole files, and folders for a while.

local shell = require "spec.support.shell"

local M = {}

--- What is in a file.
---@param name string
---@return string? bytes  nil where it cannot be opened
---@return string? message
function M.read(name)
  local file, message = io.open(name, "rb")
  if not file then return nil, message end
  local bytes = file:read "*a"
  file:close()
  return bytes
end

--- Makes a file, or replaces what is in it.
---@param name string
---@param bytes string
function M.write(name, bytes)
  local file = assert(io.open(name, "wb"))
  file:write(bytes)
  file:close()
end

---@param name string
---@return boolean
function M.exists(name)
  local file = io.open(name)
  if file then file:close() end
  return file ~= nil
end

--- Makes an empty folder.
---@return string path
function M.folder() return shell.output_of "mktemp -d" end

--- Removes a file, or a folder and what is in it.
---@param path string
function M.remove(path) os.execute("rm -rf " .. shell.quote(path)) end

return M

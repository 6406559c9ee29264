--- Whole files, read for a command.

local exits = require "sora.command.exits"

local M = {}

--- What is in a file; the run ends where it cannot be read.
---@param path string?  nil: standard input
---@return string
function M.read(path)
  local file, message = io.stdin, nil
  if path then file, message = io.open(path, "rb") end
  local text
  if file then text, message = file:read "*a" end
  if path and file then file:close() end
  return text or exits.stop(exits.LASTING, "cannot read " .. tostring(message))
end

return M

-- Drives the interpreter's own prompt in a pseudo-terminal.

local shell = require "spec.support.shell"
local terminals = require "spec.support.terminal"

local M = {}

--- Starts one.
---@return table prompt  a terminal, and stop
function M.start()
  local prompt = terminals.start(shell.quote(shell.LUA) .. " -i", { env = { TERM = "dumb" } })
  prompt:await "> "

  --- Ends it, and returns all that was on the screen.
  function prompt:stop()
    self:type "os.exit(0)"
    return (self:wait())
  end

  return prompt
end

return M

--- Programs that setup.sh has unpacked into folders of build/: each needs the libraries beside it.

local files = require "spec.support.files"
local shell = require "spec.support.shell"

local M = {}

--- The folder of that name, whether or not it is there.
---@param name string  such as "redis"
---@return string path  absolute
function M.folder(name) return shell.output_of "pwd" .. "/build/" .. name end

--- What the shell's command line of such a program begins with.
---@param folder string
---@return string assignment  of a variable
function M.environment(folder)
  local libraries = shell.output_of(("ls -d %s/lib/*-linux-* %s/usr/lib/*-linux-* 2>/dev/null")
    :format(shell.quote(folder), shell.quote(folder)))
  return "LD_LIBRARY_PATH=" .. shell.quote((libraries:gsub("\n", ":")))
end

--- The command of a program: unpacked, or else the machine's own; nil where there is neither.
---@param folder string  such as "redis"
---@param program string  such as "redis-server"
---@return string? command  for the shell
function M.command(folder, program)
  local here = M.folder(folder)
  local path = here .. "/usr/bin/" .. program
  if files.exists(path) then
    return ("env %s %s"):format(M.environment(here), shell.quote(path))
  end
  local own = shell.output_of("command -v " .. program)
  return own ~= "" and own or nil
end

return M

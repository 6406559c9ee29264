--- Programs that setup.sh has unpacked into folders of build/: each needs the libraries beside it.

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

return M

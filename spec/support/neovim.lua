-- Runs Lua code in a Neovim without a screen, for specs.
--
--   local ended = neovim.run([[ say(vim.version().minor) finish() ]], { env = { ID = id } })
--   assert.are.equal("7\n", ended.out)
--
-- Of the user's files nothing is read or written: Neovim's folders are new and empty, and removed
-- again. The module under test is the one on this process's path, and its checkout is the current
-- folder. The code has `say(…)`, which writes a line to standard output, and `finish(code)`, which
-- quits.

local files = require "spec.support.files"
local program = require "spec.support.program"
local shell = require "spec.support.shell"

local M = {}

local PRELUDE = [[
  function say(...)
    for i = 1, select("#", ...) do
      io.stdout:write(i > 1 and "\t" or "", tostring((select(i, ...))))
    end
    io.stdout:write "\n"
    io.stdout:flush()
  end
  function finish(code)
    vim.schedule(function() vim.cmd(code and code ~= 0 and code .. "cquit!" or "qall!") end)
  end
  vim.defer_fn(function() say "the code has not come to its end" finish(9) end, 25000)
]]

--- Whether there is a Neovim.
---@return boolean
function M.found()
  return program.run("nvim --version").code == 0
end

--- Runs code to its end.
---@param code string
---@param options table|nil  env: table of variables
---@return table result  code, out, err
function M.run(code, options)
  options = options or {}
  local folder = files.folder()
  os.execute("mkdir " .. folder .. "/RUNTIME_DIR")
  files.write(folder .. "/code.lua", PRELUDE .. code)
  local env = { HOME = folder, NVIM_LOG_FILE = folder .. "/log" }
  for name in ("CONFIG_HOME DATA_HOME STATE_HOME CACHE_HOME RUNTIME_DIR"):gmatch "%S+" do
    env["XDG_" .. name] = folder .. "/" .. name
  end
  for name, value in pairs(options.env or {}) do env[name] = value end
  local command = "nvim --headless -u NONE -i NONE -n -c "
    .. shell.quote("luafile " .. folder .. "/code.lua")
  local result = program.run(command, { env = env })
  files.remove(folder)
  return result
end

return M

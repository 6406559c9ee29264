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
  vim.defer_fn(function() say "the code has not come to its end" finish(9) end,
    os.getenv "LIMIT" * 1000)
]]

local LIMIT = 25 -- seconds

--- Whether there is a Neovim.
---@return boolean
function M.found()
  return program.run("nvim --version").code == 0
end

--- Whether there is a Neovim of that version or a later one.
---@param version string
---@return boolean
function M.has(version)
  local code = ("echo has('nvim-%s')"):format(version)
  return program.run("nvim --headless -u NONE -i NONE -c " .. shell.quote(code) .. " -c qall").err
    :find "1" ~= nil
end

--- Runs code to its end.
---@param code string
---@param options table|nil  env: table of variables; shada: of a file, none by default; limit:
---   seconds that the code may take
---@return table result  code, out, err
function M.run(code, options)
  options = options or {}
  local folder = files.folder()
  os.execute("mkdir " .. folder .. "/RUNTIME_DIR")
  files.write(folder .. "/code.lua", PRELUDE .. code)
  local limit = options.limit or LIMIT
  local env = { HOME = folder, NVIM_LOG_FILE = folder .. "/log", LIMIT = tostring(limit) }
  for name in ("CONFIG_HOME DATA_HOME STATE_HOME CACHE_HOME RUNTIME_DIR"):gmatch "%S+" do
    env["XDG_" .. name] = folder .. "/" .. name
  end
  for name, value in pairs(options.env or {}) do env[name] = value end
  local command = ("nvim --headless -u NONE -i %s -n -c %s"):format(options.shada or "NONE",
    shell.quote("luafile " .. folder .. "/code.lua"))
  local result = program.run(command, { env = env, limit = limit + 5 })
  files.remove(folder)
  return result
end

return M

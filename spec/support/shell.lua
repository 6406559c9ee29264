-- Commands of the shell, for specs, benchmarks and what they start. program.lua runs those whose
-- end, errors or exit status matter.

local M = {}

local function interpreter()
  local place = 0
  while arg and arg[place - 1] do
    place = place - 1
  end
  return place < 0 and arg[place] or "lua"
end

--- The interpreter that runs this process.
M.LUA = interpreter()

--- What `make LUA=` calls that Lua, and its folder below build/.
M.NAME = rawget(_G, "jit") and "luajit" or _VERSION:lower():gsub(" ", "")

--- A word for the shell.
---@param text string
---@return string
function M.quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- What a command prints, without the blanks and line ends behind it.
---@param command string
---@return string
function M.output_of(command)
  local pipe = assert(io.popen(command))
  local output = pipe:read "*a"
  pipe:close()
  return (output:gsub("%s+$", ""))
end

return M

--- What --help prints, from the table of commands.

local sora = require "sora"
local commands = require "sora.command.commands"
local exits = require "sora.command.exits"

local M = {}

local WIDEST, NARROWEST = 80, 30 -- columns

local function columns()
  local terminal = sora.progress_bar({ stream = io.stdout }).columns()
  return math.max(NARROWEST, math.min(WIDEST, terminal or WIDEST))
end

--- Breaks a text into lines; the first begins with `first`, the others with as many blanks.
local function wrap(text, first)
  local lines, line, hang = {}, first, (" "):rep(#first)
  local most = columns()
  for word in text:gmatch "%S+" do
    local width = #line + #word - select(2, word:gsub("[\128-\191]", ""))
    if width > most and line:find "%S" then
      lines[#lines + 1] = line:match "^(.-)%s*$"
      line = hang
    end
    line = line .. word .. " "
  end
  lines[#lines + 1] = line:match "^(.-)%s*$"
  return table.concat(lines, "\n") .. "\n"
end

--- Rows of a name and a text: beside each other, or, where that is too narrow, below each other.
local function rows_of(list)
  local width, lines = 0, {}
  for _, row in ipairs(list) do width = math.max(width, #row[1]) end
  local beside = width + 4 <= columns() / 2
  for _, row in ipairs(list) do
    if beside then
      lines[#lines + 1] = wrap(row[2], "  " .. row[1] .. (" "):rep(width - #row[1] + 2))
    else
      lines[#lines + 1] = "  " .. row[1] .. "\n" .. wrap(row[2], "      ")
    end
  end
  return table.concat(lines)
end

local function options_of(command)
  local rows = {}
  for _, option in ipairs(command.options) do
    local value = option[2] and " " .. option[2] or ""
    rows[#rows + 1] = { "--" .. option[1] .. value, option[4] }
  end
  return rows_of(rows)
end

--- All commands in a line each.
---@return string
function M.overview()
  local rows = {}
  for _, command in ipairs(commands.list) do rows[#rows + 1] = { command.name, command.summary } end
  return wrap(commands.summary .. ".", "sora ") .. "\n" .. rows_of(rows) .. "\n"
    .. wrap("sora help COMMAND explains one of them; sora man | man -l - shows it all.", "") .. "\n"
    .. wrap("The key comes from $SORA_API_KEY or --key-file, the service from $SORA_BASE_URL.", "")
end

---@param command sora.command
---@return string
function M.command(command)
  local parts = {
    wrap(("sora %s [OPTION]… %s"):format(command.name, command.arguments), "Usage: "), "\n",
    wrap((command.summary:gsub("^%l", string.upper)) .. ".", ""), "\n",
  }
  for _, paragraph in ipairs(command.text) do parts[#parts + 1] = wrap(paragraph, "") .. "\n" end
  parts[#parts + 1] = options_of(command) .. "\nExample:\n  " .. command.example .. "\n"
  if #command.options > 2 then -- it asks the service: others only have --help, or --json besides
    local codes = {}
    for _, row in ipairs(exits.list) do codes[#codes + 1] = { tostring(row[1]), row[2] } end
    parts[#parts + 1] = "\nExit status:\n" .. rows_of(codes)
  end
  return table.concat(parts)
end

return M

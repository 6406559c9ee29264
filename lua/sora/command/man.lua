--- `sora man`: the manual page in roff (man(7)), from the table that --help goes by.

local sora = require "sora"
local commands = require "sora.command.commands"
local exits = require "sora.command.exits"

local M = {}

--- A text that roff prints as it is (groff_man(7), "Portability"): a line that begins with a dot or
-- a quote would be a request, and a plain - a hyphen.
local function plain(text)
  text = text:gsub("\\", "\\e"):gsub("%-", "\\-"):gsub("…", "..."):gsub("~", "\\(ti")
    :gsub("%^", "\\(ha"):gsub("'", "\\(aq"):gsub("`", "\\(ga")
  return (text:gsub("^%.", "\\&."))
end

local function bold(text) return "\\fB" .. plain(text) .. "\\fR" end

local function entry(lines, head, text)
  lines[#lines + 1] = ".TP\n" .. head .. "\n" .. plain(text)
end

local function option_head(option)
  local head = bold("--" .. option[1])
  return option[2] and head .. " \\fI" .. plain(option[2]) .. "\\fR" or head
end

local function command_section(lines, command)
  lines[#lines + 1] = ".SS " .. bold("sora " .. command.name) .. " " .. plain(command.arguments)
  lines[#lines + 1] = plain(command.summary:gsub("^%l", string.upper)) .. "."
  for _, paragraph in ipairs(command.text) do lines[#lines + 1] = ".PP\n" .. plain(paragraph) end
  for _, option in ipairs(command.options) do entry(lines, option_head(option), option[4]) end
  lines[#lines + 1] = ".PP\nExample:\n.PP\n.nf\n.RS\n" .. plain(command.example) .. "\n.RE\n.fi"
end

--- The page.
---@return string roff
function M.page()
  local lines = {
    ('.TH SORA 1 "" "%s" "User Commands"'):format(sora._VERSION),
    ".SH NAME\nsora \\- " .. plain(commands.summary),
    ".SH SYNOPSIS",
  }
  for _, command in ipairs(commands.list) do
    lines[#lines + 1] = (".B sora %s\n%s\n.br"):format(plain(command.name),
      plain(command.arguments ~= "" and "[OPTION]... " .. command.arguments or "[OPTION]..."))
  end
  lines[#lines + 1] = ".SH DESCRIPTION"
  for _, paragraph in ipairs(commands.text) do lines[#lines + 1] = ".PP\n" .. plain(paragraph) end
  lines[#lines + 1] = ".SH COMMANDS"
  for _, command in ipairs(commands.list) do command_section(lines, command) end
  lines[#lines + 1] = ".SH EXIT STATUS"
  for _, row in ipairs(exits.list) do entry(lines, bold(tostring(row[1])), row[2]) end
  lines[#lines + 1] = ".SH EVENTS\nWhat \\fB\\-\\-json\\fR prints, an object a line, by its field "
    .. "\\fIevent\\fR:"
  for _, row in ipairs(commands.events) do entry(lines, bold(row[1]), row[2]) end
  lines[#lines + 1] = ".SH ENVIRONMENT"
  for _, row in ipairs(commands.environment) do entry(lines, bold(row[1]), row[2]) end
  return table.concat(lines, "\n") .. "\n"
end

---@return integer code
function M.run()
  io.stdout:write(M.page())
  return exits.OK
end

return M

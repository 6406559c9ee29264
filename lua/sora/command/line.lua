--- The command line, read by the table of commands.

local commands = require "sora.command.commands"
local exits = require "sora.command.exits"

local M = {}

local function misuse(command, text)
  local name = command and " " .. command.name or ""
  exits.stop(exits.USAGE, ("%s\nTry: sora help%s"):format(text, name))
end

local function option_of(command, name)
  for _, option in ipairs(command.options) do
    if option[1] == name then return option end
  end
  if name:find "key" then
    misuse(command, "no option takes a key, which all users of this machine would see: "
      .. "set SORA_API_KEY, or give --key-file")
  end
  misuse(command, "unknown option --" .. name)
end

--- A number as people write it: not 0x10, nan or inf.
local function as_number(text)
  return text:find "^[%d.]+$" and tonumber(text) or 0
end

local function checked(command, option, value)
  local name, kind = option[1], option[3]
  if kind == "number" or kind == "count" then
    local number = as_number(value)
    if number <= 0 or kind == "count" and number % 1 ~= 0 then
      misuse(command, ("--%s needs a %snumber above 0"):format(name,
        kind == "count" and "whole " or ""))
    end
    return number
  end
  if value == "" then misuse(command, ("--%s needs a value"):format(name)) end
  return value
end

local function store(options, option, value)
  local name = option[1]
  if option[3] ~= "list" then
    options[name] = value
  else
    options[name] = options[name] or {}
    table.insert(options[name], value)
  end
end

local function check_words(command, words)
  if #words < command.least then
    misuse(command, ("expected: sora %s %s"):format(command.name, command.arguments))
  end
  if command.most and #words > command.most then
    misuse(command, "one argument too many: " .. words[command.most + 1])
  end
end

--- Reads what stands behind the command's name: `--name value`, `--name=value`, `--flag`, and `--`
-- before what is none of these.
---@param command sora.command
---@param line string[]
---@param first integer  where it begins
---@return table<string, any> options  by name; of kind list: a list
---@return string[] words
function M.read(command, line, first)
  local options, words, i = {}, {}, first
  while i <= #line do
    local name, equals, value = line[i]:match "^%-%-([^=]+)(=?)(.*)$"
    if line[i] == "--" then
      for j = i + 1, #line do words[#words + 1] = line[j] end
      break
    elseif line[i] == "-h" then
      options.help = true
    elseif name then
      local option = option_of(command, name)
      if option[3] == "flag" then
        if equals ~= "" then misuse(command, ("--%s takes no value"):format(name)) end
        options[name] = true
      else
        if equals == "" then
          i = i + 1
          value = line[i] or misuse(command, ("--%s needs a value"):format(name))
        end
        store(options, option, checked(command, option, value))
      end
    elseif line[i]:find "^%-." then
      misuse(command, "unknown option " .. line[i]:sub(1, 2))
    else
      words[#words + 1] = line[i]
    end
    i = i + 1
  end
  if not options.help then check_words(command, words) end
  return options, words
end

--- The command that the line begins with.
---@param line string[]
---@return sora.command
function M.command(line)
  local name = line[1]
  return commands.find(name) or misuse(nil, ("there is no command '%s'"):format(name))
end

--- A word for a shell.
local function quoted(word)
  if word:find "^[%w@%%+=:,./_-]+$" then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- A command line that goes on with what was begun.
---@param name string  of the command
---@param words string[]
---@param options table  as read; of these the ones named are taken over
---@param names string[]
---@return string
function M.write(name, words, options, names)
  local line = { "sora", name }
  for _, word in ipairs(words) do line[#line + 1] = quoted(word) end
  for _, option in ipairs(names) do
    local value = options[option]
    if value then line[#line + 1] = "--" .. option end
    if value and value ~= true then line[#line + 1] = quoted(tostring(value)) end
  end
  return table.concat(line, " ")
end

return M

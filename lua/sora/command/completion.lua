--- `sora completion`: what completes the command in three shells, from the table that --help goes
-- by. The manuals: bash(1), "Programmable Completion"; zshcompsys(1); complete(1) of fish.

local commands = require "sora.command.commands"
local exits = require "sora.command.exits"

local M = {}

local function is_file(kind) return kind == "file" end

--- A text in single quotes, in which bash and zsh take everything literally, and fish all but \'
-- and \\, which no text here has.
local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function names(command)
  local list = {}
  for _, option in ipairs(command.options) do list[#list + 1] = "--" .. option[1] end
  return table.concat(list, " ")
end

local function command_names()
  local list = {}
  for _, command in ipairs(commands.list) do list[#list + 1] = command.name end
  return table.concat(list, " ")
end

-- bash --------------------------------------------------------------------------------------------

local BASH = [[
# Completes sora in bash; made by `sora completion bash`.
_sora() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} options= words= files=
  case $COMP_CWORD,${COMP_WORDS[1]} in
  1,*) words="%s" ;;
%s
  esac
  case "${COMP_WORDS[1]} $before" in
%s
  esac
  case $word in
  -*) words=$options files= ;;
  esac
  [ -z "$files" ] || compopt -o filenames
  mapfile -t COMPREPLY < <(
    compgen -W "$words" -- "$word"
    [ -z "$files" ] || compgen -f -- "$word"
  )
}
complete -F _sora sora
]]

local function bash()
  local all, values = {}, {}
  for _, command in ipairs(commands.list) do
    all[#all + 1] = ('  *,%s) options="%s" words="%s" files=%s ;;'):format(command.name,
      names(command), table.concat(command.words or {}, " "), is_file(command.kind) and "1" or "")
    for _, option in ipairs(command.options) do
      if option[2] then
        values[#values + 1] = ('  "%s --%s") options= words= files=%s ;;'):format(command.name,
          option[1], is_file(option[3]) and "1" or "")
      end
    end
  end
  return BASH:format(command_names(), table.concat(all, "\n"), table.concat(values, "\n"))
end

-- zsh ---------------------------------------------------------------------------------------------

local ZSH = [==[
#compdef sora
# Completes sora in zsh; made by `sora completion zsh`.
_sora() {
  local -a commands
  commands=(
%s
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  words=("${(@)words[2,-1]}")
  (( CURRENT-- ))
  case $command in
%s
  esac
}
if [[ $funcstack[1] == _sora ]]; then _sora "$@"; else compdef _sora sora; fi
]==]

local function zsh_option(option)
  local text = option[4]:gsub("[][\\]", "\\%0")
  local spec = (option[3] == "list" and "*" or "") .. "--" .. option[1] .. "[" .. text .. "]"
  if option[2] then spec = spec .. ":" .. option[2] .. ":" end
  return quoted(spec .. (is_file(option[3]) and "_files" or ""))
end

local function zsh()
  local all, cases = {}, {}
  for _, command in ipairs(commands.list) do
    all[#all + 1] = "    " .. quoted(command.name .. ":" .. command.summary)
    local specs = {}
    for _, option in ipairs(command.options) do specs[#specs + 1] = zsh_option(option) end
    if command.words then
      specs[#specs + 1] = quoted("1: :(" .. table.concat(command.words, " ") .. ")")
    end
    if command.kind then specs[#specs + 1] = quoted "*: :_files" end
    cases[#cases + 1] = ("  %s)\n    _arguments \\\n      %s ;;"):format(command.name,
      table.concat(specs, " \\\n      "))
  end
  return ZSH:format(table.concat(all, "\n"), table.concat(cases, "\n"))
end

-- fish --------------------------------------------------------------------------------------------

local function fish()
  local lines = {
    "# Completes sora in fish; made by `sora completion fish`.", "complete -c sora -f",
  }
  local function line(...)
    lines[#lines + 1] = "complete -c sora -n " .. table.concat({ ... }, " ")
  end
  for _, command in ipairs(commands.list) do
    line("__fish_use_subcommand -a", command.name, "-d", quoted(command.summary))
    local seen = quoted("__fish_seen_subcommand_from " .. command.name)
    for _, option in ipairs(command.options) do
      local value = option[2] and (is_file(option[3]) and "-r -F " or "-x ") or ""
      line(seen, "-l", option[1], value .. "-d", quoted(option[4]))
    end
    if command.words then line(seen, "-a", quoted(table.concat(command.words, " "))) end
    if command.kind then line(seen, "-F") end
  end
  return table.concat(lines, "\n") .. "\n"
end

local SHELLS = { bash = bash, zsh = zsh, fish = fish }

--- The script of a shell.
---@param shell string
---@return string? script  nil where it is unknown
function M.script(shell) return SHELLS[shell] and SHELLS[shell]() end

---@param run sora.run
---@return integer code
function M.run(run)
  local script = M.script(run.words[1])
  if not script then exits.stop(exits.USAGE, "bash, zsh and fish are known") end
  io.stdout:write(script)
  return exits.OK
end

return M

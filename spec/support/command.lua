-- The command `sora`, run as a process of its own against a stand-in service.

local program = require "spec.support.program"
local shell = require "spec.support.shell"
local sora = require "sora"
local terminals = require "spec.support.terminal"

local M = {}

M.KEY = "sk-command-0123456789"

--- The command line, and the environment that it wants.
---@param service table?  of standin.lua
---@param arguments string[]
---@return string command
---@return table<string, string> env
local function line_of(service, arguments)
  local words = { shell.quote(shell.LUA), "bin/sora" }
  for _, argument in ipairs(arguments) do words[#words + 1] = shell.quote(argument) end
  if service then words[#words + 1] = "--ca-file " .. shell.quote(service.ca_file) end
  return table.concat(words, " "), {
    SORA_API_KEY = M.KEY, SORA_BASE_URL = service and service.base_url or "", TZ = "UTC",
  }
end

--- Starts it.
---@return table program  of program.lua
function M.start(service, arguments, input)
  local command, env = line_of(service, arguments)
  return program.start(command, { input = input, env = env })
end

--- Runs it to its end. Neither the key nor, but in events, a signature is ever printed.
---@return table result  code, out, err; events, where those were asked for
function M.run(service, arguments, input)
  local result = M.start(service, arguments, input):wait()
  assert(not (result.out .. result.err):find(M.KEY, 1, true), "the key was printed")
  result.events = M.events(result.out)
  assert(#result.events > 0 or not (result.out .. result.err):find("sig=", 1, true),
    "a signature was printed")
  return result
end

--- The events among lines.
---@param text string
---@return table[]
function M.events(text)
  local events = {}
  for line in text:gmatch "[^\n]+" do
    local event = line:find "^{" and sora.decode(line)
    if event then events[#events + 1] = event end
  end
  return events
end

--- The names of events, joined.
function M.names(events)
  local names = {}
  for i, event in ipairs(events) do names[i] = event.event end
  return table.concat(names, " ")
end

--- Starts it in a terminal.
---@param options table?  columns, env
---@return table terminal
function M.terminal(service, arguments, options)
  options = options or {}
  local command, env = line_of(service, arguments)
  for name, value in pairs(options.env or {}) do env[name] = value end
  return terminals.start(command, { columns = options.columns, env = env })
end

return M

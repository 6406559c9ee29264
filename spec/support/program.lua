-- Runs programs for specs, as a shell would, and keeps what they print.

local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local shell = require "spec.support.shell"

local M = {}

local LIMIT = 30 -- seconds, unless another is given; a program that takes longer is killed: 137

local function read(name) return files.read(name) or "" end

local Program = {}
Program.__index = Program

--- Starts a command line of the shell.
---@param command string
---@param options table|nil  input: its standard input; env: table of variables; limit: seconds
---@return table program  pid and these methods
function M.start(command, options)
  options = options or {}
  local base = os.tmpname()
  local program = setmetatable({ base = base, limit = options.limit or LIMIT }, Program)
  files.write(base .. ".in", options.input or "")
  local assignments = {}
  for name, value in pairs(options.env or {}) do
    assignments[#assignments + 1] = "export " .. name .. "=" .. shell.quote(value) .. ";"
  end
  local script = table.concat(assignments, " ") .. " echo $$ >" .. base .. ".pid; exec " .. command
  os.execute(("{ sh -c %s <%s.in >%s.out 2>%s.err; echo $? >%s.new; mv %s.new %s.code; } &"):format(
    shell.quote(script), base, base, base, base, base, base))
  program:await(function() return read(base .. ".pid"):find "\n" end)
  program.pid = read(base .. ".pid"):match("%d+")
  return program
end

--- Waits until the condition holds, at most as long as the program may take.
---@return boolean  whether it holds
function Program:await(condition) return eventually(condition, self.limit) end

--- Sends it a signal.
---@param signal string  such as INT
function Program:kill(signal)
  os.execute("kill -" .. signal .. " " .. self.pid)
end

--- Waits for its end.
---@return table result  code, out, err
function Program:wait()
  local base = self.base
  local function ended() return read(base .. ".code"):find "\n" end
  if not self:await(ended) then
    self:kill("KILL")
    self:await(ended)
  end
  local result = {
    code = tonumber(read(base .. ".code")), out = read(base .. ".out"), err = read(base .. ".err"),
  }
  for _, suffix in ipairs { "", ".in", ".out", ".err", ".pid", ".code" } do
    os.remove(base .. suffix)
  end
  return result
end

--- Runs a command line to its end.
---@param command string
---@param options table|nil  as of start
---@return table result  code, out, err
function M.run(command, options)
  return M.start(command, options):wait()
end

return M

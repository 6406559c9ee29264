--- The command `sora`: what `bin/sora` starts. Stands on the public interface of the module alone.

local sora = require "sora"
local exits = require "sora.command.exits"
local journals = require "sora.command.journal"
local lines = require "sora.command.line"
local pages = require "sora.command.pages"
local reports = require "sora.command.report"

local M = {}

---@class sora.run  one run of the command
---@field options table<string, any>  of the command line
---@field words string[]  its arguments
---@field report table
---@field journal table?
---@field resume string?  how to go on after Ctrl-C
---@field announced boolean?  see service.announce

--- Runs a command. Raises the table of exits.stop, or what Lua raises at Ctrl-C.
---@return integer code
local function perform(run, command)
  if run.options.journal then run.journal = journals.open(run.options.journal) end
  run.report = reports.new(run.options, run.journal)
  return require("sora.command." .. command.name).run(run)
end

local function interrupted(run)
  local resume = run.resume or "nothing was begun"
  if run.report then
    run.report.bar.finish()
    run.report:event("interrupted", { resume = resume })
    run.report:complain("interrupted; " .. resume)
  end
  return exits.INTERRUPTED
end

--- The exit code of a run that has raised; says why.
local function ended(run, raised)
  if raised == "interrupted!" then return interrupted(run) end
  if type(raised) == "table" and raised.exit then
    io.stderr:write("sora: ", raised.message, "\n")
    return raised.exit
  end
  io.stderr:write("sora: this is a fault of the program: ", tostring(raised), "\n")
  return exits.LASTING
end

--- Reads the command line: a command, its options and arguments; or a text, where that is all that
-- was asked for.
---@return string? text
---@return sora.command? command
---@return table? options
---@return string[]? words
local function read(line)
  local first = line[1]
  if first == "--version" then return sora._VERSION .. "\n" end
  if first == nil or first == "-h" or first == "--help" then return pages.overview() end
  local command = lines.command(line)
  local options, words = lines.read(command, line, 2)
  if options.help then return pages.command(command) end
  return nil, command, options, words
end

--- For xpcall, while the stack is still there: a fault of the program gets its traceback.
local function handler(raised)
  if tostring(raised):find "interrupted!$" then return "interrupted!" end
  return type(raised) == "string" and debug.traceback(raised, 2) or raised
end

--- Runs a command line.
---@param line string[]
---@return integer code  to exit with
function M.run(line)
  local run = {}
  local ok, result = xpcall(function()
    local text, command, options, words = read(line)
    if text then
      io.stdout:write(text)
      return #line == 0 and exits.USAGE or exits.OK
    end
    run.options, run.words = options, words
    return perform(run, command)
  end, handler)
  if not ok then result = ended(run, result) end
  if run.report then run.report.bar.finish() end
  return result
end

--- Runs the command line of this process, and ends it.
---@param line string[]
function M.main(line)
  local code = M.run(line)
  io.stdout:flush()
  os.exit(code)
end

return M

-- Runs programs in a pseudo-terminal, as a person at a keyboard does. script(1) makes it, and
-- passes on what is written to it.

local display = require "sora.terminal.display"
local files = require "spec.support.files"
local shell = require "spec.support.shell"
local system = require "system"

local M = {}

local PATIENCE = 10 -- seconds

local Terminal = {}
Terminal.__index = Terminal

--- Starts a command line of the shell.
---@param command string
---@param options table?  columns (80), env: table of variables
---@return table terminal
function M.start(command, options)
  options = options or {}
  local name, words = os.tmpname(), { "trap : INT" } -- the shell outlives Ctrl-C
  for variable, value in pairs(options.env or {}) do
    words[#words + 1] = "export " .. variable .. "=" .. shell.quote(value)
  end
  words[#words + 1] = "stty cols " .. (options.columns or 80)
  words[#words + 1] = ("%s; echo $? >%s.code"):format(command, name)
  local keys = assert(io.popen(("timeout 60 script -qfec %s %s >/dev/null 2>&1"):format(
    shell.quote(table.concat(words, "; ")), name), "w"))
  keys:setvbuf "no"
  return setmetatable({
    keys = keys, name = name, screen = assert(io.open(name, "rb")), seen = 0,
  }, Terminal)
end

--- Types a line, and the return key.
---@param line string
function Terminal:type(line) self.keys:write(line, "\n") end

--- Presses Ctrl-C.
function Terminal:interrupt() self.keys:write "\003" end

--- All that was written to it, but for the two lines of script's own.
function Terminal:all()
  self.screen:seek "set"
  local all = self.screen:read "*a"
  return (all:gsub("^Script started[^\n]*\n", ""):gsub("\nScript done[^\n]*\n?$", ""))
end

--- Waits until a text appears behind the one that was awaited last.
---@param text string
---@return number seconds  that it took
function Terminal:await(text)
  local started = system.monotime()
  repeat
    local _, last = self:all():find(text, self.seen + 1, true)
    if last then
      self.seen = last
      return system.monotime() - started
    end
    system.sleep(0.01)
  until system.monotime() - started > PATIENCE
  error(("%q did not appear:\n%s"):format(text, self:all()), 2)
end

--- Waits for the end.
---@return string all  that was written
---@return integer? code
function Terminal:wait()
  self.keys:close()
  local all = self:all()
  local code = tonumber(files.read(self.name .. ".code") or "")
  self.screen:close()
  os.remove(self.name)
  os.remove(self.name .. ".code")
  return all, code
end

--- What a terminal shows that was written to: its lines, the last one being the cursor's.
---@param text string
---@return string[]
function M.lines(text)
  local lines, line, column = {}, {}, 1
  text = text:gsub("\27%[%d*m", "")
  for character in text:gmatch("[^\128-\191][\128-\191]*") do
    if character == "\r" then column = 1
    elseif character == "\b" then column = column - 1
    elseif character == "\n" then
      lines[#lines + 1] = table.concat(line):gsub(" +$", "")
      line, column = {}, 1
    else
      line[column] = character
      column = column + display.width(character)
      if display.width(character) == 2 then line[column - 1] = "" end
    end
  end
  lines[#lines + 1] = table.concat(line):gsub(" +$", "")
  return lines
end

return M

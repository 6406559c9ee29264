-- Drives the interpreter's own prompt through a pseudo-terminal, as a person at a keyboard does.

local shell = require "spec.support.shell"
local system = require "system"

local M = {}

local PATIENCE = 10 -- seconds

local Prompt = {}
Prompt.__index = Prompt

--- Starts one.
---@return table prompt
function M.start()
  local name = os.tmpname()
  -- script(1) makes the pseudo-terminal and passes on what is written to it.
  local command = ("TERM=dumb timeout 60 script -qfec '%s -i' %s >/dev/null 2>&1"):format(
    shell.LUA, name)
  local self = setmetatable({ keys = assert(io.popen(command, "w")), name = name, seen = 0 },
    Prompt)
  self.keys:setvbuf "no"
  self.screen = assert(io.open(name, "rb"))
  self:await "> "
  return self
end

--- Types a line, and the return key.
---@param line string
function Prompt:type(line) self.keys:write(line, "\n") end

--- Presses Ctrl-C.
function Prompt:interrupt() self.keys:write "\003" end

local function all_of(screen)
  screen:seek "set"
  return screen:read "*a"
end

--- Waits until a text appears behind the one that was awaited last.
---@param text string
---@return number seconds  that it took
function Prompt:await(text)
  local started = system.monotime()
  repeat
    local _, last = all_of(self.screen):find(text, self.seen + 1, true)
    if last then
      self.seen = last
      return system.monotime() - started
    end
    system.sleep(0.01)
  until system.monotime() - started > PATIENCE
  error(("%q did not appear:\n%s"):format(text, all_of(self.screen)), 2)
end

--- Ends it, and returns all that was on the screen.
---@return string
function Prompt:stop()
  self.keys:write "os.exit(0)\n"
  self.keys:close()
  local all = all_of(self.screen)
  self.screen:close()
  os.remove(self.name)
  return all
end

return M

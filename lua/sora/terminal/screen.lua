--- A stream for progress: one line that is redrawn in place where the stream is a terminal, plain
-- lines elsewhere.
--
-- Offers what a terminal can show (columns, colours, Unicode) and keeps what is drawn and what is
-- printed apart. Needs no more of a terminal than carriage return and backspace; knows nothing of
-- what the lines say.

local display = require "sora.terminal.display"

local M = {}

local REDRAW = 0.1    -- seconds between two drawings of a line that is not new
local COLOURS = { succeeded = "\27[32m", failed = "\27[31m", cancelled = "\27[33m" }

---@class sora.screen
---@field terminal boolean
---@field unicode boolean
---@field now fun(): number
local Screen = {}
Screen.__index = Screen

--- An empty variable counts as unset.
local function environment(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

local function is_utf8()
  local locale = environment("LC_ALL") or environment("LC_CTYPE") or environment("LANG") or ""
  return locale:lower():find("utf%-?8") ~= nil
end

---@param opts table  `stream`, `width`, `terminal`: see sora.progress_bar
---@param host table  `now`, `terminal`: see sora.progress_bar
---@return sora.screen
function M.new(opts, host)
  local stream = opts.stream or io.stderr
  local fd
  if stream == io.stderr then fd = 2 elseif stream == io.stdout then fd = 1 end
  local function columns() return fd and host.terminal(fd) or nil end
  local terminal = opts.terminal
  if terminal == nil then terminal = columns() ~= nil end
  local fixed = opts.width or tonumber(environment("COLUMNS"))
  return setmetatable({
    stream = stream,
    now = host.now,
    terminal = terminal,
    columns = columns,
    fixed = fixed and fixed > 0 and fixed or nil,
    unicode = terminal and is_utf8(),
    coloured = terminal and not environment("NO_COLOR") and os.getenv("TERM") ~= "dumb",
    line = "",          -- what is drawn, with colours
    drawn = 0,          -- the columns it takes
    open = false,       -- whether the cursor is behind it
    drawn_at = -math.huge,
    keys = {},          -- of what was shown last, by subject
  }, Screen)
end

--- The columns to write in: never the last one, for there terminals wrap.
function Screen:width()
  return math.max(1, (self.fixed or self.columns() or 80) - 1)
end

function Screen:ellipsis() return self.unicode and "…" or "..." end

--- Whether it is time to show a line again: `key` is new for its subject, or, on a terminal, it was
-- a while ago.
function Screen:is_due(subject, key)
  local due = key ~= self.keys[subject]
    or self.terminal and self.now() - self.drawn_at >= REDRAW
  if due then self.keys[subject] = key end
  return due
end

--- Draws text in place of the last one; `mark` in it takes the colour of `class`.
function Screen:draw(text, mark, class)
  text = display.cut(text, self:width(), self:ellipsis())
  local width = display.width(text)
  local stale = math.min(self.drawn, self:width()) - width
  local colour = self.coloured and COLOURS[class]
  local from, to = text:find(mark or "", 1, true)
  if colour and from and to >= from then
    text = text:sub(1, from - 1) .. colour .. mark .. "\27[0m" .. text:sub(to + 1)
  end
  self.line, self.drawn, self.open, self.drawn_at = text, width, true, self.now()
  self.stream:write("\r", text, (" "):rep(stale), ("\b"):rep(stale))
  self.stream:flush()
end

--- Ends the line that is drawn, if there is one.
function Screen:close()
  if not self.open then return end
  self.open, self.drawn, self.keys = false, 0, {}
  self.stream:write("\n")
  self.stream:flush()
end

--- Writes text on lines of its own, above the line that is drawn; to another stream than that, if
-- one is given, which may be the same terminal.
function Screen:print(text, stream)
  if self.open then self.stream:write("\r", (" "):rep(self.drawn), "\r") end
  self.stream:flush()
  stream = stream or self.stream
  stream:write(text, "\n")
  stream:flush()
  if self.open then self.stream:write(self.line) end
  self.stream:flush()
end

return M

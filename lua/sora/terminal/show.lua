--- sora.show: a value as a person reads it, in a REPL: a line for each field, what is in it
-- indented below.
--
-- Lua's tables do not know in which order the service has sent their fields, and to keep it would
-- cost every answer. So what one looks for first comes first, then all other plain values by their
-- names, then tables.

local core = require "sora.core"

local M = {}

local INDENT = "  "
local LONGEST = 160    -- bytes of a string
local MOST = 100       -- fields of one table
local DEEPEST = 12     -- tables within each other

--- What one looks for first, in this order.
local FIRST = {}
for i, name in ipairs { "id", "task_id", "kind", "message", "object", "model", "status", "state",
    "progress", "code", "error", "fail_reason", "prompt", "video_url", "url" } do
  FIRST[name] = i
end

local COLOURS = { name = "\27[36m", string = "\27[32m", other = "\27[33m", faint = "\27[2m" }

---@class sora.show
---@field write fun(...: string)
---@field colours boolean
---@field open table<table, boolean>  the tables that are being shown, which may be in themselves
local Show = {}
Show.__index = Show

function Show:paint(text, colour)
  return self.colours and COLOURS[colour] .. text .. "\27[0m" or text
end

local function quote(text)
  return '"' .. core.plain(text, LONGEST):gsub('[\\"]', "\\%0") .. '"'
end

--- Whether a table is a list: it has 1 to n, and nothing else.
local function is_list(value)
  local count = #value
  if count == 0 then return core.encode(value) == "[]" end
  for key in pairs(value) do
    if type(key) ~= "number" or key % 1 ~= 0 or key < 1 or key > count then return false end
  end
  return true
end

--- A value in a line; nil of a table with something in it.
function Show:line(value)
  local kind = type(value)
  if value == core.null then return self:paint("null", "faint") end
  if kind == "string" then return self:paint(quote(value), "string") end
  if kind ~= "table" then return self:paint(core.plain(tostring(value)), "other") end
  if next(value) == nil then return self:paint(is_list(value) and "[]" or "{}", "faint") end
end

local function rank(value)
  return type(value) == "table" and next(value) ~= nil and 2 or 1
end

--- The names of a table's fields in the order in which they are shown.
local function names_of(value)
  local names = {}
  for name in pairs(value) do names[#names + 1] = name end
  table.sort(names, function(a, b)
    local first, second = FIRST[a] or 100, FIRST[b] or 100
    if first ~= second then return first < second end
    first, second = rank(value[a]), rank(value[b])
    if first ~= second then return first < second end
    if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then return a < b end
    return type(a) .. tostring(a) < type(b) .. tostring(b)
  end)
  return names
end

local function label(name)
  if type(name) ~= "string" then return "[" .. core.plain(tostring(name), LONGEST) .. "]" end
  return name:find "^[%a_][%w_]*$" and core.plain(name, LONGEST) or "[" .. quote(name) .. "]"
end

--- The fields of a table, from `indent` on.
function Show:fields(value, indent, depth)
  self.open[value] = true
  local list = is_list(value)
  local names = list and value or names_of(value)
  for i = 1, math.min(#names, MOST) do
    local name = list and i or names[i]
    self:field(label(name), value[name], indent, depth)
  end
  if #names > MOST then
    self.write(indent, self:paint(("… %d more"):format(#names - MOST), "faint"), "\n")
  end
  self.open[value] = nil
end

function Show:field(name, value, indent, depth)
  local line = self:line(value)
  if not line and self.open[value] then line = self:paint("… itself", "faint") end
  if not line and depth >= DEEPEST then line = self:paint("{ … }", "faint") end
  self.write(indent, self:paint(name, "name"), line and ": " .. line or ":", "\n")
  if not line then self:fields(value, indent .. INDENT, depth + 1) end
end

local function filled(name)
  local value = os.getenv(name)
  return value ~= nil and value ~= ""
end

--- Writes a value, one line or more.
---@param value any
---@param write fun(...: string)
---@param colours boolean
function M.write(value, write, colours)
  local show = setmetatable({ write = write, colours = colours, open = {} }, Show)
  local line = show:line(value)
  if line then write(line, "\n") else show:fields(value, "", 1) end
end

--- sora.show(value, err): to standard output; `err` too, where there is one.
---@param value any
---@param err any
function M.show(value, err)
  local colours = core.terminal(1) ~= nil and not filled "NO_COLOR" and os.getenv "TERM" ~= "dumb"
  local function write(...) io.stdout:write(...) end
  M.write(value, write, colours)
  if err ~= nil then M.write(err, write, colours) end
end

return M

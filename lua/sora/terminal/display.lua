--- Text for a terminal: how wide it is, how to cut it, how to write times and sizes.
--
-- Widths are columns of a terminal, not bytes. Pure functions; knows nothing of streams and tasks.

local M = {}

--- First and last code point of what takes two columns (UAX #11, W and F, in coarse blocks) …
local WIDE = {
  0x1100, 0x115F, 0x231A, 0x231B, 0x23E9, 0x23EC, 0x2E80, 0x303E, 0x3041, 0xA4CF, 0xA960, 0xA97C,
  0xAC00, 0xD7A3, 0xF900, 0xFAFF, 0xFE30, 0xFE6F, 0xFF00, 0xFF60, 0xFFE0, 0xFFE6,
  0x1F300, 0x1F64F, 0x1F680, 0x1F6FF, 0x1F900, 0x1F9FF, 0x1FA70, 0x1FAFF, 0x20000, 0x3FFFD,
}
--- … and of what takes none: it combines with what is before it.
local ZERO = {
  0x300, 0x36F, 0x483, 0x489, 0x591, 0x5BD, 0x610, 0x61A, 0x64B, 0x65F, 0xE31, 0xE31, 0xE34, 0xE3A,
  0x200B, 0x200F, 0x2028, 0x202E, 0x2060, 0x2064, 0x20D0, 0x20FF, 0xFE00, 0xFE0F, 0xFE20, 0xFE2F,
}

--- A character of UTF-8, or one byte that is none, with what follows it in vain.
local CHARACTER = "[^\128-\191][\128-\191]*"

local function within(ranges, code)
  for i = 1, #ranges, 2 do
    if code < ranges[i] then return false end
    if code <= ranges[i + 1] then return true end
  end
  return false
end

local function character_width(character)
  local first = character:byte()
  if first < 0xCC then return 1 end   -- everything before U+0300
  local prefix = 0x20 -- of two bytes; the bits of a first byte below its prefix are the code's
  if first >= 0xE0 then prefix = 0x10 end
  if first >= 0xF0 then prefix = 0x08 end
  local code = first % prefix
  for i = 2, #character do code = code * 64 + character:byte(i) % 64 end
  if within(WIDE, code) then return 2 end
  return within(ZERO, code) and 0 or 1
end

--- The columns that text takes.
---@param text string  without control characters
---@return integer
function M.width(text)
  if not text:find("[\128-\255]") then return #text end
  local width = 0
  for character in text:gmatch(CHARACTER) do width = width + character_width(character) end
  return width
end

--- Cuts text to at most so many columns.
---@param text string
---@param columns integer
---@param ellipsis string  stands for what was cut off
---@param keep_end boolean?  cut at the start
---@return string
function M.cut(text, columns, ellipsis, keep_end)
  if M.width(text) <= columns then return text end
  local room = columns - M.width(ellipsis)
  if room < 1 then return ellipsis:rep(columns >= M.width(ellipsis) and 1 or 0) end
  local characters = {}
  for character in text:gmatch(CHARACTER) do characters[#characters + 1] = character end
  local first, last, step = 1, #characters, 1
  if keep_end then first, last, step = #characters, 1, -1 end
  local i = first
  while i ~= last + step do
    local width = character_width(characters[i])
    if width > room then break end
    room, i = room - width, i + step
  end
  if keep_end then return ellipsis .. table.concat(characters, "", i + 1) end
  return table.concat(characters, "", 1, i - 1) .. ellipsis
end

--- 0:45, 1:20, 1:02:03
---@param seconds number
---@return string
function M.duration(seconds)
  if seconds >= 360000 then return ("%.0f h"):format(math.min(seconds / 3600, 1e6)) end
  seconds = math.floor(math.max(0, seconds) + 0.5)
  local hours, minutes = math.floor(seconds / 3600), math.floor(seconds % 3600 / 60)
  if hours == 0 then return ("%d:%02d"):format(minutes, seconds % 60) end
  return ("%d:%02d:%02d"):format(hours, minutes, seconds % 60)
end

local UNITS = { "B", "KiB", "MiB", "GiB", "TiB" }

--- 512 B, 1.5 KiB, 45.6 MiB
---@param bytes number
---@return string
function M.size(bytes)
  local unit = 1
  while bytes >= 1000 and unit < #UNITS do bytes, unit = bytes / 1024, unit + 1 end
  return (unit == 1 and "%.0f %s" or "%.1f %s"):format(bytes, UNITS[unit])
end

--- A bar of so many columns, filled by a fraction.
---@param fraction number  0..1
---@param columns integer
---@param unicode boolean
---@return string
function M.bar(fraction, columns, unicode)
  local inner = columns - 2
  local eighths = math.floor(fraction * inner * 8 + 1e-6)
  local full = math.floor(eighths / 8)
  if not unicode then return "[" .. ("#"):rep(full) .. ("-"):rep(inner - full) .. "]" end
  local part = eighths % 8 > 0 and "\226\150" .. string.char(144 - eighths % 8) or ""
  local rest = inner - full - (part ~= "" and 1 or 0)
  return "▕" .. ("█"):rep(full) .. part .. (" "):rep(rest) .. "▏"
end

return M

-- Texts as protocols write them. Needs nothing: specs use it under every Lua.

local M = {}

--- An unsigned integer, its most significant byte first.
---@param value integer
---@param bytes integer
---@return string
function M.big_endian(value, bytes)
  local out = {}
  for place = bytes, 1, -1 do
    out[place] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(out)
end

---@param text string
---@return string
function M.percent_decode(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

---@param text string
---@return string
function M.percent_encode(text)
  return (text:gsub("[^%w%-._~]", function(character)
    return string.format("%%%02X", character:byte())
  end))
end

--- The decoded value of a key in the query of a path, or nil.
---@param path string
---@param key string
---@return string|nil
function M.query(path, key)
  local value = ("&" .. (path:match("%?(.*)$") or "")):match("&" .. key .. "=([^&]*)")
  return value and M.percent_decode((value:gsub("%+", " ")))
end

--- Lists what a separator parts.
---@param text string
---@param separator string  one character
---@return string[]
function M.split(text, separator)
  local list = {}
  for item in text:gmatch("[^" .. separator .. "]+") do
    list[#list + 1] = item
  end
  return list
end

return M

--- Random values, and random ways to write them in JSON.

local M = {}

local random = math.random

local LETTERS = {
  "a", "B", "7", " ", "/", "\\", '"', "\n", "\t", "\0", "\31", "\127", "\195\169", "\226\130\172",
  "\239\191\191", "\240\159\142\172",
}

local ESCAPES = {
  ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n", ["\t"] = "\\t", ["\0"] = "\\u0000",
  ["\31"] = "\\u001F",
}

--- Escapes for what need not be escaped.
local OPTIONAL_ESCAPES = {
  ["a"] = "\\u0061", ["/"] = "\\/", ["\195\169"] = "\\u00E9", ["\226\130\172"] = "\\u20ac",
  ["\240\159\142\172"] = "\\uD83C\\uDFAC",
}

local NUMBERS = {
  function() return random(0, 9) end,
  function() return random(-100000, 100000) end,
  function() return random(0, 2 ^ 30) * 2 ^ 22 + random(0, 2 ^ 21) end,
  function() return random() end,
  function() return (random() - 0.5) * 10 ^ random(-20, 20) end,
}

---@return table  letters of a random string
local function letters()
  local result = {}
  for i = 1, random(4) == 1 and random(0, 80) or random(0, 12) do
    result[i] = random(3) == 1 and LETTERS[random(#LETTERS)] or string.char(random(97, 122))
  end
  return result
end

local function write_string(list)
  local written = {}
  for i, letter in ipairs(list) do
    local optional = random(3) == 1 and OPTIONAL_ESCAPES[letter]
    written[i] = optional or ESCAPES[letter] or letter
  end
  return '"' .. table.concat(written) .. '"'
end

local function space()
  return random(5) == 1 and (" \n\t\r    "):sub(random(8), random(8)) or ""
end

local function write_number(value)
  if value == math.floor(value) and math.abs(value) < 2 ^ 53 then
    return ("%.0f"):format(value)
  end
  return ("%.17g"):format(value)
end

local write

local function write_array(depth, null)
  local value, written = {}, {}
  for i = 1, random(0, 8) do
    value[i], written[i] = write(depth - 1, null)
    written[i] = space() .. written[i] .. space()
  end
  return value, "[" .. space() .. table.concat(written, ",") .. "]"
end

local function write_object(depth, null)
  local value, written = {}, {}
  for i = 1, random(0, 8) do
    local list = random(2) == 1 and { ("abcdef"):sub(random(6), 6) } or letters()
    local member, text = write(depth - 1, null)
    value[table.concat(list)] = member
    written[i] = space() .. write_string(list) .. space() .. ":" .. space() .. text .. space()
  end
  return value, "{" .. space() .. table.concat(written, ",") .. "}"
end

---@param depth integer  nesting at most
---@param null any  stands for null in the value
---@return any value
---@return string text
function write(depth, null)
  local kind = random(depth > 0 and 8 or 6)
  if kind == 7 then
    return write_array(depth, null)
  elseif kind == 8 then
    return write_object(depth, null)
  elseif kind == 6 then
    return null, "null"
  elseif kind == 5 then
    local value = random(2) == 1
    return value, tostring(value)
  elseif kind >= 3 then
    local list = letters()
    return table.concat(list), write_string(list)
  end
  local value = NUMBERS[random(#NUMBERS)]()
  return value, write_number(value)
end

--- Writes an array or object.
---@param depth integer  nesting at most
---@param null any  stands for null in the value
---@return table value
---@return string text
function M.document(depth, null)
  return (random(2) == 1 and write_array or write_object)(depth, null)
end

--- Tells whether two values are the same all the way down, metatables not counted.
---@param a any
---@param b any
---@return boolean
function M.equal(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b
  end
  for key, value in pairs(a) do
    if not M.equal(value, b[key]) then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end

return M

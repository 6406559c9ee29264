--- What services write in fields: text, numbers, lists. Everything here takes anything and returns
-- what it accepts, or nil, and means the same in every locale: `lower`, "%s" and "%a" do not.

local M = {}

local BLANKS = " \t\r\n\v\f"
local LOWER, UPPER = {}, {}
for byte = 65, 90 do
  local upper, lower = string.char(byte), string.char(byte + 32)
  LOWER[upper], UPPER[lower] = lower, upper
end

--- Beyond this a text spells no number.
local LONGEST_NUMBER = 40

--- ASCII alone: the words of the protocol are.
function M.lower(text) return (text:gsub("[A-Z]", LOWER)) end

--- "video_url" as "videoUrl".
function M.camel(text) return (text:gsub("_([a-z])", UPPER)) end

--- "videoUrl" as "VideoUrl".
function M.capital(text) return (text:gsub("^[a-z]", UPPER)) end

--- Cuts off what belongs to the class `padding` (default: blanks) at both ends, in linear time.
-- Returns nil where nothing is left.
function M.trim(text, padding)
  padding = padding or BLANKS
  local first = text:find("[^" .. padding .. "]")
  return first and text:match("^.*[^" .. padding .. "]", first)
end

function M.as_text(value)
  return type(value) == "string" and M.trim(value) or nil
end

--- A number, or a short string that spells a decimal one. By hand: `tonumber` reads hexadecimal,
-- and "0.5" only in locales that write it so. Returns nil for NaN.
function M.as_number(value)
  if type(value) == "number" then return value == value and value or nil end
  if type(value) ~= "string" or #value > LONGEST_NUMBER then return nil end
  local sign, whole, decimals = (M.trim(value) or ""):match("^([+-]?)(%d+)%.?(%d*)$")
  if not whole then return nil end
  local number = tonumber(whole) + (decimals == "" and 0 or tonumber(decimals) / 10 ^ #decimals)
  return sign == "-" and -number or number
end

--- A whole number as its digits; nil for one that is not whole, or is too large to be exact.
function M.digits(number)
  if number ~= math.floor(number) or math.abs(number) >= 2 ^ 63 then return nil end
  return ("%d"):format(number)
end

--- A word for a status or for a code: text that is no number.
function M.as_word(value)
  local text = M.as_text(value)
  return text and not text:find("^[+-]?%d+%.?%d*$") and text or nil
end

--- An id: text, or a number as its digits.
function M.as_id(value)
  if type(value) == "number" then return M.digits(value) end
  return M.as_text(value)
end

--- Whether a value is a list with something in it.
function M.is_list(value) return type(value) == "table" and #value > 0 end

--- What says no more than that all is well, or nothing at all.
local POLITE = {}
for word in ([[ok okay success succeed succeeded successful successfully true 0 200
  null nil none undefined n/a - 成功 操作成功 请求成功 查询成功 获取成功 処理成功 성공]]):gmatch("%S+") do
  POLITE[word] = true
end

--- Whether a text is merely polite: "Success."
function M.is_polite(text)
  return POLITE[M.lower(text)] or POLITE[M.lower(text):match("^(.-)[.!]*$")] or false
end

return M

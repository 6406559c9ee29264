--- Lays text out in columns of the editor, which knows best how wide a character is in it.

local M = {}

local width = vim.fn.strdisplaywidth

--- As many characters from the beginning as so many columns hold; at least one.
local function head(text, columns)
  local count = math.max(1, columns)
  local part = vim.fn.strcharpart(text, 0, count)
  while count > 1 and width(part) > columns do
    count = count - 1
    part = vim.fn.strcharpart(text, 0, count)
  end
  return part
end

--- The text on one line.
---@param text string
---@param columns integer
---@return string
function M.cut(text, columns)
  text = text:gsub("%s+", " ")
  if width(text) <= columns then return text end
  return head(text, columns - 1) .. "…"
end

--- The text on as many lines as it takes. Words stay whole where a line can hold them.
---@param text string
---@param columns integer
---@return string[]
function M.wrap(text, columns)
  local lines, line = {}, nil
  for word in text:gmatch "%S+" do
    if line and width(line) + 1 + width(word) <= columns then
      line = line .. " " .. word
    else
      lines[#lines + 1] = line
      line = word
    end
    while width(line) > columns do
      local part = head(line, columns)
      lines[#lines + 1] = part
      line = line:sub(#part + 1)
    end
  end
  lines[#lines + 1] = line
  return lines
end

return M

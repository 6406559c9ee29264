--- The first line of what a server sent where a video should be, for a message: without what may be
-- a secret. Storage services quote signatures and the whole of the URL in their errors.

local core = require "sora.core"

local M = {}

local LIMIT = 120  -- bytes of a quotation
local SECRET = 20  -- so many letters and digits without a blank are one

--- A word of letters and digits, as signatures and keys are.
local function hide(word)
  if #word >= SECRET and word:find "%d" and word:find "[A-Za-z]" then return "***" end
end

--- A line of somebody else's.
---@param line string
---@return string
function M.line(line)
  line = line:gsub("([%w/._-])%?[^ \t\"'<>]+", "%1?***") -- the query of a URL, or of a path
  line = line:gsub("[A-Za-z0-9_%%+/=~-]+", hide)
  return core.plain(line, LIMIT)
end

--- Puts the quotation into an error that has the line for a body, in its place.
---@param err sora.error
---@return sora.error
function M.of(err)
  local body = err.body
  err.body = nil
  if err.kind == "http" and body and body ~= "" then
    err.message = ("%s: %s"):format(err.message, M.line(body))
  end
  return err
end

return M

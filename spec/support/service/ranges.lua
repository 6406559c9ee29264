-- What a CDN says of a video, and which of its bytes are asked for (RFC 9110, 8.8, 13 and 14).
-- `arg` is the query of the URL: videos.lua lists it.

local M = {}

local MODIFIED = "Mon, 06 Oct 2025 15:14:11 GMT"
local LATER = "Tue, 07 Oct 2025 15:14:11 GMT"

-- First and last byte of a Range header, nil without one, false if it cannot be satisfied.
local function parse_range(header, size)
  local first, last = (header or ""):match("^bytes=(%d*)-(%d*)$")
  if not first or first == "" and last == "" then
    return nil
  end
  first, last = tonumber(first), tonumber(last)
  if not first then
    first, last = math.max(0, size - last), size - 1
  end
  last = math.min(last or size - 1, size - 1)
  if first > last then
    return false
  end
  return first, last
end

local function entity_tag(arg, size, times)
  if arg.etag == "none" then
    return nil
  elseif arg.etag == "changing" then
    return string.format('"v%d"', times)
  end
  return string.format('%s"video-%d"', arg.etag == "weak" and "W/" or "", size)
end

-- Whether If-Range lets the Range count (RFC 9110, 13.1.5): a weak tag never matches.
local function range_holds(if_range, etag, modified)
  if not if_range or if_range == modified then return true end
  return if_range == etag and etag:sub(1, 2) ~= "W/"
end

--- The headers that tell one video from another.
---@param arg table
---@param size integer
---@param times integer  how often the URL was asked
---@return table headers
---@return string|nil etag
---@return string|nil modified
function M.validators(arg, size, times)
  local headers = { { "accept-ranges", arg.ranges == "ignored" and "none" or "bytes" } }
  local etag = entity_tag(arg, size, times)
  local modified = MODIFIED
  if arg.date == "later" then
    modified = LATER
  elseif arg.date == "none" then
    modified = nil
  end
  if etag then
    headers[#headers + 1] = { "etag", etag }
  end
  if modified then
    headers[#headers + 1] = { "last-modified", modified }
  end
  return headers, etag, modified
end

--- First and last byte that are asked for; nil: all of them; false: none that are there.
function M.wanted(x, arg, size, etag, modified)
  local if_range = not arg.if_range and x.headers:get("if-range") or nil
  if arg.ranges == "ignored" or not range_holds(if_range, etag, modified) then
    return nil
  end
  local first, last = parse_range(x.headers:get("range") or arg.unasked and "bytes=0-", size)
  if first and arg.ranges == "refused" then
    return false
  elseif first and arg.most then
    last = math.min(last, first + tonumber(arg.most) - 1)
  end
  return first, last
end

return M

--- URLs of videos: what one is, whose it is, and what a `data:` URI holds.

local text = require "sora.answers.text"

local M = {}

--- A URL can be padded with these. What is left is used byte for byte: it is signed.
local PADDING = " \t\r\n\v\f`"

--- Scheme and authority, the rest.
local function split(url)
  local from, to = url:find("^[Hh][Tt][Tt][Pp][Ss]?://[^/?#]+")
  if not from then return nil end
  return url:sub(from, to), url:sub(to + 1)
end

local function is_data(url)
  return url:find("^[Dd][Aa][Tt][Aa]:[Vv][Ii][Dd][Ee][Oo]/[^,]*,.")
    or url:find("^[Dd][Aa][Tt][Aa]:application/octet%-stream[^,]*,.")
end

--- A path of the relay's own: it begins with "/", or its end tells what it is.
local function is_path(url)
  if url:find("^/[^/ ][^ ]*$") then return true end
  return url:find("^[A-Za-z0-9_.~-]+/[^ ]*$")
    and (url:find("%.mp4$") or url:find("%.mov$") or url:find("%.webm$") or url:find("/content$"))
end

--- Resolves a path against the URL of a relay (RFC 3986, 5.2). What is of the relay's interface
-- ("/v1/…") lies where that does, beneath the path of the base URL.
local function resolve(path, relay)
  local host, prefix = split(relay)
  if not host then return nil end
  if path:find("^//") then return host:match("^[^:]*:") .. path end
  if not path:find("^/") then return relay .. "/" .. path end
  if path:find("^/v1/") and prefix ~= "" then return host .. prefix .. path end
  return host .. path
end

--- What a field holds, where that is the URL of a video: absolute, `data:`, or a path of the relay,
-- which needs the relay.
---@param value any
---@param relay string?  the base URL of the service, without a slash at its end
---@return string? url  trimmed, otherwise byte for byte
function M.as_url(value, relay)
  local url = type(value) == "string" and text.trim(value, PADDING)
  if not url or url:find("[%z\1-\31\127]") then return nil end
  if split(url) or is_data(url) then return url end
  if relay and (is_path(url) or url:find("^//[^/]")) then return resolve(url, relay) end
  return nil
end

local VALUES = {}
for i = 1, 64 do
  local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  VALUES[digits:byte(i)] = i - 1
end
VALUES[("-"):byte()], VALUES[("_"):byte()] = 62, 63 -- RFC 4648, 5

--- Four digits of base64 are three bytes; what stands for a digit that is not there is 0.
local function three_bytes(a, b, c, d)
  local number = ((VALUES[a] * 64 + VALUES[b]) * 64 + (VALUES[c] or 0)) * 64 + (VALUES[d] or 0)
  return math.floor(number / 65536), math.floor(number / 256) % 256, number % 256
end

local BLOCK = 3072 -- digits for one string.char

--- The bytes that base64 stands for (RFC 4648, 4 and 5).
---@param digits string
---@return string? bytes  nil: it is none
function M.base64(digits)
  digits = digits:gsub("[ \t\r\n]", ""):gsub("=+$", "")
  if digits:find("[^A-Za-z0-9+/_-]") or #digits % 4 == 1 then return nil end
  local parts = {}
  for from = 1, #digits, BLOCK do
    local bytes, count = {}, 0
    for i = from, math.min(from + BLOCK, #digits + 1) - 1, 4 do
      bytes[count + 1], bytes[count + 2], bytes[count + 3] = three_bytes(digits:byte(i, i + 3))
      count = count + 3
    end
    parts[#parts + 1] = string.char((table.unpack or unpack)(bytes, 1, count))
  end
  local whole = table.concat(parts)
  return whole:sub(1, math.floor(#digits * 3 / 4))
end

--- The bytes that a `data:` URI (RFC 2397) holds.
---@param url string
---@return string? bytes  nil: it is none, or is broken
function M.data(url)
  local kind, contents = url:match("^[Dd][Aa][Tt][Aa]:([^,]*),(.*)$")
  if not kind then return nil end
  contents = contents:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  if not text.lower(kind):find(";base64$") then return contents end
  return M.base64(contents)
end

return M

--- Where Redis is and how one gets in, read from a URL as Redis' own tools and libraries write it:
-- redis://[user:password@]host[:port][/db], rediss://… with TLS, and
-- unix://[user:password@]/path[?db=n].

local M = {}

local PORT = 6379

---@class sora.fleet.address
---@field host string?
---@field port integer?
---@field path string?  of a Unix socket, in the place of a host
---@field tls boolean?
---@field user string?
---@field password string?
---@field db integer
---@field shown string  the URL without user and password

local function decode(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- "user:password@rest" → the rest; the address gets the other two.
local function take_user(address, text)
  local before, rest = text:match "^(.*)@(.*)$"
  if not before then return text end
  local user, password = before:match "^([^:]*):(.*)$"
  if not password then return nil, "has a user and no password (write user:password@host)" end
  address.user = user ~= "" and decode(user) or nil
  address.password = decode(password)
  if ((address.user or "") .. address.password):find "%z" then return nil, "has a NUL in it" end
  return rest
end

local function number(text, most)
  local value = text:find "^%d+$" and #text < 10 and tonumber(text)
  return value and value <= most and math.floor(value) or nil
end

--- The query: db=n, which nothing else may stand beside.
local function take_query(address, text)
  local rest, query = text:match "^([^?]*)%??(.*)$"
  if query ~= "" then
    address.db = number(query:match "^db=(%d+)$" or "", 1e9)
    if not address.db then return nil, "has a query that is not db=n" end
  end
  return rest
end

local function take_path(address, text)
  if not text:find "^/." then return nil, "has no path (write unix:///path/to/redis.sock)" end
  address.path = decode(text)
  return address
end

local function take_host(address, text)
  local place, db = text:match "^([^/]*)/?(.*)$"
  if db ~= "" then
    address.db = number(db, 1e9)
    if not address.db then return nil, "has a database that is no number" end
  end
  local host, port = place:match "^%[([%x:.%%%w]+)%]:?(.*)$"
  if not host then host, port = place:match "^([^:]*):?(.*)$" end
  if host == "" or host:find "[%s%c]" then return nil, "has no host" end
  address.host = host
  address.port = port == "" and PORT or number(port, 65535)
  if not address.port or address.port == 0 then return nil, "has a port that is none" end
  return address
end

local function show(address)
  if address.path then return ("unix://%s, database %d"):format(address.path, address.db) end
  local host = address.host:find ":" and "[" .. address.host .. "]" or address.host
  return ("%s://%s:%d/%d"):format(address.tls and "rediss" or "redis", host, address.port,
    address.db)
end

--- Reads the URL.
---@param url any
---@return sora.fleet.address? address
---@return string? what  is wrong with it, without a word of it: it may hold a password
function M.parse(url)
  if type(url) ~= "string" then return nil, "must be a URL, not a " .. type(url) end
  local scheme, rest = url:match "^(%a+)://(.*)$"
  local address = { db = 0, tls = scheme == "rediss" or nil }
  if scheme ~= "redis" and scheme ~= "rediss" and scheme ~= "unix" then
    return nil, "must be a URL redis://host:port/db, rediss://… or unix:///path"
  end
  local take_place = scheme == "unix" and take_path or take_host
  for _, take in ipairs { take_query, take_user, take_place } do
    local left, what = take(address, rest)
    if not left then return nil, what end
    rest = left
  end
  address.shown = show(address)
  return address
end

--- The same place for another host and port: a user, a password and a database go with it.
---@param address sora.fleet.address
---@param host string
---@param port integer
---@return sora.fleet.address
function M.at(address, host, port)
  local other = {}
  for key, value in pairs(address) do other[key] = value end
  other.host, other.port, other.path = host, port, nil
  other.shown = show(other)
  return other
end

return M

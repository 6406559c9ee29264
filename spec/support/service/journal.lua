-- What the service has seen: requests in order, connections, and how much of it at once.

local cqueues = require "cqueues"

local M = {}
M.__index = M

local LIMIT = 50000 -- entries kept; older ones are dropped

---@param count_open fun(): integer  how many connections are open now
---@return table journal
function M.new(count_open)
  local journal = setmetatable({
    count_open = count_open,
    started = cqueues.monotime(),
    connections = 0,
    connection_ids = setmetatable({}, { __mode = "k" }),
    flying = 0,
  }, M)
  journal:reset()
  return journal
end

--- Forgets requests and peaks; connections keep their numbers.
function M:reset()
  self.entries, self.first, self.last = {}, 1, 0
  self.flying_peak, self.open_peak = self.flying, self.count_open()
  self.requests, self.accepted = 0, 0
  self.by_port, self.by_version = {}, {}
end

--- Counts a connection that has been accepted.
---@param port string
function M:accept(port)
  self.accepted = self.accepted + 1
  self.by_port[port] = (self.by_port[port] or 0) + 1
  self.open_peak = math.max(self.open_peak, self.count_open())
end

--- The number of a connection, the same for each of its requests.
---@param connection table  of lua-http
---@return integer
function M:connection_id(connection)
  local id = self.connection_ids[connection]
  if not id then
    self.connections = self.connections + 1
    id = self.connections
    self.connection_ids[connection] = id
  end
  return id
end

-- Headers as name, value, name, value …: small, for there may be many.
local function flatten(headers)
  local fields = {}
  for name, value in headers:each() do
    local plain = name == ":authority" and "host" or name
    if plain:sub(1, 1) ~= ":" then
      fields[#fields + 1] = plain
      fields[#fields + 1] = value
    end
  end
  return fields
end

--- Notes a request that begins.
---@param x table  the exchange
---@return table entry
function M:begin(x)
  self.flying = self.flying + 1
  self.flying_peak = math.max(self.flying_peak, self.flying)
  self.requests = self.requests + 1
  self.by_version[x.version] = (self.by_version[x.version] or 0) + 1
  self.last = self.last + 1
  local entry = {
    seq = self.last,
    time = cqueues.monotime() - self.started,
    port = x.port,
    http = x.version,
    connection = self:connection_id(x.stream.connection),
    stream = x.stream.id,
    method = x.method,
    path = x.path,
    id = x.id,
    fields = flatten(x.headers),
  }
  self.entries[self.last] = entry
  if self.last - self.first >= LIMIT then
    self.entries[self.first] = nil
    self.first = self.first + 1
  end
  return entry
end

function M:finish(entry)
  self.flying = self.flying - 1
  entry.seconds = cqueues.monotime() - self.started - entry.time
end

-- A copy fit for JSON: headers as a map (repeated ones joined by ", ") and as a list of pairs.
local function export(entry)
  local copy = { headers = {}, header_list = {} }
  for key, value in pairs(entry) do
    copy[key] = value
  end
  copy.fields = nil
  for index = 1, #entry.fields, 2 do
    local name, value = entry.fields[index], entry.fields[index + 1]
    local former = copy.headers[name]
    copy.headers[name] = former and former .. ", " .. value or value
    copy.header_list[#copy.header_list + 1] = { name, value }
  end
  return copy
end

--- The requests seen, oldest first.
---@param filter table  id, port, since (a seq): nil for any
---@return table[] entries
function M:log(filter)
  local found = {}
  for seq = math.max(self.first, (tonumber(filter.since) or 0) + 1), self.last do
    local entry = self.entries[seq]
    if (filter.id or entry.id) == entry.id and (filter.port or entry.port) == entry.port then
      found[#found + 1] = export(entry)
    end
  end
  return found
end

---@return table  counts since the last reset; started: by the clock that all processes share
function M:stats()
  return {
    started = self.started,
    connections_accepted = self.accepted,
    connections_by_port = self.by_port,
    connections_open = self.count_open(),
    connections_open_peak = self.open_peak,
    requests = self.requests,
    requests_by_http = self.by_version,
    requests_in_flight = self.flying,
    requests_in_flight_peak = self.flying_peak,
  }
end

return M

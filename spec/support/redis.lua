--- Runs a real redis-server, or valkey-server where that is what there is, for specs: unpacked by
-- setup.sh into build/redis, or the machine's own; $REDIS_SERVER names the one that is wanted.
--
--   local server = redis.start { appendonly = "yes" }     -- its directives
--   server:call("ZADD", "due", 1, "id")                   -- the reply, or nil and the error's text
--   server:kill()  server:restart()  server:signal("STOP")  server:stop()
--
-- It ends with this process, however that ends, and leaves no file.

local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local ports = require "spec.support.ports"
local shell = require "spec.support.shell"
local socket = require "socket"
local unpacked = require "spec.support.unpacked"

local M = {}

local START_SECONDS = 20

local quote = shell.quote

--- The command of a server; nil when there is none.
local function find()
  local wanted = os.getenv "REDIS_SERVER"
  for _, name in ipairs(wanted and { wanted } or { "redis-server", "valkey-server" }) do
    local command = unpacked.command("redis", name)
    if command then return "env LD_PRELOAD= " .. command end
  end
end

--- Whether there is one.
function M.is_there() return find() ~= nil end

--- Why what speaks to it through sora.redis cannot run here, or nil.
---@return string?
function M.lacking()
  if not pcall(require, "sora.redis") then return "sora.redis is not built: there is no hiredis" end
  if not M.is_there() then return "there is no redis-server" end
end

local Server = {}
Server.__index = Server

-- The protocol (RESP2)

local function read_reply(connection)
  local line, err = connection:receive "*l"
  if not line then return nil, err end
  local kind, rest = line:sub(1, 1), line:sub(2)
  if kind == "-" then return nil, rest end
  if kind == "+" then return rest end
  if kind == ":" then return tonumber(rest) end
  local size = tonumber(rest)
  if size < 0 then return false end
  if kind == "$" then return (connection:receive(size + 2):sub(1, -3)) end
  local list = {}
  for i = 1, size do
    local value, message = read_reply(connection)
    list[i] = value == nil and { err = message } or value
  end
  return list
end

local function open(self)
  local connection, err = socket.connect("127.0.0.1", self.port)
  if not connection then return nil, err end
  connection:settimeout(START_SECONDS)
  connection:setoption("tcp-nodelay", true)
  self.connection = connection
  if self.password then self:call("AUTH", self.password) end
  return connection
end

--- Sends a command, on a connection of the spec's own, and waits for its reply.
---@return any reply  false for Redis' null; nil on an error
---@return string? err  as Redis says it
function Server:call(...)
  if not self.connection then
    local connection, err = open(self)
    if not connection then return nil, err end
  end
  local words = { "*" .. select("#", ...) }
  for i = 1, select("#", ...) do
    local word = tostring((select(i, ...)))
    words[#words + 1] = "$" .. #word .. "\r\n" .. word
  end
  self.connection:send(table.concat(words, "\r\n") .. "\r\n")
  local reply, err = read_reply(self.connection)
  if err == "closed" then self:hang_up() end
  return reply, err
end

function Server:hang_up()
  if self.connection then self.connection:close() end
  self.connection = nil
end

-- The process

local function launch(self)
  -- the shell waits for a line, or for the end of its input, and kills the server then. (A line,
  -- since processes that were started later may keep the pipe open.)
  local command = ("(cd %s && exec %s redis.conf) >>%s/log 2>&1 </dev/null & echo $! >%s/pid; "
    .. "read -r _; kill -9 $! 2>/dev/null; wait $! 2>/dev/null")
  local f = quote(self.folder)
  self.input = assert(io.popen("exec 2>/dev/null; "
    .. command:format(f, self.command, f, f), "w"))
  if not eventually(function() return self:call "PING" == "PONG" end, START_SECONDS) then
    error("redis-server did not start:\n" .. (files.read(self.folder .. "/log") or ""), 3)
  end
  self.pid = tonumber(files.read(self.folder .. "/pid"))
end

--- Starts a server for one spec.
---@param directives table?  of redis.conf: name -> value
---@return table server  url, port, pid, folder and the methods here
function M.start(directives)
  local self = setmetatable({
    command = assert(find(), "there is no redis-server"), folder = files.folder(),
    port = ports.free(1)[1],
  }, Server)
  local lines = {
    "bind 127.0.0.1", "port " .. self.port, "dir " .. self.folder, 'save ""', "loglevel warning",
    "unixsocket " .. self.folder .. "/redis.sock",
  }
  for name, value in pairs(directives or {}) do
    lines[#lines + 1] = ('%s "%s"'):format(name, value)
  end
  self.password = directives and directives.requirepass
  local user = self.password and ":" .. self.password .. "@" or ""
  self.url = ("redis://%s127.0.0.1:%d/0"):format(user, self.port)
  self.socket = self.folder .. "/redis.sock"
  files.write(self.folder .. "/redis.conf", table.concat(lines, "\n") .. "\n")
  launch(self)
  return self
end

---@param name string  STOP, CONT, …
function Server:signal(name) os.execute(("kill -%s %d"):format(name, self.pid)) end

--- Ends it as a power cut would.
function Server:kill()
  self:hang_up()
  self.input:write "\n"
  self.input:close()
end

--- Starts it again after `kill`, with what it has on the disk.
function Server:restart() launch(self) end

--- Ends it, and removes its files.
function Server:stop()
  if self.stopped then return end
  self.stopped = true
  self:kill()
  files.remove(self.folder)
end

return M

--- A line to Redis: a link, which is in C and brings commands there and replies back, and the rules
-- above it. What each connection begins with, and whether this Redis will do; what an error is;
-- commands that go to another address (MOVED) or again as a whole script (NOSCRIPT).
--
-- Longer than other files: a call and its line settle each other's errors, so they stand together.
--
-- A line is what drivers look after: see sora.attached in hosts/inbox.lua. What is started on it is
-- a call, which inboxes hold as they hold requests of a client.

local core = require "sora.core"
local addresses = require "sora.fleet.address"
local inboxes = require "sora.hosts.inbox"
local redis = require "sora.redis"

local M = {}

--- The oldest Redis that will do: the first with XAUTOCLAIM.
local LEAST = { 6, 2 }
local TOO_OLD = "Redis %s is too old: 6.2 or later is needed"
local MOST_HOPS = 5 -- addresses to which MOVED may send one command

--- Errors of Redis' own, by their first words, that may be gone when the command is sent again.
local PASSING_CODES = {
  LOADING = true, OOM = true, BUSY = true, READONLY = true, MASTERDOWN = true, MISCONF = true,
  CLUSTERDOWN = true, TRYAGAIN = true, NOREPLICAS = true, ASK = true, MOVED = true,
}

--- Kinds of errors that may be.
local PASSING_KINDS = { connect = true, dns = true, timeout = true, network = true }

-- Calls

---@class sora.fleet.call
---@field line sora.fleet.line
---@field inbox sora.inbox?
---@field words string[]
---@field eval string[]?  what is sent when Redis does not know the script
---@field hops integer
---@field told fun(value: any)?  called at its end
---@field done boolean?
---@field value any
---@field failure sora.error?
local Call = {}
Call.__index = Call

--- What Redis answered.
---@return any? reply
---@return sora.error? err
function Call:result() return self.value, self.failure end

local function settle(call, value, failure)
  call.done, call.value, call.failure = true, value, failure
  if call.told then call.told(value) end
end

--- Ends it; what was sent of it may be carried out all the same.
function Call:cancel()
  if self.done then return end
  settle(self, nil, self.line:error("cancelled", "cancelled by the caller"))
  if self.inbox then inboxes.put(self.inbox, self) end
end

-- Errors

---@class sora.fleet.line
---@field link userdata
---@field address sora.fleet.address
---@field home sora.fleet.address  where it began
---@field driver sora.driver
---@field greeting (fun(): string[][])?  further commands that each connection begins with
---@field on_message fun(channel: string, text: string)?
---@field on_back fun()?  connected again
---@field connections integer  how many there have been
---@field commands string[][]  what a connection begins with
---@field stale boolean?  whether that has changed, and the next connection has to be told
local Line = {}
Line.__index = Line

local function without(text, secret)
  if not secret or secret == "" then return text end
  return (text:gsub(secret:gsub("%p", "%%%0"), "***"))
end

--- An error, which says where Redis is and has no password in it.
---@return sora.error
function Line:error(kind, message, sent)
  local code = kind == "api" and message:match "^(%u[%u%d_]*)" or nil
  local text = ("Redis at %s: %s"):format(self.address.shown, message)
  return core.error {
    kind = kind, code = code, sent = sent,
    message = without(text, self.address.password),
    retryable = PASSING_KINDS[kind] or PASSING_CODES[code] or false,
  }
end

-- The greeting

local function base_greeting(address)
  local commands = {}
  if address.password then
    commands[1] = { "AUTH", address.password }
    if address.user then commands[1] = { "AUTH", address.user, address.password } end
  end
  commands[#commands + 1] = { "HELLO" } -- since 6.0; no user can be kept from it
  if address.db ~= 0 then commands[#commands + 1] = { "SELECT", ("%d"):format(address.db) } end
  return commands
end

local function version_of(reply)
  for i = 1, #reply, 2 do
    if reply[i] == "version" then return reply[i + 1] end
  end
end

local function is_too_old(version)
  local major, minor = tostring(version):match "^(%d+)%.(%d+)"
  major, minor = tonumber(major), tonumber(minor)
  return major and (major < LEAST[1] or major == LEAST[1] and minor < LEAST[2])
end

--- Why this Redis will not do, by its replies to the greeting; nil: it will.
---@return string? message
local function refusal(commands, replies)
  for i, reply in ipairs(replies) do
    local name = commands[i] and commands[i][1]
    local err = type(reply) == "table" and reply.err
    if err and name == "HELLO" and err:find "unknown command" then
      return TOO_OLD:format "before 6.0"
    elseif err then
      return err
    elseif name == "HELLO" and is_too_old(version_of(reply)) then
      return TOO_OLD:format(core.plain(version_of(reply), 20))
    end
  end
end

--- Sets what the next connection begins with.
function Line:greet()
  self.stale = nil
  local commands = base_greeting(self.address)
  for _, command in ipairs(self.greeting and self.greeting() or {}) do
    commands[#commands + 1] = command
  end
  self.commands = commands
  self.link:greet(commands)
end

local function judge(line, replies)
  local message = refusal(line.commands, replies)
  if message then
    line.link:lose("api", without(message, line.address.password))
    return
  end
  line.link:accept()
  local again = line.connections > 0
  line.connections = line.link:connections()
  if again and line.on_back then line.on_back() end
end

-- Where commands go

local function move(line, address)
  line.address = address
  line.link:move(address.host, address.port)
  line.stale = true
end

--- Follows "MOVED slot host:port"; without a host in it that of the Redis that has said so. Returns
-- whether the command is to be sent again.
local function follow(line, call, message)
  local host, port = message:match "^MOVED %d+ (.-):(%d+)$"
  if not host or call.hops >= MOST_HOPS then return false end
  call.hops = call.hops + 1
  if host == "" or host == "?" then host = line.address.host end
  port = tonumber(port)
  if not host then return false end
  if host ~= line.address.host or port ~= line.address.port then
    move(line, addresses.at(line.home, host, port))
  end
  return true
end

--- Whether the command is sent again because of what came of it.
local function again(line, call, kind, message)
  if kind == "api" and message:find "^MOVED " then return follow(line, call, message) end
  if kind == "api" and call.eval and message:find "^NOSCRIPT" then
    call.words, call.eval = call.eval, nil
    return true
  end
  if kind == "api" and message:find "^READONLY" then -- another Redis has become the master
    line.link:lose("network", "it is no master any more")
  elseif PASSING_KINDS[kind] and line.address ~= line.home and line.home.host then
    move(line, line.home) -- where MOVED had sent it nobody answers
  end
  return false
end

--- Takes in what came of a call. Returns whether it has ended.
local function take(line, call)
  if call.done then return false end
  local ok, value, kind, message, sent = pcall(call.command.result, call.command)
  call.command = nil
  if not ok then
    settle(call, nil, line:error("memory", tostring(value)))
  elseif value ~= nil then
    settle(call, value)
  elseif again(line, call, kind, message) then
    line.link:send(call.words, call)
    return false
  else
    settle(call, nil, line:error(kind, message, sent))
  end
  return true
end

-- For drivers

--- The next call that has ended, and its inbox.
function Line:finished()
  local message = self.link:message()
  while message do
    if self.on_message then self.on_message(message[2], message[3]) end
    message = self.link:message()
  end
  local call = self.link:next()
  while call do
    if take(self, call) and call.inbox then return call, call.inbox end
    call = self.link:next()
  end
end

function Line:step()
  if self.stale and not self.link:connected() then self:greet() end
  self.link:step()
  local replies = self.link:greeted()
  if replies then judge(self, replies) end
end

function Line:pollfd() return self.link:pollfd() end
function Line.events() return "r" end
function Line:timeout() return self.link:timeout() end
function Line:in_flight() return self.link:in_flight() end
function Line:closed() return self.link:closed() end

-- For connection.lua

--- Starts a call.
---@param inbox sora.inbox?  where it is delivered
---@param note any  remembered with it there; true by default
---@param words string[]  the command
---@param eval string[]?  what is sent in its place when Redis does not know the script
---@return sora.fleet.call
function Line:start(inbox, note, words, eval)
  local call = setmetatable({
    line = self, inbox = inbox, words = words, eval = eval, hops = 0,
  }, Call)
  if inbox then inbox.pending[call] = note == nil and true or note end
  if self:closed() then
    settle(call, nil, self:error("cancelled", "the connection was closed"))
    if inbox then inboxes.put(inbox, call) end
    return call
  end
  self.link:send(words, call)
  self.driver.attach(self)
  return call
end

--- Ends all calls.
function Line:cancel()
  self.link:cancel()
  inboxes.deliver(self)
end

function Line:close()
  if self.driver.detach and not self:closed() then self.driver.detach(self) end
  self.link:close()
  inboxes.deliver(self)
end

---@param address sora.fleet.address
---@param settings table  connect_timeout, command_timeout, in seconds
---@param driver sora.driver
---@param greeting (fun(): string[][])?  of a line for messages
---@return sora.fleet.line
function M.new(address, settings, driver, greeting)
  local line = setmetatable({
    address = address, home = address, driver = driver, greeting = greeting, connections = 0,
    link = redis.link {
      host = address.host, port = address.port, path = address.path, tls = address.tls,
      connect_timeout = settings.connect_timeout, command_timeout = settings.command_timeout,
      subscriber = greeting ~= nil,
    },
  }, Line)
  line:greet()
  return line
end

return M

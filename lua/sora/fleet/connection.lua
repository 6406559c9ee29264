--- The connection to Redis: commands, scripts and messages, in whatever host. It is made when the
-- first command is sent, and again when it was lost; docs/fleet.md has the rules.
--
-- Many flows of control share it: their commands travel behind one another on one line. Messages
-- come on a line of their own, which is there while somebody wants them.

local core = require "sora.core"
local addresses = require "sora.fleet.address"
local inboxes = require "sora.hosts.inbox"
local lines = require "sora.fleet.line"
local messages = require "sora.fleet.messages"
local plain = require("sora.hosts.module").plain
local redis = require "sora.redis"

local unpack = table.unpack or unpack

local M = {}

local CONNECT_TIMEOUT, COMMAND_TIMEOUT = 5, 5 -- seconds

---@class sora.fleet.connection
---@field address sora.fleet.address
---@field settings table
---@field commands sora.fleet.line
---@field messages sora.fleet.messages?
---@field driver sora.driver
---@field calls sora.calls
local Connection = {}
Connection.__index = Connection
Connection.__name = "sora.fleet.connection"

-- Commands

--- Redis knows strings only: all digits of a number, whatever the locale.
local function as_word(value, place)
  if type(value) == "string" then return value end
  local text = type(value) == "number" and core.encode(value)
  if not text then
    error(("bad argument #%d (string or number expected, got %s)"):format(place, type(value)), 4)
  end
  return text
end

local function as_words(...)
  local words = { ... }
  for i = 1, select("#", ...) do words[i] = as_word(words[i], i) end
  return words
end

local function await(connection, words, eval)
  local inbox = inboxes.of(connection.commands, connection.driver, connection.calls)
  connection.commands:start(inbox, nil, words, eval)
  return inboxes.guard(inbox, inboxes.result, inbox)
end

--- Starts a command, which ends in the inbox as a request of a client does.
---@param inbox sora.inbox
---@param note any
---@param ... string|number
---@return sora.fleet.call
function Connection:start(inbox, note, ...)
  local words = as_words(...)
  return self.commands:start(inbox, note, words)
end

--- Sends a command and waits for its reply: null is false, an array a table.
---@param ... string|number
---@return any? reply
---@return sora.error? err
function Connection:command(...)
  local words = as_words(...)
  return await(self, words)
end

-- Scripts

---@class sora.fleet.script
---@field source string
---@field sha1 string?  what Redis calls it, once it has said so
---@field asked boolean?  Redis was asked, and has not answered

--- A script, which Redis is sent as a whole until it has said what it calls it.
---@param source string  in Lua, for Redis' EVAL
---@return sora.fleet.script
function M.script(source) return { source = source } end

local function learn(connection, script)
  if script.asked then return end
  script.asked = true
  local call = connection.commands:start(nil, nil, { "SCRIPT", "LOAD", script.source })
  function call.told(sha1) script.sha1, script.asked = sha1, sha1 ~= nil end
end

--- The command that calls a script: by the name that Redis has for it, where that is known, else
-- with its source.
---@return string[] words
---@return string[]? eval  beside a name: the same with the source, for a Redis that has lost it
local function words_of(connection, script, keys, args)
  local words, count = { "EVAL", script.source, ("%d"):format(#keys) }, 3
  for _, list in ipairs { keys, args or {} } do
    for i = 1, #list do
      count = count + 1
      words[count] = as_word(list[i], i)
    end
  end
  if script.sha1 then return { "EVALSHA", script.sha1, unpack(words, 3, count) }, words end
  learn(connection, script)
  return words
end

--- Starts a script.
---@param inbox sora.inbox
---@param note any
---@param script sora.fleet.script
---@param keys string[]
---@param args (string|number)[]?
---@return sora.fleet.call
function Connection:start_script(inbox, note, script, keys, args)
  local words, eval = words_of(self, script, keys, args)
  return self.commands:start(inbox, note, words, eval)
end

---@param script sora.fleet.script
---@param keys string[]
---@param args (string|number)[]?
---@return any? reply
---@return sora.error? err
function Connection:script(script, keys, args)
  local words, eval = words_of(self, script, keys, args)
  return await(self, words, eval)
end

-- Messages

--- Has fn(text) called at each message of the channel, from now on, and fn(nil) when the connection
-- was lost and is back: what came meanwhile was missed. It is called while the driver delivers, and
-- must neither wait nor raise.
---@param channel string
---@param fn fun(text: string?)
---@param inbox sora.inbox?  that holds the subscription: messages are looked after while somebody
---   sleeps on it, and the subscription ends when it is cancelled
---@return sora.fleet.subscription? subscription
---@return sora.error? err
function Connection:subscribe(channel, fn, inbox)
  self.messages = self.messages or messages.new(self.address, self.settings, self.driver)
  local waiting = inboxes.of(self.messages.line, self.driver, self.calls)
  local subscription = self.messages:subscribe(channel, fn, inbox, waiting)
  local reply, err = inboxes.guard(waiting, inboxes.result, waiting)
  if reply then return subscription end
  subscription:cancel()
  return nil, err
end

-- The end

--- Ends all calls, as cancelled; what was sent of them may be carried out all the same.
function Connection:cancel()
  self.calls.cancels = self.calls.cancels + 1
  self.commands:cancel()
  for inbox in pairs(self.calls.sleeping) do inbox.driver.wake(inbox) end
end

function Connection:close()
  self.commands:close()
  if self.messages then self.messages.line:close() end
  for inbox in pairs(self.calls.sleeping) do inbox.driver.wake(inbox) end
end

function Connection:closed() return self.commands:closed() end

--- How many commands have not ended.
function Connection:in_flight() return self.commands:in_flight() end

Connection.__close = Connection.close

function Connection:__tostring()
  local state = self:closed() and "closed" or ("%d in flight"):format(self:in_flight())
  return ("sora.fleet.connection (%s, %s)"):format(self.commands.address.shown, state)
end

-- Making one

local function misuse(level, what) error(what, level + 1) end

local function seconds(opts, name, default, level)
  local value = opts[name]
  if value == nil then return default end
  if type(value) ~= "number" or not (value > 0 and value < 1e9) then
    misuse(level + 1, ("option '%s' must be a number of seconds above 0"):format(name))
  end
  return value
end

---@class sora.fleet.connection_options
---@field redis string  a URL: redis://, rediss://, unix://
---@field client sora.client?  whose driver waits …
---@field driver sora.driver?  … or this one; that of plain scripts by default
---@field connect_timeout number?  seconds from a name to a Redis that has answered; 5
---@field command_timeout number?  seconds for each command, to wait for a connection included; 5

--- Makes a connection, which connects when it is first used. Misuse is raised `level` up.
---@param opts sora.fleet.connection_options
---@param level integer?  1: at the caller
---@return sora.fleet.connection
function M.new(opts, level)
  level = level or 1
  local address, what = addresses.parse(opts.redis)
  if not address then misuse(level + 1, "option 'redis' " .. what) end
  if address.tls and not redis.tls then
    misuse(level + 1, ("option 'redis' is rediss://, for which hiredis %s has no TLS"):format(
      redis.hiredis))
  end
  local settings = {
    connect_timeout = seconds(opts, "connect_timeout", CONNECT_TIMEOUT, level + 1),
    command_timeout = seconds(opts, "command_timeout", COMMAND_TIMEOUT, level + 1),
  }
  local driver = opts.driver or opts.client and core.driver(opts.client) or plain
  return setmetatable({
    address = address, settings = settings, driver = driver, calls = inboxes.new_calls(),
    commands = lines.new(address, settings, driver),
  }, Connection)
end

return M

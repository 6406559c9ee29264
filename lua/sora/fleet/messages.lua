--- Messages of Redis' channels (SUBSCRIBE): a line of their own, connected while somebody is
-- subscribed, which subscribes anew with each connection. Redis keeps none for those who are away.

local lines = require "sora.fleet.line"

local M = {}

---@class sora.fleet.messages
---@field line sora.fleet.line
---@field channels table<string, table<sora.fleet.subscription, boolean>>
local Messages = {}
Messages.__index = Messages

---@class sora.fleet.subscription
---@field messages sora.fleet.messages
---@field channel string
---@field fn fun(text: string?)
---@field inbox sora.inbox?  that holds it
local Subscription = {}
Subscription.__index = Subscription

local function commands_of(channels)
  local commands = {}
  for channel in pairs(channels) do commands[#commands + 1] = { "SUBSCRIBE", channel } end
  return commands
end

local function tell(subscriptions, text)
  local told = {} -- a copy: each may cancel itself or another one
  for subscription in pairs(subscriptions or told) do told[#told + 1] = subscription end
  for _, subscription in ipairs(told) do
    if not subscription.cancelled then subscription.fn(text) end
  end
end

--- Adds a subscription. It is in force when the call that is put into `waiting` has ended.
---@param channel string
---@param fn fun(text: string?)
---@param inbox sora.inbox?
---@param waiting sora.inbox
---@return sora.fleet.subscription
function Messages:subscribe(channel, fn, inbox, waiting)
  local subscription = setmetatable({
    messages = self, channel = channel, fn = fn, inbox = inbox,
  }, Subscription)
  if not self.channels[channel] then
    self.channels[channel] = {}
    self.line.stale = true
  end
  self.channels[channel][subscription] = true
  self.line.link:keep(true)
  self.line:start(waiting, nil, { "SUBSCRIBE", channel })
  if inbox then inbox.pending[subscription] = true end
  return subscription
end

--- Ends it; idempotent.
function Subscription:cancel()
  if self.cancelled then return end
  self.cancelled = true
  if self.inbox then self.inbox.pending[self] = nil end
  local line, channels = self.messages.line, self.messages.channels
  channels[self.channel][self] = nil
  if next(channels[self.channel]) then return end
  channels[self.channel] = nil
  line.stale = true
  if line:closed() then return end
  if next(channels) == nil then line.link:keep(false) end
  line:start(nil, nil, { "UNSUBSCRIBE", self.channel })
end

---@param address sora.fleet.address
---@param settings table  of a line
---@param driver sora.driver
---@return sora.fleet.messages
function M.new(address, settings, driver)
  local messages = setmetatable({ channels = {} }, Messages)
  messages.line = lines.new(address, settings, driver, function()
    return commands_of(messages.channels)
  end)
  function messages.line.on_message(channel, text) tell(messages.channels[channel], text) end
  function messages.line.on_back()
    for _, subscriptions in pairs(messages.channels) do tell(subscriptions, nil) end
  end
  return messages
end

return M

-- Asks a server and prints what came of it, in one line: see servers/loads.lua. For specs that have
-- to ask from another place.
-- Usage: lua spec/support/ask.lua URL CA_FILE sequence|burst|wait COUNT [NAME=VALUE…]
-- The options are the client's, and of the load: concurrency of a burst, pause before each of a
-- sequence and interval of a wait, in seconds.

package.path = "./?.lua;" .. package.path

local loads = require "spec.support.servers.loads"
local sora = require "sora"
local system = require "system"

local url, ca_file, load, count = arg[1], arg[2], arg[3], tonumber(arg[4])
local options, own = {}, { concurrency = 100, interval = 0.5, pause = 0 }
for place = 5, #arg do
  local name, value = arg[place]:match "^(.-)=(.*)$"
  local into = own[name] and own or options
  into[name] = tonumber(value) or value
end
options.base_url, options.ca_file, options.api_key = url, ca_file, "any"
local size = tonumber(url:match "/s(%d+)$")

local client = sora.client(options)
local tally
if load == "sequence" then
  tally = loads.sequence(client, count, size, function() system.sleep(own.pause) end)
elseif load == "burst" then
  tally = loads.burst(client, count, own.concurrency)
else
  tally = loads.wait(client, count, {
    interval = own.interval, max_interval = own.interval, max_errors = 100, timeout = 100,
  })
end
print(tally)
client:close()

-- Networks of two machines that are namespaces of the kernel, with spec/support/carrier.c between
-- them: what it does to packets is said to it while a program runs.
--
--   local network = networks.new { mtu = 576 }
--   local server = servers.start("nginx", { within = network.server, address = networks.SERVER })
--   local asking = network:start "lua …"       -- in the client's namespace; see program.lua
--   network:tell "loss 50"
--   network:close()
--
-- The namespaces have no names and belong to processes that end with this one, however it ends.

local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local helpers = require "spec.support.helpers"
local program = require "spec.support.program"
local shell = require "spec.support.shell"

local M = {}

--- Addresses: of the client; of the server, which has OTHER as well; of nobody, whence no answer
-- ever comes. By RFC 6724, section 6, rule 9 getaddrinfo puts SILENT first.
M.CLIENT, M.SERVER, M.OTHER, M.SILENT = "10.77.0.1", "10.77.0.8", "10.77.0.9", "10.77.0.3"
M.CLIENT_6, M.SILENT_6 = "fd77::1", "fd77::3"

local output_of, quote = shell.output_of, shell.quote

--- Why there can be none.
---@return string? reason  nil where there can
function M.impossible()
  local said = output_of [[unshare -n -m sh -c 'ip link set lo up && mount -t tmpfs none /mnt &&
    ip tuntap add probe mode tun' 2>&1 && echo fine]]
  if said ~= "fine" then return "networks of the specs' own cannot be made here: " .. said end
end

local Network = {}
Network.__index = Network

local function await(condition, what)
  if not eventually(condition, 10) then error(what(), 3) end
end

--- Starts what holds a namespace, with /etc/hosts of its own. Returns its pid and its input.
local function hold(folder, name)
  local input = assert(io.popen(([[cd %s && exec unshare -n -m sh -c '
    ip link set lo up && mount --bind hosts /etc/hosts && echo $$ >%s && read -r end' \
    >%s.said 2>&1]])
    :format(quote(folder), name, name), "w"))
  local function pid() return (files.read(folder .. "/" .. name) or ""):match "(%d+)\n" end
  await(pid, function() return files.read(folder .. "/" .. name .. ".said") end)
  return pid(), input
end

--- Makes one.
---@param options table|nil  mtu: in bytes, default 1500
---@return table network  client, server: what commands in each begin with; and these methods
function M.new(options)
  local folder = files.folder()
  files.write(folder .. "/hosts", "127.0.0.1 localhost\n")
  local client, client_input = hold(folder, "client")
  local server, server_input = hold(folder, "server")
  local enter = "nsenter -t %s -n -m -r --wd=" .. quote(output_of "pwd") .. " -- "
  local said = folder .. "/carrier"
  local carrier = assert(io.popen(("%scarrier %s %s/24 %s %s/24 %d >%s 2>&1"):format(
    helpers.build(), client, M.CLIENT, server, M.SERVER, options and options.mtu or 1500,
    quote(said)), "w"))
  local self = setmetatable({
    folder = folder, carrier = carrier, inputs = { client_input, server_input },
    client = enter:format(client), server = enter:format(server),
  }, Network)
  await(function() return files.read(said) end, function() return "the carrier did not start" end)
  await(function() return files.read(said):find "ready" end, function() return files.read(said) end)
  self:change(self.client, ("ip address add %s/64 dev net0 2>/dev/null || true"):format(M.CLIENT_6))
  self:change(self.server, ("ip address add %s/24 dev net0"):format(M.OTHER))
  return self
end

--- Runs a command in one of its namespaces.
---@param within string  network.client or network.server
---@param command string
function Network.change(_, within, command)
  local said = output_of(("%s%s 2>&1 && echo fine"):format(within, command))
  if said ~= "fine" then error(command .. ": " .. said, 2) end
end

--- Says what /etc/hosts has, in both namespaces.
---@param lines string
function Network:hosts(lines)
  files.write(self.folder .. "/hosts", "127.0.0.1 localhost\n" .. lines)
end

--- Tells the carrier something.
---@param line string  see carrier.c
function Network:tell(line)
  self.carrier:write(line .. "\n")
  self.carrier:flush()
end

--- Starts a program in the client's namespace.
---@param command string
---@return table program  of program.lua
function Network:start(command) return program.start(self.client .. command) end

--- Ends it, with all that the carrier held.
---@return table<string, integer> counts  what the carrier has done: packets, lost, …
function Network:close()
  for _, input in ipairs { self.carrier, self.inputs[1], self.inputs[2] } do
    input:write "end\n" -- a program that runs beside this one may hold the pipe as well
    input:close()
  end
  local counts = {}
  for name, count in (files.read(self.folder .. "/carrier") or ""):gmatch "(%a+) (%d+)" do
    counts[name] = tonumber(count)
  end
  files.remove(self.folder)
  return counts
end

return M

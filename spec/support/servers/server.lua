-- Starts servers that nobody here wrote, each on loopback in a folder of its own: from Debian's
-- packages, unpacked by setup.sh into build/servers, or the machine's own.
--
--   local server = servers.start("nginx", { site = sites.new(), requests = 10 })
--   local client = sora.client(server:options("h2", "/s4"))
--   server:tell "sleep 0.5; signal HUP"    -- done while this process is busy
--   server:stop()
--
-- A kind of server is a module beside this one:
--   programs     names of its program, where that is not the module's: the first that there is
--   protocols    which of "http" (HTTP/1.1), "https" (the same behind TLS) and "h2" it speaks
--   command      function(setup): writes the configuration, returns the command line's arguments.
--                setup has folder, ports (by protocol), is_root, and the options of start
--   https_version  what a client has to ask for, where "https" would become HTTP/2
--   wide         it can add headers to answers
--   idle         the shortest time in seconds after which it can close an idle connection
--   requests     protocols over which it can close a connection after so many requests
--   proxies      it can ask a backend
--   reload, reloaded  the signal that has it read its configuration anew; the pattern of what it
--                says then

local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local ports = require "spec.support.ports"
local shell = require "spec.support.shell"
local socket = require "socket"
local unpacked = require "spec.support.unpacked"

local M = {}

local output_of, quote = shell.output_of, shell.quote

--- Those that answer questions themselves.
M.FRONTS = { "nginx", "apache", "haproxy", "h2o", "nghttpd" }

local ROOT = unpacked.folder "servers"

--- Where a server's own files are, such as its modules.
---@param path string  as the package has it
---@return string
function M.file(path)
  return (files.exists(ROOT .. path) and ROOT or "") .. path
end

--- What a server of this kind can do.
---@param name string
---@return table
function M.kind(name) return require("spec.support.servers." .. name) end

--- What starts a server: its program, with the libraries that were unpacked beside it, and without
-- those of a checker that this process runs beneath.
---@param name string
---@return string? command  nil where there is none
local function find(name)
  for _, program in ipairs(M.kind(name).programs or { name }) do
    for _, path in ipairs { "/usr/sbin/" .. program, "/usr/bin/" .. program } do
      if files.exists(ROOT .. path) then
        return ("LD_PRELOAD= %s exec %s"):format(unpacked.environment(ROOT), quote(ROOT .. path))
      elseif files.exists(path) then
        return "LD_PRELOAD= exec " .. path
      end
    end
  end
end

--- Whether there is such a server.
---@param name string
---@return boolean
function M.is_there(name) return find(name) ~= nil end

--- A free port for each name.
local function ports_of(names)
  local free, found = ports.free(#names), {}
  for i, name in ipairs(names) do found[name] = free[i] end
  return found
end

local Server = {}
Server.__index = Server

local function await(condition, what, seconds)
  if not eventually(condition, seconds) then error(what, 3) end
end

local function is_listening(port)
  local probe = socket.connect("127.0.0.1", port)
  if probe then probe:close() end
  return probe ~= nil
end

--- The same, asked by the curl program in another namespace.
local function is_listening_within(within, address, port)
  local command = "%s curl -s -m 1 --noproxy '*' -o /dev/null -w '%%{http_code}' http://%s:%d/"
  return output_of(command:format(within, address, port)) ~= "000"
end

--- Writes its configuration and has its supervisor start it. Returns the server, or nil and what it
-- said.
local function launch(name, program, options)
  local kind = M.kind(name)
  local setup = { folder = files.folder(), is_root = output_of "id -u" == "0" }
  for key, value in pairs(options or {}) do setup[key] = value end
  setup.ports = setup.ports or ports_of(kind.protocols)
  files.write(setup.folder .. "/command", program .. " " .. kind.command(setup) .. "\n")
  local self = setmetatable({
    name = name, kind = kind, folder = setup.folder, ports = setup.ports, site = setup.site,
    address = setup.address, within = setup.within,
    input = assert(io.popen(("%s sh spec/support/servers/supervisor.sh %s 2>/dev/null"):format(
      setup.within or "", quote(setup.folder)), "w")),
  }, Server)
  self:tell "start"
  local ok, message = pcall(self.await, self)
  if ok then return self end
  message = message .. "\n" .. self:log()
  self:stop()
  return nil, message
end

--- Starts one, a second time where that does not succeed: a port that was free may be so no longer.
---@param name string  of its module
---@param options table|nil  site: answers and certificate, see site.lua; backend: port of a server
---   that it asks; ports: those of another server; within: what its command begins with, such as
---   nsenter …; address: where it listens then; others as its module says
---@return table server  folder, ports, kind and these methods
function M.start(name, options)
  local program = assert(find(name), "there is no " .. name)
  local server, message = launch(name, program, options)
  if not server then server, message = launch(name, program, options) end
  return server or error(message, 2)
end

--- Waits until it listens on all its ports.
function Server:await()
  for _, port in pairs(self.ports) do
    await(function()
      if self.within then return is_listening_within(self.within, self.address, port) end
      return is_listening(port)
    end, self.name .. " did not start", 10)
  end
end

--- Has its supervisor do something, after what it was told before.
---@param commands string  of the shell; see supervisor.sh
function Server:tell(commands)
  self.input:write("cd " .. quote(self.folder) .. "; " .. commands .. "\n")
  self.input:flush()
end

---@param protocol string  "http", "https" or "h2"
---@return string
function Server:url(protocol)
  local scheme = protocol == "http" and "http" or "https"
  return ("%s://127.0.0.1:%d"):format(scheme, self.ports[protocol])
end

--- Options of a client that asks it.
---@param protocol string
---@param path string  before /v1/video/query
---@param more table|nil  further options
---@return table
function Server:options(protocol, path, more)
  local options = {
    api_key = "any", base_url = self:url(protocol) .. path, ca_file = self.site.certificate,
  }
  if protocol == "https" then options.http_version = self.kind.https_version end
  for name, value in pairs(more or {}) do options[name] = value end
  return options
end

--- What it has printed and written to its log.
---@return string
function Server:log()
  return (files.read(self.folder .. "/output") or "") .. (files.read(self.folder .. "/log") or "")
end

--- Ends it and waits for its end. Its folder is gone then.
function Server:stop()
  if not self.input then return end
  self:tell "finish" -- a program that runs beside this one may hold the pipe as well
  self.input:close()
  self.input = nil
end

return M

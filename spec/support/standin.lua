-- Starts the stand-in service for specs and talks to its control port through the curl program.
--
--   local service = require("spec.support.standin").shared()
--   local id = service:id("queued", "500*2", "completed")
--   … query id at service.base_url, trusting service.ca_file …
--   assert.are.equal(4, #service:log(id))
--
-- service.lua documents steps and addresses. The service reads from a pipe that this process
-- holds: it ends with this process, however that ends. Longer than other files: the methods of one
-- object stand together.

local json = require "dkjson"
local files = require "spec.support.files"
local pattern = require "spec.support.service.pattern"
local shell = require "spec.support.shell"
local socket = require "socket"
local system = require "system"
local texts = require "spec.support.service.text"

local M = {}

local START_SECONDS = 20
local PATIENCE = 30 -- seconds for an answer of the control port

local quote = shell.quote

local Service = {}
Service.__index = Service

-- The whole of a file that is still being written by the service.
local function read_again(file)
  file:seek("set")
  return file:read("*a")
end

-- Waits until the service has announced itself in a file; returns what it says. One that
-- complains before that gets half a second more.
local function await_announcement(out, errors)
  local left = START_SECONDS * 100
  while left > 0 do
    local text = read_again(out)
    if text:find("\nready=1\n", 1, true) then
      local announced = {}
      for key, value in text:gmatch("([^=\n]+)=([^\n]*)") do
        announced[key] = value
      end
      return announced
    end
    left = #read_again(errors) > 0 and math.min(left, 50) - 1 or left - 1
    system.sleep(0.01)
  end
  error("the stand-in service did not start:\n" .. read_again(errors), 0)
end

--- The interpreter of the service: this one, or another where this one has no cqueues.
local function interpreter()
  for template in package.cpath:gmatch "[^;]+" do
    if files.exists((template:gsub("?", "_cqueues"))) then return shell.LUA end
  end
  for _, lua in ipairs { "lua5.4", "lua5.3", "luajit", "lua5.1" } do
    if shell.output_of(lua .. " -e 'print(pcall(require, [[cqueues]]))' 2>&1"):find "^true" then
      return lua
    end
  end
  error("the stand-in service needs a Lua that has lua-http", 3)
end

--- Starts a service of one's own.
---@param options table<string, number>|nil  as of service.lua, with _ for -
---@return table service  its addresses (base_url, cdn_url, …), ca_file, pid and these methods
function M.start(options)
  -- The collector of greedy.lua is not for the service.
  local command = { "exec env -u LUA_INIT", quote(interpreter()), "spec/support/service.lua" }
  for name, value in pairs(options or {}) do
    command[#command + 1] = string.format("--%s %s", (name:gsub("_", "-")), value)
  end
  -- The files have no names any more once the service has opened them: nothing is left behind.
  local out_name, errors_name = os.tmpname(), os.tmpname()
  local out, errors = assert(io.open(out_name)), assert(io.open(errors_name))
  command[#command + 1] = ">" .. quote(out_name) .. " 2>" .. quote(errors_name)
  local input = assert(io.popen(table.concat(command, " "), "w"))
  local ok, announced = pcall(await_announcement, out, errors)
  out:close()
  os.remove(out_name)
  os.remove(errors_name)
  if not ok then
    error(announced, 2)
  end
  announced.input, announced.errors, announced.told, announced.serial = input, errors, 0, 0
  return setmetatable(announced, Service)
end

--- The service that all specs of a run share. It is started at the first call.
---@return table service
function M.shared()
  -- busted gives each spec file fresh globals and modules; the registry stays.
  local registry = debug.getregistry()
  local service = registry["spec.support.standin"]
  if not service or service.stopped then
    service = M.start()
    registry["spec.support.standin"] = service
  end
  return setmetatable(service, Service)
end

--- Whether it still answers. The curl program need not be there.
---@return boolean
function Service:is_answering()
  local connection = socket.connect("127.0.0.1", self.control_url:match ":(%d+)")
  if not connection then return false end
  connection:settimeout(PATIENCE)
  connection:send "GET /control/stats HTTP/1.0\r\n\r\n"
  local line = connection:receive()
  connection:close()
  return line ~= nil
end

--- Ends the service and waits for its end. One that answers nobody any more is killed: it might
--- never notice that it is to end.
---@return string complaints  see below
function Service:stop()
  if self.stopped then
    return ""
  end
  self.stopped = true
  if not self:is_answering() then
    os.execute("kill -9 " .. self.pid)
  end
  self.input:close()
  return self:complaints()
end

--- What the service has written to its standard error since this was called last: nothing, unless
-- it has a bug.
---@return string
function Service:complaints()
  local all = read_again(self.errors)
  local fresh = all:sub(self.told + 1)
  self.told = #all
  return fresh
end

-- Calls the control port; arguments are name, value, name, value … of the query.
local function control(self, method, name, body, ...)
  local query = {}
  for index = 1, select("#", ...), 2 do
    local key, value = select(index, ...)
    if value ~= nil then
      query[#query + 1] = key .. "=" .. texts.percent_encode(tostring(value))
    end
  end
  local command = { "curl -sS --noproxy '*' --max-time " .. PATIENCE .. " -X", method }
  local upload
  if body then
    upload = os.tmpname()
    files.write(upload, json.encode(body))
    command[#command + 1] = "--data-binary @" .. quote(upload)
  end
  command[#command + 1] = quote(self.control_url .. "/control/" .. name .. "?"
    .. table.concat(query, "&"))
  local text = shell.output_of(table.concat(command, " "))
  if upload then
    os.remove(upload)
  end
  local answer, _, why = json.decode(text)
  if not answer or answer.error then
    error("stand-in service: " .. (answer and answer.error or why or text), 3)
  end
  return answer
end

--- An id that nobody has used yet and that the given steps answer, without a control call.
---@vararg string  steps
---@return string id
function Service:id(...)
  self.serial = self.serial + 1
  local moment = system.gettime() * 1e6 % 1e6 -- a process that a spec forked counts on for itself
  return string.format("sora-2:task_%s~%d%06d", table.concat({ ... }, ","), self.serial,
    math.floor(moment))
end

--- Gives an id a script, and starts it afresh.
---@param id string
---@param steps table  list of strings and objects: {step=…, times=…, any parameter=…}
function Service:script(id, steps)
  control(self, "PUT", "script", steps, "id", id)
end

--- Gives many ids their scripts at once.
---@param scripts table<string, table>
function Service:scripts(scripts)
  control(self, "PUT", "scripts", scripts)
end

--- Makes a share of all answers faulty; without an argument none any more.
---@param noise table|nil  rate 0..1, steps, seed
function Service:noise(noise)
  control(self, "PUT", "noise", noise or json.decode("{}"))
end

--- The requests as the service saw them, oldest first.
---@param id string|nil  those of one id only
---@param port string|nil  those of one port only: tls, h1, http, cdn
---@return table[] entries  seq, time, port, http, connection, stream, method, path, id, step,
---  status, seconds, headers (map of lower-case names), header_list (pairs, in order)
function Service:log(id, port)
  return control(self, "GET", "log", nil, "id", id, "port", port)
end

--- The tasks that were made, oldest first.
---@return table[] created  id, task (the id without its model), model, method, path, key (its
---  Idempotency-Key), body or parts
function Service:created()
  return control(self, "GET", "created")
end

---@return table  counts since the last reset
function Service:stats()
  return control(self, "GET", "stats")
end

--- Forgets scripts, log and counts; with an id, only how far that id's script has come.
---@param id string|nil
function Service:reset(id)
  control(self, "POST", "reset", nil, "id", id)
end

--- Closes every connection.
function Service:drop()
  control(self, "POST", "drop")
end

--- Closes every connection and refuses new ones for a while.
---@param seconds number
function Service:outage(seconds)
  control(self, "POST", "outage", nil, "seconds", seconds)
end

--- An address where connecting hangs.
---@return string url
function Service:blackhole()
  return control(self, "POST", "blackhole").url
end

--- The address of a video on the CDN.
---@param query string  as service/videos.lua tells, such as "size=100000&cut=5000"
---@return string url  another one at each call
function Service:video(query)
  self.serial = self.serial + 1
  return string.format("%s/assets%%2Fv%d%%2Fsrc.mp4?%s&sig=AbC%%2Fd%%3D", self.cdn_url, self.serial,
    query)
end

--- The bytes of a synthetic video.
---@param size integer
---@return string
function M.synthetic(size)
  return pattern.bytes(size, 0, size - 1)
end

return M

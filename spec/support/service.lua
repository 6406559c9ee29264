-- The stand-in service: what a relay of GET /v1/video/query sends, good and bad, on loopback.
--
--   lua spec/support/service.lua [--option value …]
--
-- prints key=value lines, the last of them ready=1, and serves until its standard input ends,
-- its parent is gone, SIGTERM or SIGINT arrives, or --lifetime is over.

local ROOT = (arg[0]:match("^(.*)spec/support/service%.lua$") or "./"):gsub("^$", "./")
package.path = ROOT .. "?.lua;" .. package.path

-- lua-http is pure Lua. Where it is installed for another Lua only (Debian has it up to 5.3),
-- its files serve as well.
if not pcall(require, "http.server") then
  for _, version in ipairs { "5.3", "5.2", "5.1" } do
    package.path = package.path .. (";/usr/share/lua/%s/?.lua"):format(version)
  end
end

local cqueues = require "cqueues"
local signal = require "cqueues.signal"
local bad_tls = require "spec.support.service.bad_tls"
local certificates = require "spec.support.service.certificates"
local control = require "spec.support.service.control"
local journal = require "spec.support.service.journal"
local scripts = require "spec.support.service.scripts"
local server = require "spec.support.service.server"

local OPTIONS = {
  lifetime = 900, -- seconds
  demo_seconds = 4, -- from queued to completed, for the sample's task and the step `life`
  idle_timeout = 300, -- seconds that a connection may stay without a request
  tls_port = 0, h1_port = 0, http_port = 0, cdn_port = 0, control_port = 0, -- 0: any free one
}

local function read_options(arguments)
  local options = {}
  for name, default in pairs(OPTIONS) do
    options[name] = default
  end
  for index = 1, #arguments, 2 do
    local name = arguments[index]:gsub("^%-%-", ""):gsub("-", "_")
    local value = tonumber(arguments[index + 1])
    if OPTIONS[name] == nil or not value then
      io.stderr:write("service.lua: bad option: ", arguments[index], "\n")
      os.exit(2)
    end
    options[name] = value
  end
  return options
end

local function read_file(name)
  local file = assert(io.open(ROOT .. "spec/support/fixtures/" .. name, "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

local servers = {}

local function count_open()
  local open = 0
  for name, one in pairs(servers) do
    open = open + (name == "control" and 0 or one.n_connections)
  end
  return open
end

local service = {
  options = read_options(arg),
  cq = cqueues.new(),
  sample = read_file("pending.json"),
  video = read_file("video.mp4"),
  journal = journal.new(count_open),
  listeners = {},
  servers = servers,
  sockets = setmetatable({}, { __mode = "k" }),
  video_counts = {},
  kept = {},
  urls = {},
  stopping = false,
  complain = function(message)
    io.stderr:write("service: ", message, "\n")
  end,
}
service.sample_id = service.sample:match('"id": "([^"]+)"')
service.scripts = scripts.new(service)

-- Ports --------------------------------------------------------------------------------------

local function write_ca_file(authority)
  local name = os.tmpname()
  local file = assert(io.open(name, "wb"))
  file:write(authority.certificate:toPEM())
  file:close()
  return name
end

local function url(scheme, host, listener)
  return string.format("%s://%s:%d", scheme, host, listener.number)
end

local function open_ports()
  local authority = certificates.authority("Stand-in authority")
  service.urls.ca_file = write_ca_file(authority)
  local names = { "127.0.0.1", "localhost", "::1", "cdn.localhost" }
  local context = certificates.context { authority = authority, names = names,
    protocols = { "h2", "http/1.1" } }
  local context_h1 = certificates.context { authority = authority, names = names,
    protocols = { "http/1.1" } }

  local urls = service.urls
  urls.base_url = url("https", "127.0.0.1", server.http(service, "tls", { context = context }))
  urls.h1_url = url("https", "127.0.0.1",
    server.http(service, "h1", { context = context_h1, version = 1.1 }))
  urls.http_url = url("http", "127.0.0.1", server.http(service, "http", {}))
  urls.cdn_url = url("https", "localhost", server.http(service, "cdn", { context = context }))
  urls.control_url = url("http", "127.0.0.1", control.open(service))
  bad_tls.open(service, authority)
  for _, name in ipairs { "expired", "wrong_host", "self_signed", "unknown_ca", "tls_cut",
    "tls_silent", "tls_plain" } do
    urls[name .. "_url"] = url("https", "127.0.0.1", service.listeners[name])
  end
  local socket, port = server.bind()
  socket:close()
  urls.refused_url = string.format("https://127.0.0.1:%d", port)
end

-- Life ---------------------------------------------------------------------------------------

local function stop()
  service.stopping = true
end

-- The parent's number, or nil where there is no /proc.
local function parent()
  local file = io.open("/proc/self/stat")
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  return text and text:match("%) %S (%d+)")
end

local function watch_parent()
  local first = parent()
  while first and parent() == first do
    cqueues.sleep(1)
  end
  if first then
    stop()
  end
end

local INPUT = { pollfd = 0, events = "r" }

-- A file or /dev/null cannot be polled; such an input says nothing about the parent.
local function input_is_pollable()
  local probe = cqueues.new()
  probe:wrap(function()
    cqueues.poll(INPUT, 0)
  end)
  return probe:loop()
end

local function watch_input()
  if not input_is_pollable() then
    return
  end
  io.stdin:setvbuf("no")
  repeat
    cqueues.poll(INPUT)
  until not io.stdin:read(1)
  stop()
end

local function watch_signals()
  signal.ignore(signal.SIGPIPE)
  signal.block(signal.SIGTERM, signal.SIGINT)
  local listener = signal.listen(signal.SIGTERM, signal.SIGINT)
  listener:wait()
  stop()
end

local function own_pid()
  local file = io.open("/proc/self/stat")
  local pid = file and file:read("*n")
  if file then
    file:close()
  end
  return pid
end

local function announce()
  local lines = {}
  for name, value in pairs(service.urls) do
    lines[#lines + 1] = name .. "=" .. value
  end
  table.sort(lines)
  lines[#lines + 1] = "sample_id=" .. service.sample_id
  lines[#lines + 1] = "pid=" .. (own_pid() or "")
  lines[#lines + 1] = "ready=1"
  io.stdout:write(table.concat(lines, "\n"), "\n")
  io.stdout:flush()
end

local function serve()
  service.cq:wrap(watch_signals)
  service.cq:wrap(watch_input)
  service.cq:wrap(watch_parent)
  open_ports()
  announce()
  local deadline = cqueues.monotime() + service.options.lifetime
  while not service.stopping and cqueues.monotime() < deadline do
    local ok, why = service.cq:step(math.min(1, deadline - cqueues.monotime()))
    if not ok then
      service.complain(tostring(why))
    end
  end
end

local ok, why = xpcall(serve, debug.traceback)
if service.urls.ca_file then
  os.remove(service.urls.ca_file)
end
if not ok then
  service.complain(tostring(why))
end
os.exit(ok and 0 or 1)

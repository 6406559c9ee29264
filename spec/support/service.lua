-- The stand-in service: what a relay of GET /v1/video/query sends, good and bad, on loopback.
--
--   lua spec/support/service.lua [--option value …]
--
-- It prints key=value lines, the last of them ready=1, and serves until its standard input ends,
-- its parent is gone, SIGTERM or SIGINT arrives, or --lifetime is over. OPTIONS below lists the
-- options. Nothing it makes outlives it. Needs lua-http; lua-cjson or dkjson for the control port
-- and new tasks; LuaSocket for resets and the black hole.
--
-- ADDRESSES
--   base_url     the relay: https, HTTP/2 and HTTP/1.1     h1_url    the same, HTTP/1.1 only
--   http_url     the same, plain http                      cdn_url   videos, on another host name
--   control_url  see below                                 proxy_url see service/proxy.lua
--   ca_file      PEM of the authority that signed them
--   expired_url wrong_host_url self_signed_url unknown_ca_url   the relay with a bad certificate
--   tls_cut_url tls_silent_url tls_plain_url   the handshake is cut, never answered, plain HTTP
--   tls_legacy_url   TLS 1.2 without secure renegotiation
--   refused_url  nobody listens there
--
-- IDS. What answers an id is a script: steps, each served once, the last one for ever. An id
-- carries its own, behind a prefix up to `:` and a word like `task_`; from `~` on it is ignored:
--   sora-2:task_queued,pending;progress=0.5,500*2,completed~17
-- A step is name;parameter=value;flag*times. An id that is no script, and was given none, is an
-- unknown task: 400 task_not_exist. The id of the sample goes through its life by itself.
--
-- STEPS (the functions of that name say more)
--   tasks.lua   life;seconds=4 or ;polls=4 (queued … completed)  queued  pending;progress=0.5
--     sample  minimal  empty_fields  openai_running;progress=50  envelope_running
--     completed  openai  veo  padded  envelope  other_id;shape=completed  no_url  inputs_only
--     disputed  disputed_url  url_in;place=detail.draft_info.url
--     failed  failed_draft  failed_openai  failed_string  failed_envelope
--     failure_in;place=error.message;reason=text
--     status;word=any;progress=1;url  status_null _missing _number _empty _unknown
--     every word that relays send, such as processing, succeeded, cancelled
--     body;text={"id":"$ID"};type=application/json
--     content=QUERY how /v1/videos/ID/content, the relay's own copy, is served; else a page
--     video=QUERY adds to the URL of the video; videos.lua lists what it may say
--   faults.lua  400 … 599, with body=json|html|empty|text  204  task_not_exist  challenge  web_ui
--     error_object  error_code_empty  error_code_null  error_code_number  error_string
--     not_exist_200  success_false  no_data  code_msg  detail_string
--     empty  not_json  truncated  bad_utf8  bom  array  null  string  json_as_text  json_as_html
--     deep;levels=1000  big;size=1048576  redirect;to=host|http|file|loop|none|URL;status=302
--   wire.lua    reset  reset_headers  reset_body  close  close_headers  close_body  stale
--     short_body  long_body  bad_chunk  cut_chunk  no_last_chunk  no_length  garbage  bad_status
--     bad_header  nul_header  bad_length  negative_length  two_lengths  bad_gzip
--     never  drip;interval=1  drip_headers;interval=1  header_flood  big_header;size=1048576
--     huge;size=2147483648;chunked  bomb;size=1073741824  rst_stream;code=7  goaway;last=0
--     raw;text=ANSWER
--   All of tasks.lua and faults.lua: status=N  type=T  retry_after=SECONDS|date:SECONDS|text
--     request_id=oneapi+x+cf  header=Name: value  gzip  chunked
--   creating.lua  made;as=task_id;bare  no_channel  echo  usage_token  …: what answers POST
--     /v1/video/create, /v1/videos, …/remix, /v1/video/extend and the other functions of a relay
--   Every step: delay=SECONDS  key=KEY (401 unless it comes with that key)
--
-- CONTROL, in JSON over plain http
--   PUT  /control/script?id=ID   ["500*2", {"step":"body","text":"…","times":1}, "completed"]
--   PUT  /control/scripts        {ID: script, …}
--   PUT  /control/noise          {"rate":0.05,"seed":1,"steps":["502","reset"]}; {} ends it
--   GET  /control/created        the tasks that were made: id, path, key, body or parts
--   GET  /control/log?id=&port=&since=SEQ   requests as seen     GET /control/stats   counts
--   POST /control/reset?id=      forgets scripts, log and counts; with id, that script's progress
--   POST /control/drop           closes all connections
--   POST /control/outage?seconds=1   the same, and refuses new ones for a while
--   POST /control/blackhole      {"url": an address where connecting hangs}
--   POST /control/stop

local ROOT = (arg[0]:match("^(.*)spec/support/service%.lua$") or "./"):gsub("^$", "./")
package.path = ROOT .. "?.lua;" .. package.path

require "spec.support.lua_http"

local cqueues = require "cqueues"
local bad_tls = require "spec.support.service.bad_tls"
local certificates = require "spec.support.service.certificates"
local control = require "spec.support.service.control"
local journal = require "spec.support.service.journal"
local life = require "spec.support.service.life"
local listening = require "spec.support.service.listening"
local proxy = require "spec.support.service.proxy"
local scripts = require "spec.support.service.scripts"
local server = require "spec.support.service.server"

local OPTIONS = {
  lifetime = 5400, -- seconds: more than a run of all specs takes
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
  listeners = {}, -- by the name of the port, as are:
  servers = servers, -- lua-http's
  sockets = setmetatable({}, { __mode = "k" }), -- those that were accepted: the set
  video_counts = {}, -- how often each video was asked for, by path
  created = {}, -- the tasks that were made, by creating.lua
  kept = {}, -- what must not be collected
  urls = {}, -- what is announced
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

--- A port where connecting is refused. With LuaSocket it stays bound, without listening, so that
-- nobody else gets it.
local function unused_port()
  local loaded, luasocket = pcall(require, "socket")
  if loaded then
    service.unused = assert((luasocket.tcp4 or luasocket.tcp)())
    assert(service.unused:bind("127.0.0.1", 0))
    return (select(2, service.unused:getsockname()))
  end
  local socket, port = listening.bind()
  socket:close()
  return port
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
  urls.proxy_url = url("http", "127.0.0.1", proxy.open(service))
  bad_tls.open(service, authority)
  for _, name in ipairs { "expired", "wrong_host", "self_signed", "unknown_ca", "tls_cut",
    "tls_silent", "tls_legacy", "tls_plain" } do
    urls[name .. "_url"] = url("https", "127.0.0.1", service.listeners[name])
  end
  urls.refused_url = string.format("https://127.0.0.1:%d", unused_port())
end

-- Life ---------------------------------------------------------------------------------------

local function announce()
  local lines = {}
  for name, value in pairs(service.urls) do
    lines[#lines + 1] = name .. "=" .. value
  end
  table.sort(lines)
  lines[#lines + 1] = "sample_id=" .. service.sample_id
  lines[#lines + 1] = "pid=" .. (life.pid() or "")
  lines[#lines + 1] = "ready=1"
  io.stdout:write(table.concat(lines, "\n"), "\n")
  io.stdout:flush()
end

local function serve()
  life.watch(service.cq, function() service.stopping = true end)
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

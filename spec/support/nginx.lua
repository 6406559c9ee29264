--- Runs a real nginx with its Lua module, for specs: unpacked by setup.sh into build/nginx, or the
-- machine's own.
--
--   local server = nginx.start {
--     http = "init_by_lua_block { … }",          -- inside http { }
--     locations = { ["/task"] = "local sora = require 'resty.sora' …" },  -- path -> Lua or, with
--   }                                             -- a leading "{", nginx's own directives
--   …or, for a file of somebody's: nginx.start { file = "examples/…/nginx.conf", port = 8080 }, in
--   whose folder it runs, on another port than that.
--   server:get("/task")  server:signal("HUP")  server:log()  server:stop()
--
-- The module under test is the one on this process's path. nginx ends with this process, however
-- that ends, and leaves no file.

local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local ports = require "spec.support.ports"
local shell = require "spec.support.shell"
local socket = require "socket"
local unpacked = require "spec.support.unpacked"

local M = {}

local LUA_MODULE = "ngx_http_lua_module.so"

local exists, output_of, quote = files.exists, shell.output_of, shell.quote

--- The nginx that there is: its command, the Lua files that belong to it and its dynamic modules;
-- nil when there is none.
local function find()
  local here = unpacked.folder "nginx"
  if exists(here .. "/usr/sbin/nginx") then
    return {
      command = unpacked.environment(here) .. " " .. quote(here .. "/usr/sbin/nginx"),
      lua = here .. "/usr/share/lua/5.1/?.lua;",
      modules = here .. "/usr/lib/nginx/modules/",
    }
  end
  for _, place in ipairs { "/usr/sbin/nginx", "/usr/local/openresty/nginx/sbin/nginx" } do
    local built_in = place:find("openresty", 1, true)
    local modules = "/usr/lib/nginx/modules/"
    if exists(place) and (built_in or exists(modules .. LUA_MODULE)) then
      return {
        command = place,
        lua = built_in and "/usr/local/openresty/lualib/?.lua;" or "",
        modules = not built_in and modules or nil,
      }
    end
  end
end

--- Whether there is one.
function M.is_there() return find() ~= nil end

local function location(path, body)
  if body:find "^{" then return ("    location %s %s\n"):format(path, body) end
  return ("    location %s { content_by_lua_block {\n%s\n    } }\n"):format(path, body)
end

--- Folders that every nginx wants to make.
local TEMPORARY = ""
for kind in ("client_body proxy fastcgi uwsgi scgi"):gmatch "%S+" do
  TEMPORARY = TEMPORARY .. ("  %s_temp_path %s;\n"):format(kind, kind)
end

local function configuration(options, place, port)
  local lines = {}
  local function add(format, ...) lines[#lines + 1] = format:format(...) end
  if output_of "id -u" == "0" then add("user root;") end
  if place.modules then
    add("load_module %sndk_http_module.so;", place.modules)
    add("load_module %s%s;", place.modules, LUA_MODULE)
  end
  add("worker_processes %d;\npid nginx.pid;\nerror_log error.log %s;", options.workers or 1,
    options.log_level or "notice")
  for _, name in ipairs(options.env or {}) do add("env %s;", name) end
  add("%s\nevents { worker_connections 4096; %s }\nhttp {", options.main or "",
    options.events or "")
  add("  access_log off;\n  lua_package_path '%s%s';", place.lua, package.path)
  add("  lua_package_cpath '%s';", package.cpath)
  add("%s", TEMPORARY)
  add("  keepalive_requests 1000000;\n%s", options.http or "")
  add("  server {\n    listen 127.0.0.1:%d backlog=4096;\n    default_type text/plain;", port)
  add("%s", options.server or "")
  for path, body in pairs(options.locations or {}) do add("%s", location(path, body)) end
  add("  }\n}\n")
  return table.concat(lines, "\n")
end

--- A configuration of somebody's own, copied with what lies beside it, for this nginx and port.
local function adapted(options, folder, place, port)
  local from = options.file:match "^(.*)/"
  output_of(("cp -R %s/. %s"):format(quote(from), quote(folder)))
  local text = assert(files.read(options.file))
  text = text:gsub("load_module %S+/", place.modules and "load_module " .. place.modules or "# ")
  text = text:gsub("127%.0%.0%.1:" .. options.port, "127.0.0.1:" .. port)
  text = text:gsub("error_log stderr", "error_log error.log")
  local paths = ("  lua_package_path '%s%s';\n  lua_package_cpath '%s';\n"):format(place.lua,
    package.path, package.cpath) .. (text:find "_temp_path" and "" or TEMPORARY)
  text = text:gsub("http {\n", function(line) return line .. paths end)
  return (output_of "id -u" == "0" and "user root;\n" or "") .. text
end

local Server = {}
Server.__index = Server

local function read_file(path) return files.read(path) or "" end

local function await(condition, what, seconds)
  if not eventually(condition, seconds or 10) then error(what, 3) end
end

--- Has a shell run nginx in a folder. The shell lives as long as its input; then it tells nginx to
-- end, kills one that does not within five seconds, and removes the folder.
---@return file* input
local function launch(command, folder)
  local script = [[{
    %s -p $FOLDER -e error.log -c nginx.conf </dev/null &
    master=$!
    cat >/dev/null
    kill -QUIT $master 2>/dev/null
    (sleep 5; kill -TERM $master) >/dev/null 2>&1 &
    timer=$!
    wait $master
    kill $timer
    rm -rf $FOLDER
  } >$FOLDER/output 2>&1]]
  return assert(io.popen((script:format(command):gsub("%$FOLDER", quote(folder))), "w"))
end

--- Starts an nginx of one's own.
---@param options table  main, events, http, server: directives; locations; workers; env: names of
---   variables that workers may see; log_level; or file and port; variables: of its environment
---@return table server  url, port, pid, folder and these methods
function M.start(options)
  local place = assert(find(), "there is no nginx with its Lua module")
  local folder = files.folder()
  local port = ports.free(1)[1]
  local text = options.file and adapted(options, folder, place, port)
    or configuration(options, place, port)
  local command = place.command
  for name, value in pairs(options.variables or {}) do
    command = name .. "=" .. quote(value) .. " " .. command
  end
  if not options.file then text = "daemon off;\n" .. text end
  files.write(folder .. "/nginx.conf", text)
  local self = setmetatable({
    folder = folder, port = port, url = "http://127.0.0.1:" .. port,
    input = launch(command, folder),
  }, Server)
  local function listens() -- it writes its pid before it starts workers
    self.pid = tonumber(read_file(folder .. "/nginx.pid"))
      or tonumber(read_file(folder .. "/run/nginx.pid"))
    local probe = self.pid and socket.connect("127.0.0.1", port)
    if probe then probe:close() end
    return probe ~= nil
  end
  local ok, err = pcall(await, listens, "nginx did not start")
  if not ok then
    err = err .. "\n" .. read_file(folder .. "/output") .. self:log()
    self:stop()
    error(err, 2)
  end
  return self
end

--- What nginx answers.
---@param path string
---@param options string?  further options of curl
---@return string body
---@return integer status  0 where there was no answer
function Server:get(path, options)
  local output = output_of(("curl -sS --noproxy '*' --max-time 30 -w '\\n%%{http_code}' %s %s 2>&1")
    :format(options or "", quote(self.url .. path)))
  local body, status = output:match("^(.*)\n(%d+)$")
  return body or output, tonumber(status) or 0
end

--- What it has written to its log.
function Server:log() return read_file(self.folder .. "/error.log") end

---@param name string  HUP, QUIT, …
function Server:signal(name) os.execute(("kill -%s %d"):format(name, self.pid)) end

--- The processes of its workers.
---@return integer[]
function Server:workers()
  local pids = {}
  for pid in output_of("ps -o pid= --ppid " .. self.pid):gmatch("%d+") do
    pids[#pids + 1] = tonumber(pid)
  end
  return pids
end

--- Ends it, gracefully, and waits for its end.
---@return string log  what it had written
function Server:stop()
  if self.stopped then return "" end
  self.stopped = true
  local log = self:log()
  self.input:close()
  return log
end

return M

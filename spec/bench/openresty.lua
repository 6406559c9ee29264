--- Inside nginx, side by side: resty.sora, and lua-resty-http with lua-cjson where they are found.
-- One worker asks an upstream, another nginx, over verified TLS; wrk is the crowd.
--
--   eval "$(make -s env LUA=luajit)"; luajit spec/bench/openresty.lua [SECONDS [ROUNDS]]
--
-- Each figure is the median of the rounds, which are interleaved. RESTY_HTTP names the folder of
-- lua-resty-http where it is on no path. CPU is the worker's, for each request. The last column is
-- an unrelated location of the same worker, asked meanwhile.

package.path = "./?.lua;" .. package.path

local nginx = require "spec.support.nginx"

local SECONDS, ROUNDS = tonumber(arg[1]) or 3, tonumber(arg[2]) or 3
local RESTY_HTTP = os.getenv "RESTY_HTTP"
local CASES = { -- upstream, connections
  { "fast", 1 }, { "fast", 50 }, { "slow", 1 }, { "slow", 50 }, { "slow", 1000 },
}

local function output_of(command)
  local pipe = assert(io.popen(command))
  local output = pipe:read("*a")
  pipe:close()
  return output
end

local folder = output_of("mktemp -d"):gsub("\n", "")

local function make_certificate()
  output_of(([[cd %s && openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem \
    -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1,DNS:localhost 2>/dev/null]])
    :format(folder))
end

local UPSTREAM = [[
  listen 127.0.0.1:%d ssl http2;
  ssl_certificate %s/cert.pem;
  ssl_certificate_key %s/key.pem;
]]

local function start_upstream()
  local port = 20000 + (tonumber(output_of("echo $$")) * 7) % 10000
  local answer = [[ngx.header.content_type = "application/json" ngx.print(body)]]
  local upstream = nginx.start {
    http = ("http2_max_concurrent_streams 2000; init_by_lua_block { "
      .. "body = io.open('%s/spec/support/fixtures/pending.json'):read '*a' }")
      :format(output_of("pwd"):gsub("\n", "")),
    server = UPSTREAM:format(port, folder, folder),
    locations = {
      ["/fast"] = answer,
      ["/slow"] = "ngx.sleep(0.05) " .. answer,
    },
  }
  upstream.base = "https://127.0.0.1:" .. port
  return upstream
end

local SORA = [[
  local sora = require "resty.sora"
  local base = %q
  local client = package.loaded[base] or sora.client {
    base_url = base, ca_file = %q, api_key = "sk-bench",
  }
  package.loaded[base] = client
  local task, err = client:query "sora-2:task_1"
  ngx.say(task and task.id or tostring(err))
]]

local HTTP = [[
  local http, cjson = require "resty.http", require "cjson.safe"
  local answer, err = http.new():request_uri(%q .. "/v1/video/query?id=sora-2%%3Atask_1", {
    headers = { Authorization = "Bearer sk-bench", ["Content-Type"] = "application/json",
      Accept = "application/json" },
    ssl_server_name = "localhost", keepalive_timeout = 60000, keepalive_pool = 2000,
  })
  local task = answer and cjson.decode(answer.body)
  ngx.say(task and task.id or tostring(err))
]]

local function start_worker(upstream)
  local locations = { ["/ping"] = "{ return 200 pong; }" }
  for _, name in ipairs { "fast", "slow" } do
    local base = upstream.base .. "/" .. name
    locations["/sora/" .. name] = SORA:format(base, folder .. "/cert.pem")
    locations["/http/" .. name] = HTTP:format(base)
  end
  if RESTY_HTTP then package.path = RESTY_HTTP .. "/?.lua;" .. package.path end
  return nginx.start {
    log_level = "warn",
    http = ("lua_ssl_trusted_certificate %s/cert.pem; lua_ssl_verify_depth 2;"
      .. " lua_socket_pool_size 2000;"):format(folder),
    locations = locations,
  }
end

--- Seconds of CPU that a process has taken.
local function cpu(pid)
  local file = assert(io.open(("/proc/%d/stat"):format(pid)))
  local fields = file:read("*a"):match("%) %S (.*)")
  file:close()
  local list = {}
  for field in fields:gmatch("%S+") do list[#list + 1] = tonumber(field) end
  return (list[11] + list[12]) / 100
end

local UNITS = { us = 1e-3, ms = 1, s = 1000, m = 60000 }

--- A time that wrk prints, in milliseconds.
local function milliseconds(text)
  local number, unit = (text or ""):match("^([%d.]+)(%a+)")
  return number and tonumber(number) * UNITS[unit] or 0 / 0
end

local function read_wrk(output)
  return {
    rps = tonumber(output:match("Requests/sec:%s+([%d.]+)")),
    p50 = milliseconds(output:match("50%%%s+(%S+)")),
    p99 = milliseconds(output:match("99%%%s+(%S+)")),
    count = tonumber(output:match("(%d+) requests in")),
    bad = output:match("Non%-2xx[^\n]*") or output:match("Socket errors[^\n]*"),
  }
end

local function measure(server, worker, path, connections)
  local command = ("wrk -t1 -c%d -d%d --latency %s%s")
    :format(connections, SECONDS, server.url, path)
  local beside = ("wrk -t1 -c1 -d%d --latency -s %s/slowly.lua %s/ping"):format(SECONDS, folder,
    server.url)
  local before = cpu(worker)
  local outputs = output_of(("%s >%s/ping.out & %s; wait; echo =====; cat %s/ping.out")
    :format(beside, folder, command, folder))
  local load, ping = outputs:match("^(.*)=====(.*)$")
  local result = read_wrk(load)
  result.cpu = (cpu(worker) - before) / result.count * 1e6
  result.ping = read_wrk(ping).p99
  if result.bad then io.stderr:write(path, ": ", result.bad, "\n") end
  return result
end

local function median(list)
  table.sort(list)
  return list[math.ceil(#list / 2)]
end

local upstream, server

local function main()
  make_certificate()
  local file = assert(io.open(folder .. "/slowly.lua", "w"))
  file:write("function delay() return 5 end\n")
  file:close()
  upstream = start_upstream()
  server = start_worker(upstream)
  local clients = { "sora" }
  local body = server:get("/http/fast")
  if body:find "^sora%-2" then
    clients[2] = "http"
  else
    print("lua-resty-http is not here; RESTY_HTTP may say where")
  end
  assert(server:get("/sora/fast"):find "^sora%-2", server:get("/sora/fast"))
  local worker = server:workers()[1]
  print(("%-6s %5s  %-6s %9s %8s %8s %8s %9s"):format("up", "conns", "client", "rps", "p50 ms",
    "p99 ms", "CPU us", "ping p99"))
  for _, case in ipairs(CASES) do
    local name, connections = case[1], case[2]
    local results = {}
    for round = 0, ROUNDS do -- round 0 opens the connections
      for _, client in ipairs(clients) do
        local result = measure(server, worker, "/" .. client .. "/" .. name, connections)
        local all = results[client] or {}
        results[client] = all
        for key, value in pairs(round > 0 and result or {}) do
          all[key] = all[key] or {}
          table.insert(all[key], value)
        end
      end
    end
    for _, client in ipairs(clients) do
      local all = results[client]
      print(("%-6s %5d  %-6s %9.0f %8.2f %8.2f %8.0f %9.2f"):format(name, connections, client,
        median(all.rps), median(all.p50), median(all.p99), median(all.cpu), median(all.ping)))
    end
  end
  io.write(server:log())
end

local ok, err = pcall(main)
if server then server:stop() end
if upstream then upstream:stop() end
os.execute("rm -rf " .. folder)
if not ok then error(err, 0) end

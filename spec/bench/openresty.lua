--- Inside nginx, side by side: resty.sora, and lua-resty-http with lua-cjson where they are found.
-- One worker asks an upstream, another nginx; wrk is the crowd.
--
--   eval "$(make -s env LUA=luajit)"; luajit spec/bench/openresty.lua [SECONDS [ROUNDS [CASES]]]
--
-- CASES is a pattern of those that are to run ("tls fast 50"; default: all). RESTY_HTTP names the
-- folder of lua-resty-http where it is on no path. Each figure is the median of the rounds, which
-- are interleaved. Where there are two cores the worker has one and everything else the other, so
-- that it is the worker that is compared; as root all of it runs before whatever else the machine
-- does (SCHED_FIFO), which then stands still for seconds. CPU is the worker's, for each request,
-- and so are the switches to another task that it made of itself. `ping` is an unrelated location
-- of the same worker, asked while the same crowd comes once more; `late` is by how much a timer of
-- the worker, of 5 ms, comes late then: all but a millisecond of it is other events' time.
--
-- Over TLS resty.sora speaks HTTP/2, lua-resty-http only HTTP/1.1: "sora/1.1" is limited to that.
-- The last lines are the table of docs/openresty.md, of the same figures. Longer than other files:
-- it is one program, with the configuration of its servers.

package.path = "./?.lua;" .. package.path

local files = require "spec.support.files"
local median = require("spec.bench.measure").median
local nginx = require "spec.support.nginx"
local output_of = require("spec.support.shell").output_of
local ports = require "spec.support.ports"
local self_signed = require "spec.support.self_signed"

local SECONDS, ROUNDS = tonumber(arg[1]) or 3, tonumber(arg[2]) or 3
local CASES = arg[3] or ""
local RESTY_HTTP = os.getenv "RESTY_HTTP"
local LOADS = { { "fast", 1 }, { "fast", 50 }, { "slow", 1 }, { "slow", 50 }, { "slow", 1000 } }
local CLIENTS = { plain = { "sora", "http" }, tls = { "sora", "sora/1.1", "http" } }

local folder = files.folder()
local PINS = tonumber(output_of("nproc")) > 1 and output_of("command -v taskset") ~= ""
local ELSEWHERE = PINS and "taskset -c 1 " or "" -- before the command of all but the worker

--- Before the command of the crowd; of the probe, so that it does not wait for its core.
local FIRST, HASTY = "", ""
if output_of "id -u" == "0" and output_of("command -v chrt") ~= "" then
  FIRST, HASTY = "chrt -f 1 ", "chrt -f 2 "
end

--- Has each thread of a process run on one core, before others.
local function pin(pid, core)
  if PINS then output_of(("taskset -acp %d %d"):format(core, pid)) end
  if FIRST ~= "" then output_of(("chrt -f -a -p 1 %d"):format(pid)) end
end

local UPSTREAM = [[
  listen 127.0.0.1:%d ssl http2 backlog=4096;
  ssl_certificate %s/certificate;
  ssl_certificate_key %s/key;
]]

--- It answers with a file, which costs it little.
local function start_upstream()
  local port = ports.free(1)[1]
  output_of("cp spec/support/fixtures/pending.json " .. folder .. "/answer")
  local answer = "{ default_type application/json; root %s; %s rewrite ^ /answer break; }"
  local upstream = nginx.start {
    http = "open_file_cache max=10;",
    server = UPSTREAM:format(port, folder, folder),
    locations = {
      ["/fast"] = answer:format(folder, ""),
      ["/slow"] = answer:format(folder, "access_by_lua_block { ngx.sleep(0.05) }"),
    },
  }
  pin(upstream:workers()[1], 1)
  upstream.base = { tls = "https://127.0.0.1:" .. port, plain = upstream.url }
  return upstream
end

--- With HTTP/1.1 a query has a connection to itself, as each of lua-resty-http's.
local SORA = [[
  local client = package.loaded[ngx.var.uri]
  if not client then
    client = require "resty.sora".client {
      base_url = %q, http_version = %q, max_connections = %d, ca_file = %q, api_key = "sk-bench",
    }
    package.loaded[ngx.var.uri] = client
  end
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

--- The first call starts to look how late a timer comes, the second one says it.
local LATE = [[
  local now, times = require "sora.core".now, nil
  local function listen(premature)
    while times and not premature and not ngx.worker.exiting() do
      local before = now()
      ngx.sleep(0.005)
      if times then times[#times + 1] = (now() - before - 0.005) * 1000 end
    end
  end
  late = function()
    local list = times
    times = not list and {} or nil
    if times then return 0, ngx.timer.at(0, listen) end
    table.sort(list)
    return list[math.ceil(#list * 0.99)]
  end
]]

local function start_worker(upstream)
  local locations = { ["/ping"] = "{ return 200 pong; }", ["/late"] = "ngx.print((late()))" }
  for transport, base in pairs(upstream.base) do
    for _, speed in ipairs { "fast", "slow" } do
      local url, path = base .. "/" .. speed, "/" .. transport .. "/" .. speed
      locations["/sora" .. path] = SORA:format(url, transport == "tls" and "2" or "1.1",
        transport == "tls" and 8 or 2000, folder .. "/certificate")
      locations["/sora/1.1" .. path] = SORA:format(url, "1.1", 2000, folder .. "/certificate")
      locations["/http" .. path] = HTTP:format(url)
    end
  end
  if RESTY_HTTP then package.path = RESTY_HTTP .. "/?.lua;" .. package.path end
  local server = nginx.start {
    log_level = "warn",
    http = ("lua_ssl_trusted_certificate %s/certificate; lua_ssl_verify_depth 2;"
      .. " lua_socket_pool_size 2000; init_worker_by_lua_block {\n%s\n}"):format(folder, LATE),
    locations = locations,
  }
  pin(server:workers()[1], 0)
  return server
end

--- Seconds of CPU that a process has taken, and its switches, of all its threads together.
local function costs(pid)
  local cpu, switches = 0, 0
  for taken in output_of(("cat /proc/%d/task/*/schedstat"):format(pid)):gmatch("(%d+) %d+ %d+") do
    cpu = cpu + tonumber(taken) / 1e9
  end
  for count in output_of(("cat /proc/%d/task/*/status"):format(pid))
    :gmatch("\nvoluntary_ctxt_switches:%s+(%d+)") do
    switches = switches + tonumber(count)
  end
  return cpu, switches
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
    p50 = milliseconds(output:match("\n%s+50%%%s+(%S+)")),
    p99 = milliseconds(output:match("\n%s+99%%%s+(%S+)")),
    count = tonumber(output:match("(%d+) requests in")),
    bad = output:match("Non%-2xx[^\n]*") or output:match("Socket errors[^\n]*"),
  }
end

local WRK = ELSEWHERE .. "wrk -t1 -c%d -d%d --latency %s %s%s"
local CROWD = FIRST .. WRK

--- The crowd by itself.
local function measure(server, worker, path, connections)
  local cpu, switches = costs(worker)
  local result = read_wrk(output_of(CROWD:format(connections, SECONDS, "", server.url, path)))
  local cpu_then, switches_then = costs(worker)
  result.cpu = (cpu_then - cpu) / result.count * 1e6
  result.switches = (switches_then - switches) / result.count
  if result.bad then io.stderr:write(path, ": ", result.bad, "\n") end
  return result
end

--- What others notice of it. The crowd begins, and ends, half a second before and after they look:
-- that it comes all at once is not what is measured.
local function measure_others(server, path, connections, result)
  local crowd = assert(io.popen(CROWD:format(connections, SECONDS + 1, "", server.url, path)))
  output_of "sleep 0.5"
  server:get "/late"
  result.ping = read_wrk(output_of(HASTY .. WRK:format(1, SECONDS,
    "-s " .. folder .. "/slowly.lua", server.url, "/ping"))).p99
  result.late = tonumber((server:get "/late"))
  crowd:read "*a"
  crowd:close()
end

local COLUMNS = { "rps", "cpu", "switches", "p50", "p99", "ping", "late" }
local HEAD = ("%-6s %-5s %5s  %-9s"):format("", "up", "conns", "client")
  .. (" %9s"):rep(7):format("rps", "CPU us", "switches", "p50 ms", "p99 ms", "ping p99", "late p99")
local ROW = "%-6s %-5s %5d  %-9s %9.0f %9.0f %9.2f %9.2f %9.2f %9.2f %9.2f"

-- The table of docs/openresty.md

local PAGE_HEAD = "\n| upstream, in flight | client | requests/s | CPU, µs | of lua-resty-http's"
  .. " | switches | p99, ms | others, ms |\n|---|---|---:|---:|---:|---:|---:|---:|"
local PAGE_ROW = "| %s | %s | %s | %.0f | %s | %.1f | %.1f | %.1f |"
local TRANSPORTS = { tls = "TLS", plain = "plain" }
local SPEEDS = { fast = "at once", slow = "after 50 ms" }
local NAMES = {
  tls = { sora = "sora, HTTP/2", ["sora/1.1"] = "sora, HTTP/1.1", http = "lua-resty-http" },
  plain = { sora = "sora", http = "lua-resty-http" },
}
local page = {}

local function with_commas(number)
  local text = ("%.0f"):format(number)
  return (text:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

--- Adds the rows of one load: what each client's medians were, by the name of their column.
local function add_to_page(clients, transport, speed, connections, medians)
  local beside = medians.http
  for i, client in ipairs(clients) do
    local own, title, ratio = medians[client], "", ""
    if i == 1 then
      title = ("%s, %s, %s"):format(TRANSPORTS[transport], SPEEDS[speed], with_commas(connections))
    end
    if beside and client ~= "http" then ratio = ("%.2f"):format(own.cpu / beside.cpu) end
    page[#page + 1] = PAGE_ROW:format(title, NAMES[transport][client], with_commas(own.rps),
      own.cpu, ratio, own.switches, own.p99, own.ping)
  end
end

--- One load, by each client that there is.
local function compare(server, worker, clients, transport, speed, connections)
  local results = {}
  for round = 0, ROUNDS do -- round 0 opens the connections
    for _, client in ipairs(clients) do
      local path = ("/%s/%s/%s"):format(client, transport, speed)
      local result = measure(server, worker, path, connections)
      if round > 0 then measure_others(server, path, connections, result) end
      local all = results[client] or {}
      results[client] = all
      for key, value in pairs(round > 0 and result or {}) do
        all[key] = all[key] or {}
        table.insert(all[key], value)
      end
    end
  end
  local by_client = {}
  for _, client in ipairs(clients) do
    local all, medians, named = results[client], {}, {}
    for i, column in ipairs(COLUMNS) do
      medians[i] = median(all[column])
      named[column] = medians[i]
    end
    by_client[client] = named
    print(ROW:format(transport, speed, connections, client, unpack(medians)))
  end
  add_to_page(clients, transport, speed, connections, by_client)
end

local upstream, server

local function main()
  self_signed.make(folder, "IP:127.0.0.1,DNS:localhost")
  files.write(folder .. "/slowly.lua", "function delay() return 5 end\n")
  upstream = start_upstream()
  server = start_worker(upstream)
  for transport, clients in pairs(CLIENTS) do
    for i = #clients, 1, -1 do
      local body = server:get(("/%s/%s/fast"):format(clients[i], transport))
      if clients[i] == "http" and not body:find "^sora%-2" then
        print("lua-resty-http is not here; RESTY_HTTP may say where")
        table.remove(clients, i)
      else
        assert(body:find "^sora%-2", body)
      end
    end
  end
  print(HEAD)
  local worker = server:workers()[1]
  for _, transport in ipairs { "tls", "plain" } do
    for _, load in ipairs(LOADS) do
      local speed, connections = load[1], load[2]
      if ("%s %s %d"):format(transport, speed, connections):find(CASES) then
        compare(server, worker, CLIENTS[transport], transport, speed, connections)
      end
    end
  end
  print(PAGE_HEAD)
  print(table.concat(page, "\n"))
  io.write(server:log())
end

local ok, err = pcall(main)
if server then server:stop() end
if upstream then upstream:stop() end
files.remove(folder)
if not ok then error(err, 0) end

-- Inside a real nginx, whose Lua is LuaJIT: there is nothing to see under the other Luas.
if not rawget(_G, "jit") then return end

local contract = require "spec.support.driver_contract"
local nginx = require "spec.support.nginx"
local standin = require "spec.support.standin"
local system = require "system"

local service = standin.shared()

local INIT = ([[
  sora = require "resty.sora"
  local options = { base_url = %q, ca_file = %q, api_key = "sk-spec" }
  made_before_fork = sora.client(options)
  function new_client() return sora.client(options) end
  client = made_before_fork

  -- What a query says, in a line.
  function ask(id, opts)
    local task, err = client:query(id, opts)
    return task and task.status or err.kind .. ": " .. err.message
  end
  found = {}
]]):format(service.base_url, service.ca_file)

local function http(further)
  return "lua_shared_dict found 1m;\ninit_by_lua_block {\n" .. INIT .. "\n}\n" .. (further or "")
end

local QUERY = "ngx.say(ask(ngx.var.arg_id))"
local IN_FLIGHT = "ngx.say(client:stats().in_flight)"

local function checkout()
  local pipe = assert(io.popen("pwd"))
  local path = pipe:read("*l")
  pipe:close()
  return path
end

--- What is logged without anything being wrong.
local function complaints(log)
  local lines = {}
  for line in log:gmatch("[^\n]+") do
    if line:find "%[error%]" or line:find "%[alert%]" or line:find "%[crit%]"
      or line:find "%[emerg%]" or line:find "%[warn%]" then
      lines[#lines + 1] = line
    end
  end
  return table.concat(lines, "\n")
end

local function eventually(condition, seconds)
  local deadline = system.monotime() + (seconds or 5)
  while not condition() do
    if system.monotime() > deadline then return false end
    system.sleep(0.02)
  end
  return true
end

local function read_process(pid, name)
  local file = io.open(("/proc/%d/%s"):format(pid, name))
  local text = file and file:read("*a") or ""
  if file then file:close() end
  return text
end

--- Seconds of CPU that a process has taken.
local function cpu(pid)
  local user, kernel = read_process(pid, "stat")
    :match("%) %S" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
  return (user + kernel) / 100
end

local function count_descriptors(pid)
  local pipe = assert(io.popen(("ls /proc/%d/fd | wc -l"):format(pid)))
  local count = tonumber(pipe:read("*a"))
  pipe:close()
  return count
end

local function kilobytes(pid)
  return tonumber(read_process(pid, "status"):match("VmRSS:%s+(%d+)"))
end

describe("resty.sora", function()
  local server

  lazy_setup(function()
    server = nginx.start {
      http = http([[
        lua_check_client_abort on;
        init_worker_by_lua_block {
          found.init_worker = ask "sora-2:task_completed"
          ngx.timer.at(0, function() found.init_worker_timer = ask "sora-2:task_completed" end)
        }
      ]]),
      server = "set_by_lua_block $unused { return '' }",
      locations = {
        ["/query"] = QUERY,
        ["/in_flight"] = IN_FLIGHT,
        ["/ping"] = "{ return 200 pong; }",
        ["/contract"] = ([[
          package.path = "%s/?.lua;" .. package.path
          require "spec.support.driver_contract".run {
            sora = sora, base_url = %q, ca_file = %q, tag = "nginx", path = os.tmpname(),
            spawn = ngx.thread.spawn, sleep = ngx.sleep, emit = ngx.say,
          }
        ]]):format(checkout(), service.base_url, service.ca_file),
        ["/rewrite"] = "{ rewrite_by_lua_block { ngx.say(ask 'sora-2:task_completed') } }",
        ["/access"] = "{ access_by_lua_block { ngx.say(ask 'sora-2:task_completed') } }",
        ["/timer"] = [[
          local semaphore, said = require "ngx.semaphore".new(), nil
          ngx.timer.at(0, function()
            said = ask "sora-2:task_completed"
            semaphore:post()
          end)
          semaphore:wait(5)
          ngx.say(said)
        ]],
        ["/found"] = "ngx.say(found[ngx.var.arg_phase])",
        ["/phases"] = [[{
          set_by_lua_block $said { found.set = ask "sora-2:task_completed" return "" }
          content_by_lua_block { ngx.say "body" }
          header_filter_by_lua_block { found.header_filter = ask "sora-2:task_completed" }
          body_filter_by_lua_block { found.body_filter = ask "sora-2:task_completed" }
          log_by_lua_block {
            found.log = ask "sora-2:task_completed"
            local tasks, err = client:wait_all { "x" }
            found.log_wait_all = tasks == nil and err.kind
          }
        }]],
        ["/plain"] = "require 'sora' require 'sora'",
        ["/kill"] = [[
          local thread = ngx.thread.spawn(function() client:query "sora-2:task_never" end)
          ngx.sleep(0.05)
          ngx.thread.kill(thread)
        ]],
        ["/crowd"] = ([[
          local semaphore, turns, most = require "ngx.semaphore".new(), 0, 0
          local in_turn, over = {}, false
          local function ask_often()
            for _ = 1, 3 do
              assert(client:query(%q))
              in_turn[turns] = (in_turn[turns] or 0) + 1
              most = math.max(most, in_turn[turns])
            end
          end
          local threads = {}
          for i = 1, 200 do threads[i] = ngx.thread.spawn(ask_often) end
          ngx.thread.spawn(function()
            while not over do
              ngx.timer.at(0, function() semaphore:post() end)
              semaphore:wait(1)
              turns = turns + 1
            end
          end)
          ngx.sleep(0.2)
          os.execute "sleep 0.5" -- so that many answers wait for the worker
          for _, thread in ipairs(threads) do ngx.thread.wait(thread) end
          over = true
          ngx.say(most)
        ]]):format(service:id "completed;delay=0.3"),
        ["/many"] = [[
          for i = 1, tonumber(ngx.var.arg_count) do assert(client:query "sora-2:task_minimal") end
          collectgarbage()
          collectgarbage()
          ngx.say(collectgarbage "count")
        ]],
      },
    }
  end)

  lazy_teardown(function() server:stop() end)

  describe("passes the contract of drivers:", function()
    contract.specify(function() return (server:get("/contract", "--max-time 60")) end)
  end)

  for _, phase in ipairs { "rewrite", "access", "timer" } do
    it("waits in the phase " .. phase, function()
      assert.are.equal("completed\n", (server:get("/" .. phase)))
    end)
  end

  it("waits in a timer of init_worker", function()
    assert.is_true(eventually(function()
      return server:get "/found?phase=init_worker_timer" == "completed\n"
    end))
  end)

  describe("returns an error in the phase", function()
    lazy_setup(function() server:get "/phases" end)
    for _, phase in ipairs { "set", "header_filter", "body_filter", "log", "init_worker" } do
      it(phase, function()
        assert.are.equal(("cancelled: resty.sora has to wait, and nginx cannot in the phase '%s': "
          .. "start a timer (ngx.timer.at) and ask there\n"):format(phase),
          (server:get("/found?phase=" .. phase)))
      end)
    end

    it("log, from the calls that wait as well", function()
      assert.are.equal("cancelled\n", (server:get "/found?phase=log_wait_all"))
    end)
  end)

  it("answers others while a query hangs, and takes no CPU meanwhile", function()
    local worker = server:workers()[1]
    local hanging = assert(io.popen(("curl -s --noproxy '*' --max-time 1.5 '%s/query?id=%s'")
      :format(server.url, service:id "never")))
    assert.is_true(eventually(function() return server:get "/in_flight" == "1\n" end))
    local before = cpu(worker)
    system.sleep(1)
    local taken = cpu(worker) - before
    assert.are.equal("pong", (server:get "/ping"))
    hanging:close()
    assert.is_true(taken <= 0.05, taken .. " s of CPU within a second")
  end)

  it("cancels the query of a request that its client has given up", function()
    server:get("/query?id=" .. service:id "never", "--max-time 0.2")
    assert.is_true(eventually(function() return server:get "/in_flight" == "0\n" end, 2))
  end)

  it("cancels the query of a light thread that was killed", function()
    server:get "/kill"
    assert.is_true(eventually(function() return server:get "/in_flight" == "0\n" end, 2))
  end)

  it("delivers few answers in each turn of the worker, however many there are", function()
    local most = tonumber((server:get "/crowd"))
    assert.is_true(most > 1 and most < 100, most)
  end)

  it("keeps nothing of a request that has ended", function()
    local worker = server:workers()[1]
    local first = tonumber((server:get "/many?count=1000"))
    local descriptors, resident = count_descriptors(worker), kilobytes(worker)
    local second = tonumber((server:get "/many?count=2000"))
    assert.is_true(second < first + 100, ("%d KB of Lua, then %d"):format(first, second))
    assert.is_true(eventually(function() return count_descriptors(worker) <= descriptors end))
    assert.is_true(kilobytes(worker) < resident + 1500)
  end)

  it("is named by the one warning about the plain module where it would block", function()
    assert.is_nil(server:log():find("resty.sora", 1, true))
    server:get "/plain"
    server:get "/plain"
    local _, count = server:log():gsub('%[warn%][^\n]*require "resty.sora"', "")
    assert.are.equal(1, count)
  end)

  it("logs nothing else", function()
    local log = complaints(server:log()):gsub("[^\n]*resty.sora[^\n]*\n?", "")
    assert.are.equal("", (log:gsub("[^\n]*client prematurely closed[^\n]*\n?", "")))
  end)
end)

describe("resty.sora in several workers", function()
  local server

  before_each(function()
    server = nginx.start {
      workers = 2,
      http = http(),
      locations = { ["/query"] = "ngx.say(ngx.worker.pid(), ' ', ask(ngx.var.arg_id))" },
    }
  end)

  after_each(function() server:stop() end)

  --- Starts a request in a process of its own. The function returned gives its answer.
  local function start_get(path)
    local pipe = assert(io.popen(("curl -s --noproxy '*' --max-time 10 -w ' %%{http_code}' '%s%s'")
      :format(server.url, path)))
    return function()
      local answer = pipe:read("*a")
      pipe:close()
      return answer
    end
  end

  it("uses a client that was made before the fork in each of them", function()
    local seen, count = {}, 0
    assert.is_true(eventually(function()
      local pid, said = server:get("/query?id=" .. service:id "completed"):match("^(%d+) (%a+)\n")
      assert.are.equal("completed", said)
      if not seen[pid] then seen[pid], count = true, count + 1 end
      return count == 2
    end, 10))
  end)

  it("finishes what is in flight when nginx is reloaded", function()
    local answer = start_get("/query?id=" .. service:id "completed;delay=0.7")
    system.sleep(0.2)
    local before = server:workers()
    server:signal "HUP"
    assert.is_truthy(answer():match("^%d+ completed\n 200$"))
    assert.is_true(eventually(function()
      for _, pid in ipairs(before) do
        if read_process(pid, "stat") ~= "" then return false end
      end
      return true
    end))
    assert.is_truthy(server:get("/query?id=" .. service:id "completed"):match("completed"))
    assert.are.equal("", complaints(server:log()))
  end)

  it("finishes what is in flight when nginx quits", function()
    local answer = start_get("/query?id=" .. service:id "completed;delay=0.5")
    system.sleep(0.2)
    server:signal "QUIT"
    assert.is_truthy(answer():match("^%d+ completed\n 200$"))
    assert.is_true(eventually(function() return read_process(server.pid, "stat") == "" end))
    assert.are.equal("", complaints(server:log()))
  end)

  it("ends with nginx when that is told to stop at once", function()
    local answer = start_get("/query?id=" .. service:id "never")
    system.sleep(0.2)
    server:signal "TERM"
    assert.is_truthy(answer():match("000$"))
    assert.is_true(eventually(function() return read_process(server.pid, "stat") == "" end))
    assert.are.equal("", complaints(server:log()))
  end)
end)

describe("docs/openresty.md", function()
  it("shows a configuration that works", function()
    local page = assert(io.open("docs/openresty.md"))
    local shown = page:read("*a"):match("\n```nginx\n(.-)\n```\n")
    page:close()
    local folder = os.tmpname()
    os.remove(folder)
    os.execute("mkdir " .. folder)
    local file = assert(io.open(folder .. "/nginx.conf", "w"))
    file:write("load_module x/ndk_http_module.so;\nload_module x/ngx_http_lua_module.so;\n",
      "daemon off;\npid nginx.pid;\nevents {}\nhttp {\naccess_log off;\n", shown, "\n}\n")
    file:close()
    local server = nginx.start {
      file = folder .. "/nginx.conf", port = 8080,
      variables = { SORA_API_KEY = "sk-doc", SORA_BASE_URL = service.http_url },
    }
    os.execute("rm -r " .. folder)
    local said, status = server:get("/task?id=" .. service:id "completed")
    local wrong, wrong_status = server:get "/task"
    server:stop()
    assert.are.same({ "succeeded\n", 200 }, { said, status })
    assert.are.same({ "task_not_exist\n", 502 }, { wrong, wrong_status })
  end)
end)

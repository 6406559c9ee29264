-- Inside a real nginx, whose Lua is LuaJIT: there is nothing more to see under the other Luas.
it("core.nginx_watch returns nothing outside nginx", function()
  assert.are.same({ n = 0 }, { n = select("#", require "sora.core".nginx_watch(0, print)) })
end)

if not rawget(_G, "jit") then return end

local contract = require "spec.support.driver_contract"
local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local memory = require "spec.support.memory"
local nginx = require "spec.support.nginx"
local shell = require "spec.support.shell"
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

local function http(further, before)
  return "lua_shared_dict found 1m;\ninit_by_lua_block {\n" .. (before or "") .. INIT .. "\n}\n"
    .. (further or "")
end

local QUERY = "ngx.say(ask(ngx.var.arg_id))"
local IN_FLIGHT = "ngx.say(client:stats().in_flight)"

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

local function is_gone(pid) return not files.exists(("/proc/%d/stat"):format(pid)) end

--- Seconds of CPU that a process has taken.
local function cpu(pid)
  local user, kernel = files.read(("/proc/%d/stat"):format(pid))
    :match("%) %S" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
  return (user + kernel) / 100
end

local function count_descriptors(pid)
  return tonumber(shell.output_of(("ls /proc/%d/fd | wc -l"):format(pid)))
end

--- Starts a request in a process of its own. The function returned gives its answer.
local function start_get(server, path, seconds)
  local pipe = assert(io.popen(
    ("curl -s --noproxy '*' --max-time %g -w ' %%{http_code}' '%s%s'")
      :format(seconds or 10, server.url, path)))
  return function()
    local answer = pipe:read("*a")
    pipe:close()
    return answer
  end
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
        ]]):format(shell.output_of "pwd", service.base_url, service.ca_file),
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
        ["/watch"] = ([[{
          content_by_lua_block { ngx.ctx.next = client:watch(%q) }
          log_by_lua_block { found.log_watch = select(2, pcall(ngx.ctx.next)) }
        }]]):format(service:id "never"), -- an answer that is there at once needs no waiting
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

  it("raises where a loop over changes goes on in such a phase", function()
    server:get "/watch"
    assert.are.equal("resty.sora cannot wait: API disabled in the context of log_by_lua*\n",
      (server:get "/found?phase=log_watch"))
    assert.are.equal("0\n", (server:get "/in_flight"))
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
    local descriptors, resident = count_descriptors(worker), memory.resident(worker)
    local second = tonumber((server:get "/many?count=2000"))
    assert.is_true(second < first + 100, ("%d KB of Lua, then %d"):format(first, second))
    assert.is_true(eventually(function() return count_descriptors(worker) <= descriptors end))
    assert.is_true(memory.resident(worker) < resident + 1500)
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
    local answer = start_get(server, "/query?id=" .. service:id "completed;delay=0.7")
    system.sleep(0.2)
    local before = server:workers()
    server:signal "HUP"
    assert.is_truthy(answer():match("^%d+ completed\n 200$"))
    assert.is_true(eventually(function()
      for _, pid in ipairs(before) do
        if not is_gone(pid) then return false end
      end
      return true
    end))
    assert.is_truthy(server:get("/query?id=" .. service:id "completed"):match("completed"))
    assert.are.equal("", complaints(server:log()))
  end)

  it("finishes what is in flight when nginx quits", function()
    local answer = start_get(server, "/query?id=" .. service:id "completed;delay=0.5")
    system.sleep(0.2)
    server:signal "QUIT"
    assert.is_truthy(answer():match("^%d+ completed\n 200$"))
    assert.is_true(eventually(function() return is_gone(server.pid) end))
    assert.are.equal("", complaints(server:log()))
  end)

  it("ends with nginx when that is told to stop at once", function()
    local answer = start_get(server, "/query?id=" .. service:id "never")
    system.sleep(0.2)
    server:signal "TERM"
    assert.is_truthy(answer():match("000$"))
    assert.is_true(eventually(function() return is_gone(server.pid) end))
    assert.are.equal("", complaints(server:log()))
  end)
end)

describe("resty.sora keeps no descriptor", function()
  --- Whether the worker, after 18 more requests for /go, has fewer than so many more. A request's
  -- state of Lua may end a moment after its answer.
  local function grows_by_less(most, server)
    local worker = server:workers()[1]
    local function go()
      for _ = 1, 3 do assert.are.equal("completed\n", (server:get "/go")) end
      return count_descriptors(worker)
    end
    go()
    local first = go()
    for _ = 1, 6 do go() end
    return eventually(function() return count_descriptors(worker) - first < most end)
  end

  it("of clients that nobody has closed", function()
    local server = nginx.start {
      http = http(),
      locations = {
        ["/go"] = ([[
          local task
          for _ = 1, 10 do task = assert(new_client():query(%q)) end
          ngx.say(task.status)
          task = nil
          collectgarbage()
          collectgarbage()
        ]]):format(service:id "completed"),
      },
    }
    finally(function() server:stop() end)
    assert.is_true(grows_by_less(10, server))
    assert.are.equal("", complaints(server:log()))
  end)

  it("of the states of Lua that end with each request, without the code cache", function()
    local server = nginx.start {
      http = http "lua_code_cache off;",
      locations = { ["/go"] = ("ngx.say(ask(%q))"):format(service:id "completed") },
    }
    finally(function() server:stop() end)
    assert.is_true(grows_by_less(5, server))
    local log = complaints(server:log()):gsub("[^\n]*lua_code_cache is off[^\n]*\n?", "")
    assert.are.equal("", log)
  end)
end)

--- nginx calls what it watches at once, or when others have had their turn.
for _, directive in ipairs { "accept_mutex on;", "multi_accept on;" } do
  it("resty.sora is served with " .. directive, function()
    local server = nginx.start {
      http = http(), events = directive, workers = 2,
      locations = { ["/query"] = QUERY },
    }
    finally(function() server:stop() end)
    for _ = 1, 10 do
      assert.are.equal("completed\n", (server:get("/query?id=" .. service:id "completed")))
    end
    assert.are.equal("", complaints(server:log()))
  end)
end

--- Many wait, and some of them go: whoever is left is served, on both ways to learn of an answer.
local WAYS = {
  ["where nginx watches"] = { watch = "userdata", before = "" },
  ["where nginx cannot watch"] = {
    watch = "nil", before = "require 'sora.core'.nginx_watch = function() end\n",
  },
}

for way, of_way in pairs(WAYS) do
  describe("resty.sora, " .. way .. ", when one who waits", function()
    local server

    --- What many light threads have said, in the order of their ends, and what is in flight then.
    local function threads(body)
      return [[
        local said, threads, ids = {}, {}, {}
        for id in ngx.unescape_uri(ngx.var.arg_ids or ""):gmatch "%S+" do ids[#ids + 1] = id end
        local function start(name, fn, ...)
          local arguments = { ... }
          local thread = ngx.thread.spawn(function()
            local ok, result = pcall(fn, unpack(arguments))
            said[#said + 1] = name .. " " .. tostring(result)
          end)
          threads[#threads + 1] = thread
          return thread
        end
      ]] .. body .. [[
        for _, thread in ipairs(threads) do ngx.thread.wait(thread) end
        ngx.say(table.concat(said, "\n"))
      ]]
    end

    lazy_setup(function()
      server = nginx.start {
        http = http("lua_check_client_abort on;", of_way.before),
        locations = {
          ["/query"] = QUERY,
          ["/in_flight"] = IN_FLIGHT,
          ["/watch"] = "ngx.print(type(require 'sora.core'.shared(client).watch))",
          ["/order"] = threads [[
            for i, id in ipairs(ids) do start(i, ask, id) end
          ]],
          ["/kill"] = threads [[
            local first = start("first", ask, ids[1])
            for i = 2, #ids do start(i, ask, ids[i]) end
            ngx.sleep(0.05)
            ngx.thread.kill(first)
          ]],
          ["/exit"] = [[
            client:wait(ngx.var.arg_id, { on_update = function() ngx.exit(204) end })
          ]],
          ["/callback"] = threads [[
            start(1, client.wait, client, ids[1], { on_update = function() error("mine", 0) end })
            start(2, ask, ids[2])
          ]],
          ["/crowd"] = threads [[
            for i = 1, 300 do start("", ask, ids[1] .. i) end
          ]],
          ["/clients"] = threads [[
            local other = new_client()
            start("other", function()
              local _, err = other:query(ids[1], { timeout = 0.6 })
              return err.kind
            end)
            start("client", ask, ids[2])
          ]],
          ["/close"] = threads [[
            local other = new_client()
            start("other", function()
              local _, err = other:query(ids[1])
              return err.kind
            end)
            start("client", ask, ids[2])
            ngx.sleep(0.05)
            other:close()
          ]],
          ["/coroutine"] = threads [[
            start("thread", ask, ids[2])
            coroutine.wrap(function() said[#said + 1] = "coroutine " .. ask(ids[1]) end)()
          ]],
          ["/capture"] = [[
            ngx.print(ngx.location.capture("/query?id=" .. ngx.var.arg_id).body)
          ]],
          ["/raise"] = threads [[
            local methods = getmetatable(client).__index
            local step = methods.step
            function methods.step() error("broken", 0) end
            start(1, ask, ids[1])
            start(2, ask, ids[1])
            ngx.sleep(0.3)
            methods.step = step
            start(3, ask, ids[1])
          ]],
          ["/timers"] = threads [[
            start(1, ask, ids[1])
            ngx.sleep(0.02)
            said[1] = "running " .. ngx.timer.running_count()
          ]],
        },
      }
    end)

    lazy_teardown(function() server:stop() end)

    local function get(path, ...)
      local ids = { ... }
      for i, steps in ipairs(ids) do ids[i] = service:id(steps) end
      local said = server:get(path .. "?ids=" .. table.concat(ids, "%20"))
      assert.is_true(eventually(function() return server:get "/in_flight" == "0\n" end))
      return said
    end

    it("is served in that way", function()
      get("/order", "completed")
      assert.are.equal(of_way.watch, (server:get "/watch"))
    end)

    it("has its answer, the others wait for theirs", function()
      assert.are.equal("1 completed\n3 completed\n2 completed\n",
        get("/order", "completed;delay=0.1", "completed;delay=0.9", "completed;delay=0.5"))
    end)

    it("is killed, the others are served", function()
      assert.are.equal("2 completed\n3 completed\n",
        get("/kill", "never", "completed;delay=0.2", "completed;delay=0.6"))
    end)

    it("is in a request that is aborted, another request is served", function()
      local aborted = start_get(server, "/query?id=" .. service:id "never", 0.3)
      assert.is_true(eventually(function() return server:get "/in_flight" == "1\n" end))
      local said = server:get("/query?id=" .. service:id "completed;delay=0.8")
      assert.are.equal("completed\n", said)
      assert.are.equal(" 000", aborted())
      assert.is_true(eventually(function() return server:get "/in_flight" == "0\n" end))
    end)

    it("is in a request that ends in a callback, another request is served", function()
      local other = start_get(server, "/query?id=" .. service:id "completed;delay=0.8")
      local _, status = server:get("/exit?id=" .. service:id "queued")
      assert.are.equal(204, status)
      assert.are.equal("completed\n 200", other())
    end)

    it("has a callback that raises, the others are served", function()
      assert.are.equal("1 mine\n2 completed\n",
        get("/callback", "queued;delay=0.1", "completed;delay=0.5"))
    end)

    it("is one of three hundred, each has its answer", function()
      local said = get("/crowd", "completed")
      assert.are.equal(300, (select(2, said:gsub(" completed\n", ""))))
    end)

    it("waits for another client, all clients are looked after", function()
      assert.are.equal("client completed\nother timeout\n", get("/clients", "never", "completed"))
    end)

    it("has its client closed, the others are served", function()
      assert.are.equal("other cancelled\nclient completed\n",
        get("/close", "never", "completed;delay=0.4"))
    end)

    it("is a coroutine in a light thread, it waits as the thread would", function()
      assert.are.equal("coroutine completed\nthread completed\n",
        get("/coroutine", "completed;delay=0.1", "completed;delay=0.5"))
    end)

    it("is in a subrequest, it waits there", function()
      assert.are.equal("completed\n", (server:get("/capture?id=" .. service:id "completed")))
    end)

    it("raises in a step, each call raises that, and the next ones are served", function()
      assert.are.equal("1 broken\n2 broken\n3 completed\n", get("/raise", "completed;delay=0.1"))
    end)

    it("is in a request, no timer runs", function()
      assert.are.equal("running 0\n1 completed\n", get("/timers", "completed;delay=0.2"))
    end)

    it("is gone, that is logged nowhere; what was raised when nobody waited is, once", function()
      local log = complaints(server:log()):gsub("[^\n]*client prematurely closed[^\n]*\n?", "")
      local others, raised = log:gsub("[^\n]*broken\n?", "")
      assert.are.equal("", others)
      assert.is_true(raised <= 1, log)
    end)
  end)
end

--- nginx refuses a timer where too many are pending, and drops it without a word to Lua where too
-- many run.
describe("resty.sora, when timers are short", function()
  local LOCATIONS = {
    ["/query"] = "ngx.say(ask(ngx.var.arg_id, { timeout = tonumber(ngx.var.arg_timeout or 10) }))",
    ["/in_flight"] = IN_FLIGHT,
    ["/running"] = "ngx.say(ngx.timer.running_count())",
    ["/kill"] = [[
      local leads = ngx.thread.spawn(ask, ngx.var.arg_leads)
      local follows = ngx.var.arg_follows and ngx.thread.spawn(ask, ngx.var.arg_follows)
      ngx.sleep(0.05)
      ngx.thread.kill(leads)
      ngx.say(follows and select(2, ngx.thread.wait(follows)))
    ]],
    ["/waits"] = [[
      found.ended = found.ended or {}
      local ended, id, opts = found.ended, ngx.var.arg_id,
        { interval = 0.4, max_interval = 0.4, timeout = 20 }
      local function wait(_, i)
        local task, err = client:wait(id .. i, opts)
        ended[#ended + 1] = task and task.status or err.kind
        ngx.log(ngx.NOTICE, "wait ended: ", ended[#ended])
      end
      for i = 1, tonumber(ngx.var.arg_count) do assert(ngx.timer.at(0, wait, i)) end
    ]],
    ["/ended"] = "ngx.say(#found.ended, (table.concat(found.ended):gsub('completed', '')))",
    ["/foreign"] = [[
      local accepted = 0
      local seconds = tonumber(ngx.var.arg_sleep or 0)
      for _ = 1, tonumber(ngx.var.arg_count) do
        if ngx.timer.at(tonumber(ngx.var.arg_after), function() ngx.sleep(seconds) end) then
          accepted = accepted + 1
        end
      end
      ngx.say(accepted)
    ]],
    ["/premature"] = [[
      local id = ngx.var.arg_id
      assert(ngx.timer.at(1000, function(premature)
        ngx.log(ngx.NOTICE, "premature: ", premature, ", ", ask(id))
      end))
    ]],
  }

  local function start(directives)
    return nginx.start { http = http(directives), locations = LOCATIONS }
  end

  local function is(server, path, answer)
    return eventually(function() return server:get(path) == answer end, 20)
  end

  local function serves(server)
    assert.are.equal("completed\n", (server:get("/query?id=" .. service:id "completed")))
    assert.is_truthy(server:get("/query?timeout=0.3&id=" .. service:id "never"):find "^timeout: ")
    assert.is_true(is(server, "/in_flight", "0\n"))
  end

  --- Nothing but that nginx had no timer for somebody; of the module's own, that once.
  local function complains_once(server)
    local log = complaints(server:log())
    local _, own = log:gsub("[^\n]*resty/sora.lua[^\n]*lua_max_running_timers", "")
    assert.is_true(own <= 1, log)
    assert.are.equal("", (log:gsub("[^\n]*lua_max_running_timers are not enough\n?", "")))
  end

  for _, most in ipairs { 2, 8, 256 } do
    it(("ends each of %d waits, in all timers that may run"):format(most), function()
      local server = start(("lua_max_running_timers %d;"):format(most))
      finally(function() server:stop() end)
      server:get(("/waits?count=%d&id=%s"):format(most, service:id "queued*4,completed"))
      assert.is_true(is(server, "/running", most .. "\n"))
      server:get("/waits?count=2&id=" .. service:id "completed") -- which nginx drops
      serves(server)
      assert.is_true(is(server, "/running", "0\n"))
      assert.are.equal(most .. "\n", (server:get "/ended"))
      serves(server)
      complains_once(server)
    end)

    it(("answers while others' have taken all %d, and afterwards"):format(most), function()
      local server = start(("lua_max_running_timers %d;"):format(most))
      finally(function() server:stop() end)
      server:get(("/foreign?count=%d&after=0&sleep=2"):format(most + 2))
      assert.is_true(is(server, "/running", most .. "\n"))
      serves(server)
      assert.is_true(is(server, "/running", "0\n"))
      serves(server)
      complains_once(server)
    end)

    it(("answers first while %d are pending, which is all that may"):format(most), function()
      local server = start(("lua_max_pending_timers %d;"):format(most))
      finally(function() server:stop() end)
      assert.are.equal(most .. "\n",
        (server:get(("/foreign?count=%d&after=1000"):format(most + 1))))
      serves(server)
      -- whoever leads is killed, of which no timer can learn
      assert.are.equal("completed\n", (server:get(("/kill?leads=%s&follows=%s"):format(
        service:id "never", service:id "completed;delay=0.4"))))
      serves(server)
      server:get("/kill?leads=" .. service:id "never")
      serves(server)
      assert.are.equal("", complaints(server:log()))
    end)
  end

  for _, signal in ipairs { "HUP", "QUIT" } do
    it("finishes the waits in them at " .. signal, function()
      local server = start "lua_max_running_timers 2;"
      finally(function() server:stop() end)
      local before = server:workers()[1]
      server:get("/waits?count=2&id=" .. service:id "queued*2,completed")
      assert.is_true(is(server, "/running", "2\n"))
      server:get("/premature?id=" .. service:id "completed") -- which nginx would drop
      server:signal(signal)
      assert.is_true(eventually(function() return is_gone(before) end, 20))
      assert.are.equal(2, (select(2, server:log():gsub("wait ended: completed", ""))))
      if signal == "HUP" then serves(server) end
      complains_once(server)
    end)
  end

  it("serves a timer that runs before its time, at the worker's end", function()
    local server = start()
    finally(function() server:stop() end)
    local before = server:workers()[1]
    server:get("/premature?id=" .. service:id "completed")
    server:signal "HUP"
    assert.is_true(eventually(function() return is_gone(before) end, 20))
    assert.is_truthy(server:log():find("premature: true, completed", 1, true))
    serves(server)
    assert.are.equal("", complaints(server:log()))
  end)
end)

describe("docs/openresty.md", function()
  it("shows a configuration that works", function()
    local shown = files.read("docs/openresty.md"):match("\n```nginx\n(.-)\n```\n")
    local folder = files.folder()
    files.write(folder .. "/nginx.conf", "load_module x/ndk_http_module.so;\n"
      .. "load_module x/ngx_http_lua_module.so;\ndaemon off;\npid nginx.pid;\nevents {}\nhttp {\n"
      .. "access_log off;\n" .. shown .. "\n}\n")
    local server = nginx.start {
      file = folder .. "/nginx.conf", port = 8080,
      variables = { SORA_API_KEY = "sk-doc", SORA_BASE_URL = service.http_url },
    }
    files.remove(folder)
    local said, status = server:get("/task?id=" .. service:id "completed")
    local wrong, wrong_status = server:get "/task"
    server:stop()
    assert.are.same({ "succeeded\n", 200 }, { said, status })
    assert.are.same({ "task_not_exist\n", 502 }, { wrong, wrong_status })
  end)
end)

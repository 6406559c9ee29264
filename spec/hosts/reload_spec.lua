-- Modules that are loaded anew while others wait, and files that cannot be read any more.

local chance = require "spec.support.chance"
local files = require "spec.support.files"
local helpers = require "spec.support.helpers"
local hosts = require "spec.support.host"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"

local LIMIT = 20 -- seconds

local service = standin.shared()

-- Those that are loaded anew one by one: they know of what waits.
local KEEPERS = {
  "sora", "sora.answers.task", "sora.core", "sora.cqueues", "sora.hosts.arguments",
  "sora.hosts.call", "sora.hosts.inbox", "sora.hosts.loading", "sora.hosts.luv_loop",
  "sora.hosts.module", "sora.hosts.plain", "sora.hosts.texts", "sora.luv",
  "sora.videos.download", "sora.waiting.many", "sora.waiting.pace", "sora.waiting.poller",
  "sora.waiting.wait",
}

local function is_own(name) return name == "sora" or name:find "^sora%." ~= nil end

--- Makes `require` forget some of the modules: all of them, one of them, or those of a seed.
local function forget(which)
  for name in pairs(package.loaded) do
    if is_own(name) and (which == "all" or which == name
        or type(which) == "number" and chance.new(which, name:byte(1, -1)):is(0.5)) then
      package.loaded[name] = nil
    end
  end
end

local subsets = { "all" }
for _, name in ipairs(KEEPERS) do subsets[#subsets + 1] = name end
for seed = 1, 6 do subsets[#subsets + 1] = seed end

describe("modules that are loaded anew", function()
  local kept

  before_each(function()
    kept = {}
    for name, module in pairs(package.loaded) do
      if is_own(name) then kept[name] = module end
    end
  end)

  after_each(function()
    forget "all"
    for name, module in pairs(kept) do package.loaded[name] = module end
  end)

  local options = { base_url = service.base_url, ca_file = service.ca_file, api_key = "sk-reload" }

  --- What holds in a host, in which `run` runs all that was spawned: what waited before goes on,
  -- is cancelled and closed by functions of after, and both work.
  local function check(which, name, spawn, sleep, run)
    local before = require(name)
    local flying, sleeping, closed = before.client(options), before.client(options),
      before.client(options)
    local results = {}
    local function wait(key, client, steps, opts)
      spawn(function() results[key] = { client:wait(service:id(steps), opts) } end)
    end
    wait("finished", flying, "queued;delay=0.1,pending;delay=0.1,completed;delay=0.1",
      { interval = 0.05 })
    wait("cancelled", sleeping, "queued", { interval = 60 })
    wait("closed", closed, "queued", { interval = 60 })
    spawn(function()
      while closed:stats().requests < 1 or closed:stats().in_flight > 0
          or sleeping:stats().requests < 1 or sleeping:stats().in_flight > 0 do
        sleep(0.01)
      end
      sleep(0.05)
      forget(which)
      local after = require(name)
      results.after = { after.client(options):wait(service:id "queued,completed",
        { interval = 0.05 }) }
      results.old = { flying:query(service:id "completed") }
      sleeping:cancel()
      closed:close()
    end)
    run()
    for _, key in ipairs { "finished", "after", "old" } do
      local task, err = results[key][1], results[key][2]
      assert.equal("completed", task and task.status, key .. ": " .. tostring(err))
    end
    assert.equal("cancelled", results.cancelled[2].kind)
    assert.equal("cancelled", results.closed[2].kind)
    flying:close()
    sleeping:close()
  end

  for _, which in ipairs(subsets) do
    it("lose nothing that waits in luv: " .. which, function()
      local lacking = hosts.lacks "luv"
      if lacking then return pending(lacking) end
      local sora = require "sora.luv"
      check(which, "sora.luv", sora.spawn, sora.sleep,
        function() require "spec.support.luv_loop"(LIMIT) end)
    end)
  end

  for _, which in ipairs { "all", "sora.core", "sora.cqueues", "sora.hosts.inbox", 1, 2, 3 } do
    it("lose nothing that waits in cqueues: " .. which, function()
      local lacking = hosts.lacks "cqueues"
      if lacking then return pending(lacking) end
      local cqueues = require "cqueues"
      local controller = cqueues.new()
      check(which, "sora.cqueues", function(fn) controller:wrap(fn) end, cqueues.sleep,
        function() assert(controller:loop(LIMIT)) end)
    end)
  end

  it("may be so in a callback of a plain script", function()
    for _, which in ipairs(subsets) do
      local sora = require "sora"
      local client, other = sora.client(options), nil
      local task = assert(client:wait(service:id "queued,pending,completed", {
        interval = 0.02, on_update = function()
          forget(which)
          other = require("sora").client(options)
          assert(other:wait(service:id "queued,completed", { interval = 0.02 }))
          assert(client:query(service:id "queued"))
        end,
      }))
      assert.equal("completed", task.status)
      client:cancel()
      client:close()
      other:close()
    end
  end)
end)

describe("files that cannot be read any more", function()
  --- Runs a script in which the modules in Lua are found in a folder of its own, which `vanish()`
  -- removes.
  local function run(script)
    local folder = files.folder()
    shell.output_of(("cp -r lua/. %s"):format(folder))
    local path = package.path:gsub("[^;]*/lua/%?[^;]*;", "")
    files.write(folder .. "/script.lua", ([[
      package.path = %q
      local function vanish() os.execute "rm -r %s" end
      local sora = require "sora"
      local client = sora.client { base_url = %q, ca_file = %q }
    ]]):format(folder .. "/?.lua;" .. folder .. "/?/init.lua;" .. path, folder, service.base_url,
      service.ca_file) .. script)
    local ended = program.run(("%s %s/script.lua"):format(shell.LUA, folder))
    files.remove(folder)
    return ended
  end

  local firsts = {
    ["client:query"] = "client:query(%q)",
    ["sora.query"] = "sora.query(%q, { base_url = client_url, ca_file = client_ca })",
    ["client:wait"] = "client:wait(%q)",
    ["client:query_all"] = "client:query_all { %q }",
    ["client:watch"] = "client:watch(%q)",
  }
  for name, call in pairs(firsts) do
    it("are not needed once " .. name .. " was called", function()
      local ended = run((([[
        local client_url, client_ca = %q, %q
        assert(]] .. call .. [[)
        vanish()
        local task = assert(client:wait(%q, { interval = 0.02 }))
        assert(client:wait_all({ task }, { interval = 0.02 })[task.id])
        assert(client:download(task, os.tmpname()))
        for seen in client:watch(task) do assert(sora.status(seen) == "succeeded") end
        client:cancel()
        client:close()
        print(#tostring(task) > 0 and "all went well")
      ]])):format(service.base_url, service.ca_file, service:id "completed",
        service:id "queued,completed"))
      assert.equal("all went well\n", ended.out, ended.err)
    end)
  end

  -- All in these folders is what calls need.
  it("are not needed once a query was made: whatever a call can come to need", function()
    local names = {}
    for _, folder in ipairs { "answers", "creating", "videos", "waiting" } do
      for name in shell.output_of("cd lua/sora && ls " .. folder .. "/*.lua"):gmatch "%S+" do
        names[#names + 1] = ("%q"):format("sora." .. name:gsub("%.lua$", ""):gsub("/", "."))
      end
    end
    local ended = run(([[
      assert(client:query(%q))
      vanish()
      local loading = require "sora.hosts.loading"
      for _, name in ipairs { %s } do loading.module(name) end
      for _, call in ipairs { "close", "cancel", "wake" } do pcall(client[call], client, "x") end
      print(pcall(client.wait, client, "x"))
      for name in pairs(package.preload) do assert(not name:find "^sora", name) end
    ]]):format(service:id "completed", table.concat(names, ",")))
    assert.matches("^false\t[^\n]*client is closed\n$", ended.out, ended.err)
  end)

  local function from_a_searcher(lacking)
    return function()
      local ended = run(([[
        local path, searchers = package.path, package.searchers or package.loaders
        package.path = ""
        table.insert(searchers, 2, function(name)
          if name == %q then return "not here" end
          local place = path:match "^[^;]*":gsub("?", (name:gsub("%%.", "/")))
          local file = io.open(place)
          if not file then return "no such file" end
          local text = file:read "*a"
          file:close()
          return (loadstring or load)(text, name)
        end)
        assert(client:query(%q))
        table.remove(searchers, 2)
        vanish()
        print(assert(client:wait(%q)).status)
      ]]):format(lacking or "", service:id "completed", service:id "completed"))
      assert.equal("completed\n", ended.out, ended.err)
    end
  end

  it("are no files, and the searcher of somebody else's is asked for them by the first call",
    from_a_searcher())

  it("are all there but those that are not found",
    from_a_searcher "sora.creating.body")

  it("are told of by the call that needs them, and a query does not", function()
    local ended = run(([[
      vanish()
      assert(client:query(%q))
      print(pcall(client.wait, client, "x"))
    ]]):format(service:id "completed"))
    assert.matches("^false\t[^\n]*module 'sora%.", ended.out, ended.err)
  end)
end)

describe("a process that is short of descriptors", function()
  for limit = 6, 14 do
    it(("gets an answer or an error, with %d of them"):format(limit), function()
      local name = os.tmpname()
      files.write(name, ([[
        local sora = require "sora"
        local client = sora.client { base_url = %q, ca_file = %q, retries = 0 }
        local function show(task, err) print(task and "ok" or err.kind) end
        show(client:query(%q))
        show(client:wait(%q, { interval = 0.02, timeout = 1, max_errors = 2 }))
        show(client:download(%q, %q))
        client:cancel()
        client:close()
        print "end"
      ]]):format(service.base_url, service.ca_file, service:id "completed",
        service:id "queued,completed", service:id "completed", name .. ".mp4"))
      local ended = program.run(("sh -c 'ulimit -n %d; exec %s %s'"):format(limit, shell.LUA, name))
      os.remove(name)
      os.remove(name .. ".mp4")
      local said = "\n" .. ended.out
      assert.matches("\nend\n$", said, ended.err)
      assert.equal(4, select(2, ended.out:gsub("\n", "")))
    end)
  end
end)

describe("chance", function()
  it("is not shared by forked workers", function()
    local core, unix = require "sora.core", helpers.load "unix"
    local name = os.tmpname()
    core.random()
    for _ = 1, 8 do
      unix.wait(unix.child(function()
        local file = assert(io.open(name, "a"))
        file:write(("%.17g %.17g\n"):format(core.random(), core.backoff(3)))
        file:close()
      end))
    end
    local seen = {}
    for line in io.lines(name) do
      for number in line:gmatch "%S+" do
        assert.is_nil(seen[number])
        seen[number] = true
      end
    end
    os.remove(name)
    assert.is_truthy(next(seen))
  end)
end)

--- What every driver has to do, whatever its host: the one spec that they all pass, and so one list
-- of cases, as long as it is.
--
-- It runs inside the host, without busted, and reports there line by line (TAP); around it, a spec
-- turns those lines into `it`s. Inside, from a flow of control that may wait (a coroutine, a light
-- thread, a request):
--
--   contract.run {
--     sora = require "sora.luv",              -- the module under test
--     base_url = …, ca_file = …,              -- of the stand-in service
--     tag = "luv",                            -- in all ids: no other run may use the same one
--     path = …,                               -- of a file that may be written and is removed again
--     spawn = function(fn) … end,             -- runs fn() beside this flow of control
--     sleep = function(seconds) … end,        -- of the host, not sora's
--     emit = print,                           -- takes the lines of the report
--     pcall = …,                              -- for Lua 5.1: one that may be yielded in
--   }
--
-- Outside, in a spec:
--
--   contract.specify(function() return output_of_the_host end)

local annotations = require "sora.reference.annotations"

local M = {}

local pcall = pcall
local cases = {} -- list of { name, function(host) }, which raises where the driver is wrong

local function case(name, run) cases[#cases + 1] = { name = name, run = run } end

local function equal(expected, actual, what)
  if expected == actual then return end
  error(("%s: expected %s, got %s"):format(what, tostring(expected), tostring(actual)), 2)
end

local function matches(text, pattern, what)
  if type(text) == "string" and text:find(pattern) then return end
  error(("%s: expected /%s/, got %s"):format(what, pattern, tostring(text)), 2)
end

local function between(low, high, actual, what)
  if actual >= low and actual <= high then return end
  error(("%s: %s is not within %s and %s"):format(what, actual, low, high), 2)
end

--- An error object of that kind, beside no value.
local function failed(kind, task, err)
  equal(nil, task, "value beside an error of kind " .. kind)
  equal(kind, type(err) == "table" and err.kind or tostring(err), "kind of the error")
end

local Host = {}
Host.__index = Host

--- A client of the module under test.
function Host:client()
  return self.sora.client { base_url = self.base_url, ca_file = self.ca_file, api_key = "sk-c" }
end

--- An id that nobody else uses, with the steps that answer it.
function Host:id(steps)
  self.serial = self.serial + 1
  return ("sora-2:task_%s~%s%d"):format(steps, self.tag, self.serial)
end

--- Starts fn beside this flow of control.
function Host:start(fn)
  local flow = {}
  self.spawn(function()
    flow.ok, flow.a, flow.b = pcall(fn)
    flow.ended = true
  end)
  return flow
end

--- Waits until that has ended; returns what it returned, and raises what it raised.
function Host:join(flow, seconds)
  local deadline = self.now() + (seconds or 10)
  while not flow.ended do
    if self.now() > deadline then error("a flow of control did not end", 2) end
    self.sleep(0.005)
  end
  if not flow.ok then error(flow.a, 0) end
  return flow.a, flow.b
end

function Host:until_idle(client)
  local deadline = self.now() + 2
  while client:stats().in_flight > 0 and self.now() < deadline do self.sleep(0.005) end
  equal(0, client:stats().in_flight, "requests still in flight")
end

case("query returns the task", function(host, client)
  local id = host:id "completed"
  local task, err = client:query(id)
  equal("nil", tostring(err), "error")
  equal(id, task.id, "id")
  equal("succeeded", host.sora.status(task), "status")
end)

case("query returns nil and an error for an unknown task", function(_, client)
  local task, err = client:query "nobody-knows-this"
  failed("api", task, err)
  equal(400, err.status, "HTTP status")
  equal("nobody-knows-this", err.id, "id in the error")
end)

case("the function of the module takes the client's options", function(host)
  local task = host.sora.query(host:id "queued",
    { base_url = host.base_url, ca_file = host.ca_file, api_key = "sk-contract" })
  equal("running", host.sora.status(task), "status")
end)

local function name_of(module)
  for name, loaded in pairs(package.loaded) do
    if loaded == module then return name end
  end
end

--- The class of a module in the reference: its text begins with how the module is required.
local function class_of(module)
  local start = ('`require "%s"`'):format(name_of(module))
  for _, entry in ipairs(annotations.entries()) do
    if entry.text:find(start, 1, true) == 1 then return entry.name end
  end
  error("the reference has no class whose text begins with " .. start)
end

case("the module has what the reference says, and nothing else", function(host)
  local class, documented = class_of(host.sora), {}
  local own = "^" .. class:match "^sora%.(.*)$" .. "%.([%w_]+)$"
  for _, entry in ipairs(annotations.entries()) do
    local name = entry.name:match "^sora%.([%w_]+)$" or entry.name:match(own)
    if name and entry.kind == "function" then documented[name] = true end
  end
  local lineage = annotations.lineage(class)
  for i = #lineage, 1, -1 do -- a host's own come last: they may say that one is lacking
    for _, field in ipairs(lineage[i].fields) do
      documented[field.name] = field.type ~= "nil" or nil
    end
  end
  for name in pairs(host.sora) do
    equal(true, documented[name], "in the reference: " .. name)
    documented[name] = nil
  end
  equal(nil, (next(documented)), "in the reference, and not in the module")
end)

case("misuse is raised where the call stands", function(host, client)
  local ok, message = pcall(function() client:query(42) end)
  equal(false, ok, "query of a number")
  matches(message, "driver_contract.lua:%d+: bad argument #1 to 'query'", "message")
  ok, message = pcall(function() client:wait(host:id "completed", { intervall = 1 }) end)
  equal(false, ok, "wait with an unknown option")
  matches(message, "driver_contract.lua:%d+: .*'intervall'.*'interval'", "message")
end)

case("create returns a task, and everything goes on with that", function(host, client)
  local body = { model = "sora-2", prompt = "a cat script:queued,completed" }
  local task, err = client:create(body)
  equal("nil", tostring(err), "error")
  equal("running", host.sora.status(task), "status")
  equal("running", host.sora.status(client:query(task)), "status of a query for the task")
  task, err = client:wait(task, { interval = 0.02 })
  equal("nil", tostring(err), "error of the wait")
  equal("succeeded", host.sora.status(task), "status at the end")
end)

case("generate goes the whole way, and blocks nobody", function(host, client)
  local flow = host:start(function()
    return client:generate({ model = "sora-2", prompt = "a cat script:queued*5,completed" },
      host.path, { interval = 0.05, max_interval = 0.05 })
  end)
  local ticks = 0
  while not flow.ended do
    host.sleep(0.01)
    ticks = ticks + 1
  end
  local bytes, task = host:join(flow)
  os.remove(host.path)
  equal("number", type(bytes), "bytes: " .. tostring(task))
  equal("succeeded", host.sora.status(task), "status")
  between(5, 100000, ticks, "turns of the other flow")
end)

case("call sends anything else", function(_, client)
  local said, err = client:call("PUT", "/echo", { body = { a = 1 }, query = { b = 2 } })
  equal("nil", tostring(err), "error")
  equal("PUT /echo?b=2 {\"a\":1}", ("%s %s %s"):format(said.method, said.path, said.text), "echo")
end)

case("a create that failed was sent, or was not", function(_, client)
  local task, err = client:create({ model = "m", prompt = "p", images = { "/nowhere/a.png" } })
  failed("io", task, err)
  equal(false, err.sent, "sent")
end)

case("query repeats what failed for a moment", function(host, client)
  local task, err = client:query(host:id "500,completed")
  equal("nil", tostring(err), "error")
  equal("succeeded", host.sora.status(task), "status")
end)

case("on_attempt is told of each attempt", function(host, client)
  local told = {}
  local function on_attempt(info)
    told[#told + 1] = ("%d %s %s"):format(info.attempt, tostring(info.status),
      info.next_in and "again" or "end")
  end
  local task, err = client:query(host:id "503;retry_after=0,completed", { on_attempt = on_attempt })
  equal("nil", tostring(err), "error")
  equal("succeeded", host.sora.status(task), "status")
  equal("1 503 again, 2 200 end", table.concat(told, ", "), "attempts of the query")
  told = {}
  client:wait(host:id "queued,completed", { interval = 0.02, on_attempt = on_attempt })
  equal("1 200 again, 1 200 end", table.concat(told, ", "), "attempts of the wait")
end)

case("query ends at its timeout", function(host, client)
  local started = host.now()
  failed("timeout", client:query(host:id "never", { timeout = 0.3 }))
  between(0.29, 25, host.now() - started, "seconds") -- request_timeout is 30
  host:until_idle(client)
end)

case("a query waits beside others, and blocks nobody", function(host, client)
  client:query(host:id "completed") -- connected
  local ticks, most, flows = 0, 0, {}
  for i = 1, 10 do
    flows[i] = host:start(function() return client:query(host:id "completed;delay=0.4") end)
  end
  while not flows[10].ended do
    host.sleep(0.01)
    ticks, most = ticks + 1, math.max(most, client:stats().in_flight)
  end
  for i = 1, 10 do equal("table", type(host:join(flows[i])), "answer") end
  equal(10, most, "queries at once")
  between(10, 1000, ticks, "turns of a flow of control beside them")
end)

case("a query that is cancelled in flight returns at once", function(host, client)
  local flow = host:start(function() return client:query(host:id "never") end)
  host.sleep(0.05)
  equal(1, client:stats().in_flight, "in flight")
  client:cancel()
  failed("cancelled", host:join(flow))
  host:until_idle(client)
  equal("table", type(client:query(host:id "completed")), "the next answer")
end)

case("cancelling the client's calls ends those that sleep, and no later one", function(host, client)
  local waiting = host:start(function()
    return client:wait(host:id "queued", { interval = 60 })
  end)
  local all = host:start(function()
    local id = host:id "queued"
    return nil, select(2, client:wait_all({ id }, { interval = 60 }))[id]
  end)
  while client:stats().requests < 2 or client:stats().in_flight > 0 do host.sleep(0.005) end
  host.sleep(0.05)
  client:cancel()
  failed("cancelled", host:join(waiting))
  failed("cancelled", host:join(all))
  equal("table", type(client:wait(host:id "completed")), "the next answer")
end)

case("closing the client ends what is in flight, and waits", function(host)
  local client = host:client()
  local query = host:start(function() return client:query(host:id "never") end)
  local wait = host:start(function() return client:wait(host:id "never") end)
  host.sleep(0.05)
  client:close()
  failed("cancelled", host:join(query))
  failed("cancelled", host:join(wait))
  local ok, message = pcall(function() client:query(host:id "completed") end)
  equal(false, ok, "query on a closed client")
  matches(tostring(message), "closed", "message")
end)

case("wake has a task asked for at once, by all who sleep on it", function(host, client)
  local id, other = host:id "queued*2,completed", host:id "queued"
  local long = { interval = 60, max_interval = 60 }
  equal(false, client:wake(id), "woken before anybody waits")
  local one = host:start(function() return client:wait(id, long) end)
  local many = host:start(function() return client:wait_all({ other, id }, long) end)
  while client:stats().requests < 3 or client:stats().in_flight > 0 do host.sleep(0.005) end
  host.sleep(0.05)
  equal(false, client:wake "nobody:task_waits", "woken by another id")
  equal(true, client:wake(id), "woken")
  equal("table", type(host:join(one, 5)), "task of the wait")
  equal(nil, many.ended, "the end of wait_all")
  local before = client:stats().requests
  equal(true, client:wake(other), "woken once more")
  while client:stats().requests == before do host.sleep(0.005) end
  client:cancel()
  local tasks, errs = host:join(many, 5)
  equal("completed", tasks[id] and tasks[id].status, "task of wait_all")
  equal("cancelled", errs[other] and errs[other].kind, "error of the other")
  equal(false, client:wake(id), "woken when nobody waits any more")
end)

case("wait asks until the task ends", function(host, client)
  local seen = {}
  local task, err = client:wait(host:id "queued,500,pending;progress=0.5,completed", {
    interval = 0.05,
    on_update = function(update) seen[#seen + 1] = host.sora.status(update) end,
  })
  equal("nil", tostring(err), "error")
  equal("succeeded", host.sora.status(task), "status")
  equal("running running succeeded", table.concat(seen, " "), "updates")
end)

case("wait returns the last task with its timeout", function(host, client)
  local started = host.now()
  local task, err = client:wait(host:id "pending", { interval = 0.05, timeout = 0.3 })
  failed("timeout", task, err)
  equal("running", host.sora.status(err.task), "status of the last task")
  between(0.2, 25, host.now() - started, "seconds") -- queries end after 30
end)

case("wait returns a failed task as an error", function(host, client)
  failed("failed", client:wait(host:id "pending,failed", { interval = 0.05 }))
end)

case("watch gives the task at each change", function(host, client)
  local words = {}
  -- no for loop: in Lua 5.1 its iterator cannot yield
  local next_change = client:watch(host:id "queued,pending,completed", { interval = 0.05 })
  local task = next_change()
  while task do
    words[#words + 1] = task.status
    task = next_change()
  end
  equal("completed", words[#words], "last status")
  between(2, 3, #words, "changes")
end)

case("wait_all returns tasks and errors by id", function(host, client)
  local ids = {}
  for i = 1, 20 do ids[i] = host:id(i % 10 == 0 and "queued,failed" or "queued,completed") end
  local ended = 0
  local tasks, errs = client:wait_all(ids, {
    interval = 0.05, concurrency = 5, on_result = function() ended = ended + 1 end,
  })
  for i, id in ipairs(ids) do
    equal(i % 10 ~= 0, tasks[id] ~= nil, "a task for id " .. i)
    equal(i % 10 == 0 and "failed" or nil, errs[id] and errs[id].kind, "error of id " .. i)
  end
  equal(20, ended, "calls of on_result")
end)

case("download writes the video", function(host, client)
  local task = assert(client:query(host:id "completed"))
  local bytes, err = client:download(task, host.path)
  equal("nil", tostring(err), "error")
  local file = assert(io.open(host.path, "rb"))
  local size = file:seek "end"
  file:close()
  os.remove(host.path)
  equal(bytes, size, "size of the file")
end)

case("an error raised in on_update reaches the caller and no one else", function(host, client)
  local other = host:start(function() return client:query(host:id "completed;delay=0.3") end)
  local ok, raised = pcall(client.wait, client, host:id "queued,completed", {
    interval = 0.05, on_update = function() error({ mine = true }) end,
  })
  equal(false, ok, "wait succeeded")
  equal(true, type(raised) == "table" and raised.mine, "the error that was raised")
  equal("table", type(host:join(other)), "answer of the other")
  equal("table", type(client:query(host:id "completed")), "the next answer")
end)

case("an error raised in on_result cancels its own call and nothing else", function(host, client)
  local other = host:start(function() return client:query(host:id "completed;delay=0.3") end)
  local ids = { host:id "completed", host:id "never", host:id "never" }
  local ok, raised = pcall(client.query_all, client, ids, {
    on_result = function() error("mine", 0) end,
  })
  equal(false, ok, "query_all succeeded")
  equal("mine", raised, "the error that was raised")
  equal("table", type(host:join(other)), "answer of the other")
  host:until_idle(client)
end)

case("a thousand queries at once all return", function(host, client)
  local good, ended = 0, 0
  for _ = 1, 1000 do
    host.spawn(function()
      local task = client:query(host:id "minimal")
      if task then good = good + 1 end
      ended = ended + 1
    end)
  end
  local deadline = host.now() + 30
  while ended < 1000 and host.now() < deadline do host.sleep(0.01) end
  equal(1000, good, "good answers")
  host:until_idle(client)
end)

--- Runs all cases, one after the other, and reports them.
---@param host table  see above
---@return boolean passed
function M.run(host)
  host.serial, host.now = 0, require "sora.core".now
  pcall = host.pcall or pcall
  setmetatable(host, Host)
  host.emit("1.." .. #cases)
  local passed = true
  for i, one in ipairs(cases) do
    local client = host:client()
    local ok, err = pcall(one.run, host, client)
    client:close()
    passed = passed and ok
    host.emit(("%s %d - %s"):format(ok and "ok" or "not ok", i, one.name))
    if not ok then host.emit("# " .. tostring(err):gsub("\n", "\n# ")) end
  end
  return passed
end

--- For a spec of busted: an `it` for each case. What the host reported is asked for once.
---@param output_of_host fun(): string  runs M.run in the host; may hold other lines as well
function M.specify(output_of_host)
  local output
  for i, one in ipairs(cases) do
    require("busted").it(one.name, function()
      output = output or output_of_host()
      local text = "\n" .. output
      if text:find("\nok " .. i .. " - " .. one.name, 1, true) then return end
      local why = text:match("\nnot ok " .. i .. " %- [^\n]*\n(#[^\n]*)")
      error(why or "no report of this case; the host said:\n" .. output:sub(-2000), 0)
    end)
  end
end

return M

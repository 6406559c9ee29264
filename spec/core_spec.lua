local helpers = require "spec.support.helpers"
local interrupt = require "spec.support.interrupt"
local prompts = require "spec.support.prompt"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"
local system = require "system"

local service = standin.shared()
local core = require "sora.core"
local sora = require "sora"

describe("the module in C", function()
  it("is what sora.query is", function()
    assert.are.equal(core.query, sora.query)
    assert.are.equal("C", debug.getinfo(sora.query).what)
  end)

  it("exports one symbol", function()
    local path = package.cpath:match "([^;]*build/[^;]*)%?%.so" .. "sora/core.so"
    assert.matches("^%x+ T luaopen_sora_core$", shell.output_of("nm -D --defined-only " .. path))
  end)

  it("can be loaded twice", function()
    local again = package.loaded["sora.core"]
    package.loaded["sora.core"] = nil
    local second = require "sora.core"
    package.loaded["sora.core"] = again
    local client = second.client { base_url = service.base_url, ca_file = service.ca_file }
    assert.are.equal("completed", client:query(service:id "completed").status)
    client:close()
  end)

  it("has a clock that goes on", function()
    local before = core.now()
    system.sleep(0.02)
    assert.is_true(core.now() - before >= 0.015)
  end)

  it("polls clients until the time is over", function()
    local client = core.client { base_url = service.base_url, ca_file = service.ca_file }
    local request = client:request(service:id "never")
    local before = core.now()
    repeat core.poll({ client }, 0.05) until core.now() - before >= 0.05
    assert.is_true(core.now() - before < 2)
    core.poll({}, 0.01)
    request:cancel()
    client:close()
  end)

  it("polls more clients than a fixed number", function()
    local clients, requests = {}, {}
    for i = 1, 70 do
      clients[i] = core.client { base_url = service.http_url }
      requests[i] = clients[i]:request(service:id "queued;delay=0.05")
    end
    local started = core.now()
    local function pending()
      for _, request in ipairs(requests) do
        if not request:done() then return true end
      end
    end
    while pending() and core.now() - started < 10 do
      core.poll(clients, 1)
      for _, client in ipairs(clients) do client:step() end
    end
    for _, request in ipairs(requests) do assert.are.equal("queued", (request:result()).status) end
    for _, client in ipairs(clients) do client:close() end
  end)
end)

describe("Ctrl-C at the prompt", function()
  local prompt

  before_each(function()
    prompt = prompts.start()
    prompt:type(("sora = require 'sora' c = sora.client { base_url = '%s', ca_file = '%s' }")
      :format(service.base_url, service.ca_file))
  end)

  local function ends(what, call)
    it("ends " .. what .. " at once, and the next query works", function()
      prompt:type("io.write('as', 'king\\n') print(" .. call .. ")")
      prompt:await "asking"
      system.sleep(0.2)
      prompt:interrupt()
      assert.is_true(prompt:await "interrupted!" < 2)
      prompt:type(("print(sora.status((c:query '%s')))"):format(service:id "completed"))
      prompt:await "succeeded"
      prompt:stop()
    end)
  end

  ends("a query", ("c:query '%s'"):format(service:id "never"))
  ends("a query that waits for its next attempt",
    ("c:query('%s', { retries = 9 })"):format(service:id "429;retry_after=60"))
  ends("a wait for an answer", ("c:wait '%s'"):format(service:id "never"))
  ends("a wait between two polls", ("c:wait '%s'"):format(service:id "queued"))
  ends("many waits", ("c:wait_all { '%s', '%s' }"):format(service:id "never", service:id "queued"))
  ends("a download", ("c:download('%s', '/dev/null/x')"):format(service:id "never"))
  ends("a program of coroutines",
    ("sora.run(function() return c:query '%s' end)"):format(service:id "never"))
end)

describe("SIGINT", function()
  it("ends a call all the same when it interrupts no system call", function()
    for _, call in ipairs { "query", "wait" } do
      local started = core.now()
      local said = interrupt.interrupted(service, ([[
        local unix = package.loadlib("%sunix.so", "luaopen_unix")()
        unix.elsewhere()
        local ok, err = pcall(client.%s, client, '%s')
        print(ok, err, client:stats().in_flight)
        print(client:query '%s')
      ]]):format(helpers.build(), call, service:id "never", service:id "completed"))
      assert.matches("^false\t[^\n]*interrupted!\t0\n[^\n]+ completed, video at [^\n]+$", said)
      assert.is_true(core.now() - started < 10)
    end
  end)

  it("ends a query in a coroutine of the user's own", function()
    local said = interrupt.interrupted(service, ([[
      local ok, err = pcall(coroutine.wrap(function() return client:query '%s' end))
      print(ok, err)
      print(client:query '%s')
    ]]):format(service:id "never", service:id "completed"))
    assert.matches("^false\tinterrupted!\n[^\n]+ completed, video at [^\n]+$", said)
  end)
end)

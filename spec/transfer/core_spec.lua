-- The module in C as Lua sees it: its functions, texts of others, Ctrl-C.

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
    assert.are.equal("completed", second.query_on(client, service:id "completed").status)
    second.close(client)
  end)

  it("has a clock that goes on", function()
    local before = core.now()
    system.sleep(0.02)
    assert.is_true(core.now() - before >= 0.015)
  end)

  it("steps a client until something has happened or the time is over", function()
    local client = core.client { base_url = service.base_url, ca_file = service.ca_file }
    local request = core.request(client, service:id "never")
    local before = core.now()
    repeat core.step(client, 0.05) until core.now() - before >= 0.05
    request:cancel()
    core.close(client)
    core.finished(client)
    before = core.now()
    core.step(client, 0.05) -- closed, it only waits
    assert.is_true(core.now() - before >= 0.04)
  end)

  it("draws from 0 to 1, each time and in each process anew", function()
    local first, sum = core.random(), 0
    for _ = 1, 1000 do
      local number = core.random()
      assert.is_true(number >= 0 and number < 1)
      assert.are_not.equal(first, number)
      sum = sum + number
    end
    assert.is_true(sum > 400 and sum < 600)
  end)

  it("doubles the pause from failure to failure, less up to a quarter by chance", function()
    for failures, most in ipairs { 0.5, 1, 2, 4, 8, 8, 8 } do
      local pause = core.backoff(failures)
      assert.is_true(pause <= most and pause >= most * 0.75)
    end
    assert.is_true(core.backoff(1e9) <= 8)
  end)

  it("says what is wrong with an id", function()
    assert.is_nil(core.id_fault "sora-2:task_1")
    assert.is_nil(core.id_fault "ü")
    assert.are.equal("task id is empty", core.id_fault "")
    assert.are.equal("task id (a string) expected, got nil", core.id_fault(nil))
    assert.are.equal("task id (a string) expected, got number", core.id_fault(7))
    for _, id in ipairs { "a\0b", "a\n", "\127" } do
      assert.are.equal("task id contains a control character", core.id_fault(id))
    end
    assert.is_truthy(core.id_fault(("x"):rep(1e5)):find "^task id is ")
  end)
end)

describe("a text of somebody else's", function()
  local function is(expected, text, limit) assert.are.equal(expected, core.plain(text, limit)) end

  it("is one line, without control characters of either set", function()
    is("a b c", "a\nb\127c")
    is("a b\195\164", "a\194\155b\195\164")
  end)

  it("loses what is secret in a URL and nothing else of it", function()
    is("see https://cdn/a.mp4 now", "see https://cdn/a.mp4?sig=AbC%2Fd&se=1 now")
    is("https://cdn/a", "https://cdn/a?AbC")
    is("https://cdn/a", "https://cdn/a#AbC")
    is('"http://host/x" and y@z', '"http://u:pw@host/x" and y@z')
    is("http://host:1", "http://u:p@ss@host:1")
    is("why? because", "why? because")
    is("/x", "/x?sig=1&b")
  end)

  it("loses what has the look of a key", function()
    is("the key sk-*** is wrong", "the key sk-proj_AbC-123 is wrong")
    is("risk-free, task-1", "risk-free, task-1")
  end)

  it("is cut at the end of a character", function()
    is("xxxx...", ("x"):rep(9), 4)
    is("xxxx", "xxxx", 4)
    is("xx...", "xx\226\130\172yy", 4)
    is("xx\226\130\172...", "xx\226\130\172yy", 5)
    assert.are.equal(203, #core.plain(("x"):rep(9999)))
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
      assert.is_true(prompt:await "interrupted!" < 15)
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
  ends("a download", ("c:download('%s', os.tmpname() .. '.mp4')"):format(service:id "never"))
end)

describe("SIGINT", function()
  it("ends a call all the same when it interrupts no system call", function()
    for _, call in ipairs { "query", "wait" } do
      local said = interrupt.interrupted(service, ([[
        local unix = package.loadlib("%sunix.so", "luaopen_unix")()
        unix.elsewhere()
        local ok, err = pcall(client.%s, client, '%s')
        print(ok, err, client:stats().in_flight)
        print(client:query '%s')
      ]]):format(helpers.build(), call, service:id "never", service:id "completed"))
      assert.matches("^false\t[^\n]*interrupted!\t0\n[^\n]+ completed, video at [^\n]+$", said)
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

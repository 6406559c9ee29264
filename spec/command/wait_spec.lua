-- The commands for tasks that exist: wait, query, download, call, decode; their exit statuses.

local command = require "spec.support.command"
local files = require "spec.support.files"
local standin = require "spec.support.standin"

local VIDEO = files.read "spec/support/fixtures/video.mp4"

describe("the command", function()
  local service, folder

  setup(function() service = standin.shared() end)
  before_each(function() folder = files.folder() end)
  after_each(function() files.remove(folder) end)

  local function run(...) return command.run(service, { ... }) end

  --- The line of a result that speaks of an id.
  local function line_of(result, id)
    for line in result.out:gmatch "[^\n]+" do
      if line:find(" " .. id, 1, true) then return line end
    end
  end

  describe("wait", function()
    local function wait(...) return run("wait", "--interval", "0.05", ...) end

    it("prints a line for each task, and ends with the highest of their codes", function()
      local good, failed = service:id("queued", "completed"), service:id "failed"
      local result = wait(good, failed)
      assert.are.equal(1, result.code)
      assert.is_truthy(line_of(result, good):find "^ended .* completed")
      assert.are.equal("failed   " .. failed, line_of(result, failed))
      assert.is_truthy(result.err:find("sora: failed: .* content policy"))
      assert.are.equal(0, wait(service:id "completed").code)
    end)

    it("writes progress to standard error: plain lines where that is no terminal", function()
      local id = service:id("queued", "pending", "completed")
      local result = wait("--out", folder .. "/cat.mp4", id)
      for _, text in ipairs { " queued 0 %", " pending 50 %", " completed 100 %" } do
        assert.is_truthy(result.err:find(id .. text, 1, true), result.err)
      end
      assert.is_truthy(result.err:find "download 17%.9 KiB[^\n]* 100 %% ")
      assert.is_nil(result.err:find "[\r\27]")
    end)

    it("fetches the videos into a folder; ids come from standard input as well", function()
      local ids = {}
      for i = 1, 20 do ids[i] = service:id("queued*" .. i % 3 + 1, "completed") end
      local input = "# ids\n\n  " .. table.concat(ids, "  \n") .. "\n" .. ids[1] .. "\n"
      local line = { "wait", "-", "--interval", "0.05", "--out", folder }
      local result = command.run(service, line, input)
      assert.are.equal(0, result.code)
      for _, id in ipairs(ids) do
        local path = line_of(result, id):match "^saved +%S+  (%S+) %(17.9 KiB%)$"
        assert.are.equal(VIDEO, files.read(path))
        assert.are.equal(1, #service:log(id, "cdn"))
      end
      assert.is_truthy(result.err:find("20/20 done, 0 failed", 1, true))
    end)

    it("tells events under --json, and no more than that", function()
      local id = service:id("queued", "completed")
      local result = wait("--json", id, "--out", folder)
      assert.are.equal("ask update update result", command.names(result.events))
      assert.are.equal("", result.err)
      assert.are.same({ "running", 0 }, { result.events[2].status, result.events[2].progress })
      assert.are.equal(VIDEO, files.read(result.events[4].path))
      result = wait("--json", service:id "failed")
      local last = result.events[#result.events]
      assert.are.same({ 1, "error", 1, "failed" },
        { result.code, last.event, last.exit, last.kind })
    end)

    it("tells of what goes wrong and passes, once", function()
      local id = service:id("502*3", "completed")
      local result = wait(id)
      assert.are.equal(0, result.code)
      assert.are.equal(1, select(2, result.err:gsub("sora: HTTP 502: again in %d+ s\n", "")))
      result = wait("--json", service:id("502*2", "completed"))
      assert.are.equal("ask attempt attempt update result", command.names(result.events))
      assert.are.same({ "api", 502 }, { result.events[2].kind, result.events[2].status })
    end)

    it("says nothing but results and errors under --quiet", function()
      local id = service:id "completed"
      local result = wait("--quiet", id, "--out", folder)
      assert.are.same({ 0, "" }, { result.code, result.err })
      assert.is_truthy(line_of(result, id):find "^saved ")
    end)

    it("ends with 2 when the time ran out", function()
      local id = service:id "queued"
      local result = wait("--timeout", "0.3", id)
      assert.are.same({ 2, "timeout  " .. id .. "\n" }, { result.code, result.out })
    end)

    it("asks for one file of one task only, and for a folder that there is", function()
      assert.are.equal(64, wait("a", "b", "--out", folder .. "/cat.mp4").code)
      assert.are.equal(64, wait("a", "--out", folder .. "/no/").code)
      assert.are.equal(64, wait("").code)
    end)

    it("goes on with a journal where it was killed, with what is left", function()
      local done, failed, open = service:id "completed", service:id "failed",
        service:id("queued", "completed")
      local line = { "wait", done, failed, open, "--out", folder, "--journal", folder .. "/journal",
        "--interval" }
      line[#line + 1] = "60"
      local process = command.start(service, line)
      assert.is_true(process:await(function()
        return select(2, (files.read(folder .. "/journal") or ""):gsub("\n", "")) == 2
          and #service:log(open) == 1
      end))
      process:kill "KILL"
      assert.are.equal(137, process:wait().code)
      line[#line] = "0.05"
      local result = command.run(service, line)
      assert.are.equal(1, result.code)
      assert.is_truthy(line_of(result, done):find "^here ")
      assert.is_truthy(line_of(result, failed):find "^failed .*content policy")
      assert.is_truthy(line_of(result, open):find "^saved ")
      assert.are.same({ 1, 1, 1 }, { #service:log(done, "tls"), #service:log(failed),
        #service:log(done, "cdn") })
      assert.are.equal(3, #command.events(files.read(folder .. "/journal")))
    end)
  end)

  describe("query", function()
    it("asks once, and prints a line for each in their order", function()
      local first, second = service:id "pending;progress=0.4", service:id "failed"
      local result = run("query", first, second)
      assert.are.equal(0, result.code)
      assert.are.equal(first .. " pending 40 %\n" .. second .. " failed: content policy\n",
        result.out)
      result = run("query", first)
      assert.is_truthy(result.out:find('status: "pending"\n', 1, true), result.out)
      result = run("query", "--json", first, "no-such-task")
      assert.are.equal(4, result.code)
      assert.are.equal("ask result error", command.names(result.events))
      assert.are.equal("pending", result.events[2].task.status)
      assert.are.equal("task_not_exist", result.events[3].code)
    end)

    it("ends with 3 where nobody listens, 2 where nobody answers in time", function()
      local refused = { base_url = service.refused_url, ca_file = service.ca_file }
      assert.are.equal(3, command.run(refused, { "query", "x" }).code)
      assert.are.equal(2, run("query", service:id "never", "--timeout", "0.2").code)
    end)
  end)

  describe("download", function()
    it("fetches by an id and by a URL, and notes the URL without its query", function()
      local path, journal = folder .. "/cat.mp4", folder .. "/journal"
      assert.are.equal(0, run("download", service:id "completed", path).code)
      assert.are.equal(VIDEO, files.read(path))
      local url = service:video "size=100000"
      local result = run("download", url, path, "--journal", journal)
      assert.are.same({ 0, ("saved    %s  %s (97.7 KiB)\n"):format(url:match "^[^?]*", path) },
        { result.code, result.out })
      assert.is_nil(files.read(journal):find("sig=", 1, true))
      assert.is_truthy(run("download", url, path, "--journal", journal).out:find "^here ")
    end)

    it("goes on with the part of a run that was killed", function()
      local url, path = service:video "size=1000000&rate=100000", folder .. "/cat.mp4"
      local process = command.start(service, { "download", url, path })
      assert.is_true(process:await(function()
        return #(files.read(path .. ".part") or "") >= 100000
      end))
      process:kill "KILL"
      process:wait()
      local result = run("download", url:gsub("rate=100000&", ""), path, "--json")
      assert.are.equal(0, result.code)
      assert.are.equal(1000000, #files.read(path))
      local log = service:log(nil, "cdn")
      assert.is_truthy(log[#log].headers.range)
    end)

    it("takes a file in a folder that there is, and a URL of HTTP", function()
      assert.are.equal(64, run("download", "x", folder .. "/no/cat.mp4").code)
      assert.are.equal(64, run("download", "ftp://example.com/a.mp4", folder .. "/a.mp4").code)
    end)
  end)

  describe("call", function()
    it("sends any request, and prints the answer", function()
      local result = run("call", "GET", "/api/usage/token/")
      assert.are.equal(0, result.code)
      assert.is_truthy(result.out:find('\n    "total_used": 12345\n', 1, true))
      result = run("call", "POST", "/echo", "--body", '{"a":1}', "--query", "b=c d", "--json")
      local answer = result.events[2].answer
      assert.are.equal('{"a":1}', answer.text)
      result = run("call", "GET", "/echo", "--query", "a=1", "--query", "b=2", "--query", "a=3",
        "--query", "a=4", "--json")
      assert.are.equal("/echo?a=1&a=3&a=4&b=2", result.events[2].answer.path)
    end)

    it("takes the body from a file or standard input", function()
      files.write(folder .. "/body", '{"from":"file"}')
      local result = run("call", "POST", "/echo", "--body", "@" .. folder .. "/body", "--json")
      assert.are.equal('{"from":"file"}', result.events[2].answer.text)
      result = command.run(service, { "call", "POST", "/echo", "--body", "-", "--json" }, "{}")
      assert.are.equal("{}", result.events[2].answer.text)
    end)
  end)

  describe("decode", function()
    it("prints JSON indented, or in one line, and says what is wrong with it", function()
      local text = '{"b":[1,null,{}],"a":9007199254740991,"c":0.1}'
      local indented = '\n  "b": [\n    1,\n    null,\n    {}\n  ],\n'
      local function decode(input, ...) return command.run(nil, { "decode", ... }, input) end
      assert.are.equal('{"a":9007199254740991,"b":[1,null,{}],"c":0.1}\n',
        decode(text, "--json").out)
      assert.is_truthy(decode(text).out:find(indented, 1, true))
      local result = decode "[1,"
      assert.are.same({ 4, "" }, { result.code, result.out })
      assert.is_truthy(result.err:find("line 1, column 4", 1, true))
    end)
  end)
end)

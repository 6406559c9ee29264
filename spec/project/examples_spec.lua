local files = require "spec.support.files"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local sora = require "sora"
local standin = require "spec.support.standin"

local KEY = "sk-examples-0123456789"
local VIDEO_BYTES = 18326

local VIDEO = files.read("spec/support/fixtures/video.mp4")

describe("the examples", function()
  local service, folder

  setup(function()
    service = standin.shared()
    folder = files.folder()
  end)

  teardown(function()
    files.remove(folder)
  end)

  it("require of sora only what is public", function()
    local public = { sora = true, ["sora.luv"] = true, ["sora.cqueues"] = true,
      ["resty.sora"] = true, sora_nvim = true, ["sora_nvim.window"] = true }
    local listing = assert(io.popen("find examples -name '*.lua'"))
    for name in listing:lines() do
      for module in files.read(name):gmatch "require%s*%(?%s*[\"'](%S-)[\"']" do
        assert.is_true(public[module] or not module:find "sora", name .. ": " .. module)
      end
    end
    listing:close()
  end)

  local function start(example, arguments, input)
    local words = { shell.quote(shell.LUA), "examples/" .. example, "--ca-file",
      shell.quote(service.ca_file) }
    for _, argument in ipairs(arguments) do
      words[#words + 1] = shell.quote(argument)
    end
    return program.start(table.concat(words, " "), {
      input = input, env = { SORA_API_KEY = KEY, SORA_BASE_URL = service.base_url, TZ = "UTC" },
    })
  end

  -- Runs it to its end; neither the key nor a signature may be printed, unless it is JSON.
  local function run(example, arguments, input)
    local result = start(example, arguments, input):wait()
    assert.is_nil((result.out .. result.err):find(KEY, 1, true))
    if result.out:sub(1, 1) ~= "{" then
      assert.is_nil((result.out .. result.err):find("sig=", 1, true))
    end
    return result
  end

  local function wait(...)
    return run("wait.lua", { "--interval", "0.05", ... })
  end

  local function await_query(process, id)
    assert.is_true(process:await(function()
      return #service:log(id) > 0
    end))
  end

  describe("wait.lua", function()
    it("waits, prints the task, and leaves the video on disk", function()
      local id, path = service:id("queued", "pending", "completed"), folder .. "/one.mp4"
      local result = wait("--out", path, id)
      assert.are.equal(0, result.code)
      assert.are.equal(VIDEO, files.read(path))
      assert.is_nil(files.read(path .. ".part"))
      assert.are.equal(("Task      %s\nStatus    completed\nModel     sy_ore\n"):format(id)
        .. "Size      352 x 640\nPrompt    make animate\nUpdated   2025-10-06 15:14:11\n"
        .. ("Video     %s (3.0 s, 17.9 KiB)\n"):format(path), result.out)
    end)

    it("writes plain lines of progress to standard error where that is no terminal", function()
      local id = service:id("queued", "pending", "completed")
      local result = wait("--out", folder .. "/lines.mp4", id)
      assert.is_truthy(result.err:find(id .. " queued 0 %", 1, true), result.err)
      assert.is_truthy(result.err:find(id .. " pending 50 %", 1, true), result.err)
      assert.is_truthy(result.err:find "download 17%.9 KiB[^\n]* 100 %% ", result.err)
      assert.is_nil(result.err:find("[\r\27]"))
    end)

    it("names the video after the id, in the current folder", function()
      local id = service:id("completed")
      local here = program.run("pwd").out:match("[^\n]+")
      local result = program.start(("sh -c %s"):format(shell.quote(
        ("cd %s && exec %s %s/examples/wait.lua --ca-file %s '%s'"):format(folder,
          shell.quote(shell.LUA), shell.quote(here), shell.quote(service.ca_file), id))), {
        env = { SORA_BASE_URL = service.base_url },
      }):wait()
      local name = id:gsub(":", "+"):gsub("~", "%%7E") .. ".mp4"
      assert.are.equal("", result.err:match("wait.lua:.*") or "")
      assert.are.equal(VIDEO, files.read(folder .. "/" .. name))
    end)

    it("prints nothing under --quiet", function()
      local result = wait("--quiet", "--out", folder .. "/quiet.mp4", service:id("completed"))
      assert.are.same({ code = 0, out = "", err = "" }, result)
    end)

    it("prints all that the service sent as JSON", function()
      local body = [[{"id":"$ID","status":"completed","video_url":"$VIDEO","null":null,]]
        .. [["none":[],"object":{},"list":[1,null,"a"],"at":1759763621142123,]]
        .. [["part":0.9302178175176704,]]
        .. [["text":"\u0001 \" \\ 中","yes":true,"no":-0.5}]]
      local id = service:id("json")
      service:script(id, { { step = "body", text = body } })
      local result = wait("--quiet", "--json", "--out", folder .. "/json.mp4", id)
      assert.are.equal(0, result.code)
      local task = sora.decode(result.out, { null = sora.null })
      assert.is_truthy(sora.video_url(task):find("sig=AbC%2Fd%3D", 1, true))
      local url = sora.video_url(task):gsub("%%", "%%%%")
      local expected = body:gsub("$ID", id):gsub("$VIDEO", url)
      assert.are.same(sora.decode(expected, { null = sora.null }), task)
      assert.is_truthy(result.out:find('"none":[]', 1, true))
      assert.is_truthy(result.out:find('"object":{}', 1, true))
      assert.is_truthy(result.out:find('"at":1759763621142123,', 1, true))
      assert.is_truthy(result.out:find('"part":0.9302178175176704,', 1, true))
    end)

    it("ends with 1 and the reason when the task failed", function()
      local result = wait(service:id("failed"))
      assert.are.equal(1, result.code)
      assert.is_truthy(result.out:find("\nReason    content policy\n", 1, true))
      assert.is_truthy(result.err:find("failed: content policy", 1, true))
    end)

    it("ends with 1 when the task was cancelled", function()
      assert.are.equal(1, wait(service:id("cancelled")).code)
    end)

    it("ends with 2 when the time ran out, and names the id", function()
      local id = service:id("queued")
      local result = wait("--timeout", "0.3", id)
      assert.are.equal(2, result.code)
      assert.is_truthy(result.err:find(id, 1, true))
    end)

    it("ends with 3 on another error", function()
      local result = wait("no-such-task")
      assert.are.equal(3, result.code)
      assert.is_truthy(result.err:find("task_not_exist", 1, true))
    end)

    it("ends with 3 and puts aside what is no whole MP4", function()
      local path = folder .. "/stump.mp4"
      local result = wait("--out", path, service:id("completed;video=size=20"))
      assert.are.equal(3, result.code)
      assert.is_truthy(result.err:find(path .. ".bad is cut off in its part 'ftyp'", 1, true))
      assert.is_nil(files.read(path))
      assert.are.equal(20, #files.read(path .. ".bad"))
    end)

    it("ends with 64 on a mistake in the command line, and says which", function()
      for text, arguments in pairs {
        ["one task id expected"] = {},
        ["unknown option --tiemout"] = { "--tiemout", "3", "x" },
        ["--timeout needs a number above 0"] = { "--timeout=0", "x" },
        ["--out needs a value"] = { "x", "--out" },
        ["--out needs a file"] = { "--out", "-", "x" },
      } do
        local result = run("wait.lua", arguments)
        assert.are.equal(64, result.code)
        assert.is_truthy(result.err:find(text, 1, true))
        assert.are.equal("", result.out)
      end
    end)

    it("prints its usage to standard output when asked", function()
      local result = run("wait.lua", { "--help" })
      assert.are.equal(0, result.code)
      assert.is_truthy(result.out:find("^Usage: "))
    end)

    it("ends with 130 on Ctrl-C", function()
      local id = service:id("queued")
      local process = start("wait.lua", { id })
      await_query(process, id)
      process:kill("INT")
      local result = process:wait()
      assert.are.equal(130, result.code)
      assert.is_truthy(result.err:find("wait.lua: interrupted", 1, true))
    end)
  end)

  describe("wait_all.lua", function()
    local function wait_all(ids, ...)
      return run("wait_all.lua", { "--dir", folder, "--interval", "0.05", ... },
        table.concat(ids, "\n") .. "\n")
    end

    local function line_of(result, id)
      for line in result.out:gmatch("[^\n]+") do
        if line:find(" " .. id .. " ", 1, true) then
          return line
        end
      end
    end

    it("downloads every video, and says for each id how it went", function()
      local ids = {}
      for i = 1, 20 do
        ids[i] = service:id("queued*" .. i % 3 + 1, "completed")
      end
      local result = wait_all(ids)
      assert.are.equal(0, result.code)
      for _, id in ipairs(ids) do
        local path = line_of(result, id):match("^saved +%S+  (%S+) %(17.9 KiB%)$")
        assert.are.equal(VIDEO, files.read(path))
      end
      assert.is_truthy(result.err:find("20/20 done, 0 failed", 1, true))
    end)

    it("does not ask about what is on disk, nor twice about an id", function()
      local first, second = service:id("completed"), service:id("completed")
      wait_all({ first })
      local result = wait_all({ first, "# a comment", "", second, "  " .. second .. "  " })
      assert.are.equal(0, result.code)
      assert.is_truthy(line_of(result, first):find("^here "))
      assert.is_truthy(line_of(result, second):find("^saved "))
      assert.are.equal(1, #service:log(first, "tls"))
      assert.are.equal(1, #service:log(second, "tls"))
    end)

    it("tells failures apart, and ends with the worst of them", function()
      local failed, slow = service:id("failed"), service:id("queued")
      local result = wait_all({ failed, slow }, "--timeout", "0.5", "--quiet")
      assert.are.equal(2, result.code)
      assert.are.equal("", result.err)
      assert.is_truthy(line_of(result, failed):find("^failed .* content policy$"))
      assert.is_truthy(line_of(result, slow):find("^timeout "))
      assert.are.equal(3, wait_all({ failed, "no-such-task" }).code)
      assert.are.equal(1, wait_all({ failed }).code)
    end)

    it("reads the ids of a file", function()
      local name, id = folder .. "/ids", service:id("completed")
      files.write(name, id .. "\n")
      assert.are.equal(0, run("wait_all.lua", { "--dir", folder, name }).code)
      assert.are.equal(64, run("wait_all.lua", { folder .. "/missing" }).code)
    end)

    it("goes on after Ctrl-C where it stopped", function()
      local done, open = service:id("completed"), service:id("queued", "completed")
      local input = done .. "\n" .. open .. "\n"
      local process = start("wait_all.lua", { "--dir", folder, "--interval", "60" }, input)
      assert.is_true(process:await(function()
        local log = service:log(done, "cdn")
        return #log > 0 and #service:log(open) > 0
      end))
      assert.is_true(process:await(function()
        return files.read(folder .. "/" .. done:gsub(":", "+"):gsub("~", "%%7E") .. ".mp4")
      end))
      process:kill("INT")
      local result = process:wait()
      assert.are.equal(130, result.code)
      assert.is_truthy(result.out:find("^saved ") or result.out:find("^open "))
      assert.is_truthy(result.err:find("interrupted; run it again", 1, true))
      result = wait_all({ done, open })
      assert.are.equal(0, result.code)
      assert.is_truthy(line_of(result, done):find("^here "))
      assert.is_truthy(line_of(result, open):find("^saved "))
    end)
  end)

  describe("tool.lua", function()
    local tool = require "examples.tool"

    local function check(bytes)
      local name = folder .. "/check"
      files.write(name, bytes)
      return tool.check_video(name)
    end

    it("takes a file for a video only when it is a whole MP4", function()
      assert.are.same({ bytes = VIDEO_BYTES, seconds = 3 }, check(VIDEO))
      for reason, bytes in pairs {
        ["is empty"] = "",
        ["is no MP4: it does not begin with 'ftyp'"] = "<!doctype html><title>Not a video</title>",
        ["is cut off in its part 'mdat'"] = VIDEO:sub(1, -2),
        ["is cut off in its part ''"] = VIDEO .. "xyz",
      } do
        assert.are.same({ nil, reason }, { check(bytes) })
      end
    end)

    it("gives every id a name of its own that is safe for every file system", function()
      assert.are.equal("sora-2+task_01k6.mp4", tool.file_name("sora-2:task_01k6"))
      assert.are.equal("sora-2%2Btask_01k6.mp4", tool.file_name("sora-2+task_01k6"))
      assert.are.equal("%2E.%2F..%2Fa%20b%00.mp4", tool.file_name("../../a b\0"))
      assert.are.equal("%2Drf.mp4", tool.file_name("-rf"))
    end)
  end)

  describe("generate.lua", function()
    local function generate(...)
      return run("generate.lua", { "--ca-file", service.ca_file, "--interval", "0.05", ... })
    end

    it("goes from a prompt to a video", function()
      service:reset()
      local place = files.folder()
      files.write(place .. "/cat.gif", "GIF89a\1\0\1\0")
      local result = generate("--out", place .. "/cat.mp4", "--model", "veo3",
        "--image", place .. "/cat.gif", "a", "cat script:queued,completed")
      assert.are.equal(0, result.code)
      local made = service:created()
      assert.are.equal(1, #made)
      assert.are.equal('{"images":["data:image/gif;base64,R0lGODlhAQABAA=="],"model":"veo3",'
        .. '"prompt":"a cat script:queued,completed"}', made[1].body)
      assert.is_truthy(result.out:find("Task      " .. made[1].id, 1, true))
      assert.is_truthy(result.out:find("Video     " .. place .. "/cat.mp4", 1, true))
      assert.are.equal(VIDEO_BYTES, #files.read(place .. "/cat.mp4"))
      files.remove(place)
    end)

    it("says with what to go on, and when a task may have been made", function()
      local result = generate("a cat script:queued,failed")
      assert.are.equal(1, result.code)
      local made = service:created()
      assert.is_truthy(result.err:find("go on with: wait.lua " .. made[#made].id, 1, true))
      service:script("/v1/video/create", { "502" })
      result = generate("a cat")
      service:reset()
      assert.are.equal(3, result.code)
      assert.is_truthy(result.err:find("a task may have been made", 1, true))
      assert.are.equal(64, generate(" ").code)
    end)
  end)

  it("are what `make run` shows", function()
    local video = os.tmpname()
    local result = program.run(shell.quote(shell.LUA) .. " spec/support/demo.lua " .. video)
    assert.are.equal(0, result.code)
    assert.is_truthy(result.err:find(" queued 0 %", 1, true))
    assert.is_truthy(result.err:find(" pending 93 %", 1, true))
    assert.is_truthy(result.err:find(" completed 100 %", 1, true))
    assert.is_truthy(result.out:find("Video     " .. video, 1, true))
    assert.are.equal(VIDEO_BYTES, #files.read(video))
    os.remove(video)
  end)
end)

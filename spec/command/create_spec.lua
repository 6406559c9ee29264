-- `sora create`: what is sent, what is printed, and that a journal makes no task a second time.

local command = require "spec.support.command"
local files = require "spec.support.files"
local standin = require "spec.support.standin"
local system = require "system"

local VIDEO = files.read "spec/support/fixtures/video.mp4"
local PATH = "/v1/video/create"

describe("sora create", function()
  local service, folder, journal

  setup(function() service = standin.start() end)
  teardown(function() service:stop() end)

  before_each(function()
    service:reset()
    folder = files.folder()
    journal = folder .. "/journal"
  end)

  after_each(function() files.remove(folder) end)

  local function create(...) return command.run(service, { "create", ... }) end

  it("prints the id of the new task, and nothing else, on standard output", function()
    local result = create("a", "cat", "script:completed")
    local made = service:created()
    assert.are.equal(1, #made)
    assert.are.equal('{"model":"sora-2","prompt":"a cat script:completed"}', made[1].body)
    assert.are.same({ 0, made[1].id .. "\n" }, { result.code, result.out })
    assert.are.equal("sora: asking " .. service.base_url .. "\n", result.err)
  end)

  it("goes on to the video with --out; models, pictures and other fields are sent", function()
    files.write(folder .. "/cat.gif", "GIF89a\1\0\1\0")
    local path = folder .. "/cat.mp4"
    local result = create("a cat script:queued,completed", "--model=veo3.1", "--image",
      folder .. "/cat.gif", "--set", "duration=10", "--set", "aspect_ratio=16:9",
      "--set", 'seconds="8"', "--out", path, "--interval", "0.05")
    local made = service:created()[1]
    assert.are.equal('{"aspect_ratio":"16:9","duration":10,'
      .. '"images":["data:image/gif;base64,R0lGODlhAQABAA=="],"model":"veo3.1",'
      .. '"prompt":"a cat script:queued,completed","seconds":"8"}', made.body)
    assert.are.same({ 0, ("saved    %s  %s (17.9 KiB)\n"):format(made.id, path) },
      { result.code, result.out })
    assert.are.equal(VIDEO, files.read(path))
    assert.is_truthy(result.err:find("sora: made " .. made.id .. "\n", 1, true))
  end)

  it("names the video after the task in a folder", function()
    local result = create("a cat script:completed", "--out", folder)
    assert.are.equal(0, result.code)
    assert.are.equal(VIDEO, files.read(result.out:match "  (%S+) %("))
  end)

  it("knows the id wherever the service puts it", function()
    for _, shape in ipairs { "id;bare", "task_id", "data_task_id", "data_string", "request_id",
        "both", "openai" } do
      service:script(PATH, { "made;as=" .. shape })
      local result = create("a cat script:queued,completed", "--out", folder, "--interval", "0.05")
      assert.are.equal(0, result.code, shape .. result.err)
    end
  end)

  it("reads the prompt from standard input", function()
    local result = command.run(service, { "create", "-" }, "a cat script:completed")
    assert.are.equal(0, result.code)
    assert.is_truthy(service:created()[1].body:find("a cat", 1, true))
  end)

  it("tells events under --json, one object a line", function()
    local result = create("a cat script:queued,completed", "--json", "--out", folder,
      "--interval", "0.05")
    assert.are.equal("ask made update update result", command.names(result.events))
    assert.are.equal("", result.err)
    local made, last = result.events[2], result.events[5]
    assert.are.equal(service:created()[1].id, made.id)
    assert.are.equal(made.id, last.id)
    assert.are.equal(#VIDEO, last.bytes)
    assert.is_truthy(last.task.video_url:find("sig=", 1, true))
  end)

  it("makes nothing for a video that has nowhere to go, or without a prompt", function()
    assert.are.equal(64, create("a cat", "--out", folder .. "/no/cat.mp4").code)
    assert.are.equal(64, create("a cat", "--out", folder .. "/no/").code)
    assert.are.equal(64, create(" ").code)
    assert.are.same({}, service:created())
  end)

  it("ends with 5 when a task may have been made, else with what the error is", function()
    for step, code in pairs { ["502"] = 5, reset_body = 5, ["400"] = 4, ["401"] = 4 } do
      service:script(PATH, { step })
      local result = create "a cat"
      assert.are.equal(code, result.code, step)
      assert.are.equal(code == 5, result.err:find("may have been made", 1, true) ~= nil, step)
    end
    local refused = { base_url = service.refused_url, ca_file = service.ca_file }
    assert.are.equal(3, command.run(refused, { "create", "a cat" }).code)
  end)

  describe("with a journal", function()
    local function again(...)
      return create("a cat script:queued*3,completed", "--out", folder .. "/cat.mp4",
        "--interval", "0.05", "--journal", journal, ...)
    end

    it("goes on with the task that a killed run has made", function()
      local process = command.start(service, { "create", "a cat script:queued*3,completed",
        "--out", folder .. "/cat.mp4", "--interval", "60", "--journal", journal })
      assert.is_true(process:await(function()
        local made = service:created()[1]
        return made and #service:log(made.id) > 0
      end))
      process:kill "KILL"
      assert.are.equal(137, process:wait().code)
      assert.are.equal(0, again().code)
      assert.are.equal(1, #service:created())
      assert.are.equal(VIDEO, files.read(folder .. "/cat.mp4"))
    end)

    it("asks for a bare id of a former run with the model in front, where it has to", function()
      service:script(PATH, { "made;bare" })
      assert.are.equal(0, create("a cat script:completed", "--journal", journal).code)
      local result = create("a cat script:completed", "--journal", journal, "--out", folder)
      assert.are.equal(0, result.code, result.err)
      assert.are.equal(1, #service:created())
    end)

    it("asks nobody once all is there", function()
      again()
      local asked = #service:log()
      local result = again()
      assert.are.same({ 0, ("here     %s  %s/cat.mp4\n"):format(service:created()[1].id, folder) },
        { result.code, result.out })
      assert.are.equal(asked, #service:log())
    end)

    it("never sends again by itself what may have been made", function()
      service:script(PATH, { "never" })
      local process = command.start(service, { "create", "a cat script:queued*3,completed",
        "--out", folder .. "/cat.mp4", "--journal", journal })
      assert.is_true(process:await(function() return #service:created() == 1 end))
      process:kill "KILL"
      process:wait()
      service:script(PATH, { "made" })
      local result = again()
      assert.are.equal(5, result.code)
      assert.is_truthy(result.err:find("--again", 1, true))
      assert.are.equal(1, #service:created())
      assert.are.equal(0, again("--again").code)
      local made = service:created()
      assert.are.equal(2, #made)
      assert.are.equal(made[1].key, made[2].key)
      assert.are.equal(0, again().code)
      assert.are.equal(2, #service:created())
    end)

    it("sends anew what the service has refused", function()
      service:script(PATH, { "400", "made" })
      assert.are.equal(4, again().code)
      assert.are.equal(0, again().code)
      assert.are.equal(1, #service:created())
    end)

    it("makes one task, whenever it is killed", function()
      local code
      for run = 1, 40 do
        local process = command.start(service, { "create", "a cat script:queued*3,completed",
          "--out", folder .. "/cat.mp4", "--interval", "0.02", "--journal", journal })
        system.sleep(run * 0.004)
        process:kill "KILL 2>/dev/null"
        code = process:wait().code
        assert.is_true(#service:created() <= 1)
        if code ~= 137 then break end
      end
      assert.is_true(code == 0 and #service:created() == 1 or code == 5, code)
    end)

    it("makes one task for two runs at once", function()
      local line = { "create", "a cat script:queued*3,completed", "--journal", journal }
      local first, second = command.start(service, line), command.start(service, line)
      local codes = { first:wait().code, second:wait().code }
      table.sort(codes)
      assert.are.equal(1, #service:created())
      assert.are.equal(0, codes[1])
      assert.is_true(codes[2] == 0 or codes[2] == 5)
    end)

    it("is of one body at one service, and bears a line that was cut off", function()
      again()
      files.write(journal, files.read(journal) .. '{"event":"made","id')
      create("another cat script:completed", "--journal", journal)
      assert.are.equal(2, #service:created())
      assert.are.equal(0, again().code)
      assert.are.equal(2, #service:created())
    end)

    it("holds neither keys nor signatures", function()
      again()
      local text = files.read(journal)
      assert.is_nil(text:find(command.KEY, 1, true))
      assert.is_nil(text:find("sig=", 1, true))
    end)

    it("that cannot be written sends nothing", function()
      local result = create("a cat", "--journal", folder .. "/no/journal")
      assert.are.equal(4, result.code)
      assert.is_truthy(result.err:find("cannot write the journal", 1, true))
      assert.are.same({}, service:created())
    end)
  end)
end)

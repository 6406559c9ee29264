-- The command where its output is a terminal: bars, and what a pipe gets in their place.

local command = require "spec.support.command"
local display = require "sora.terminal.display"
local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local lines_of = require("spec.support.terminal").lines
local standin = require "spec.support.standin"

describe("the command in a terminal", function()
  local service, folder

  setup(function() service = standin.shared() end)
  before_each(function() folder = files.folder() end)
  after_each(function() files.remove(folder) end)

  local function start(arguments, options)
    return command.terminal(service, arguments, options)
  end

  it("says whom it asks before anybody has answered", function()
    local hole = { base_url = service:blackhole(), ca_file = service.ca_file }
    for _, arguments in ipairs {
      { "create", "a cat" }, { "wait", "x" }, { "wait", "x", "y" }, { "query", "x" },
      { "download", "x", folder .. "/x.mp4" }, { "call", "GET", "/v1/models" },
    } do
      local terminal = command.terminal(hole, arguments)
      terminal:await("sora: asking " .. hole.base_url)
      terminal:interrupt()
      local all, code = terminal:wait()
      assert.are.equal(130, code, all)
    end
  end)

  it("redraws one line, which fits, and leaves the results", function()
    for _, columns in ipairs { 40, 80, 120 } do
      local id = service:id("queued", "pending", "completed")
      local path = folder .. "/" .. columns .. ".mp4"
      local terminal = start({ "wait", id, "--out", path, "--interval", "0.05" },
        { columns = columns })
      local all, code = terminal:wait()
      assert.are.equal(0, code)
      local shown = lines_of(all)
      assert.are.equal(5, #shown, all) -- asking, the task, the download, saved, the cursor's
      assert.is_truthy(shown[2]:find "completed .*100 %%")
      assert.is_truthy(shown[3]:find "^download  17.9 KiB .*100 %%")
      assert.are.equal("", shown[5])
      for i = 2, 3 do assert.is_true(display.width(shown[i]) < columns, shown[i]) end
    end
  end)

  it("sums many tasks up on one line below their results", function()
    local ids = {}
    for i = 1, 12 do ids[i] = service:id("queued", "pending*" .. i, "completed") end
    local line = { "wait", "--interval", "0.02", "--out", folder, (table.unpack or unpack)(ids) }
    local all, code = start(line):wait()
    assert.are.equal(0, code, all)
    local shown = lines_of(all)
    assert.are.equal(#ids + 3, #shown, all)
    for i = 2, #ids + 1 do assert.is_truthy(shown[i]:find "^saved ", shown[i]) end
    assert.is_truthy(shown[#ids + 2]:find "^12/12 done, 0 failed")
  end)

  it("ends with 130 at Ctrl-C, says what goes on, and how to go on", function()
    local id = service:id "queued"
    local terminal = start { "wait", id, "--interval", "60" }
    terminal:await "queued"
    terminal:interrupt()
    local all, code = terminal:wait()
    assert.are.equal(130, code)
    assert.is_truthy(all:find("sora: interrupted; the tasks go on at the service", 1, true), all)
  end)

  it("names the command line that goes on with a task that was made", function()
    local path = folder .. "/a cat.mp4"
    local terminal = start({ "create", "a cat script:queued*3,completed", "--out", path,
      "--interval", "60" }, { columns = 300 })
    terminal:await "queued"
    terminal:interrupt()
    local all, code = terminal:wait()
    assert.are.equal(130, code)
    local made = service:created()
    local line = all:match "to go on: sora wait ([^\r\n]+)"
    assert.are.equal(("%s --out '%s' --ca-file %s --interval 60"):format(made[#made].id, path,
      service.ca_file), line)
    terminal = start({ "wait", made[#made].id, "--out", path, "--interval", "0.05" })
    assert.are.equal(0, (select(2, terminal:wait())))
    assert.is_true(files.exists(path))
  end)

  it("says that a task may have been made when a create is interrupted", function()
    service:script("/v1/video/create", { "never", "made" })
    local made = #service:created()
    local terminal = start { "create", "a cat" }
    terminal:await "asking"
    assert.is_true(eventually(function() return #service:created() > made end))
    terminal:interrupt()
    local all, code = terminal:wait()
    service:script("/v1/video/create", { "made" })
    assert.are.equal(130, code)
    assert.is_truthy(all:find("may have been made", 1, true), all)
  end)

  it("explains itself within the columns that there are", function()
    for _, columns in ipairs { 40, 80, 120 } do
      for _, page in ipairs { "", "create", "wait", "call", "completion" } do
        local terminal = command.terminal(nil, { "help", page ~= "" and page or nil },
          { columns = columns })
        local all, code = terminal:wait()
        assert.are.equal(0, code)
        for _, line in ipairs(lines_of(all)) do
          assert.is_true(display.width(line) < columns or line:find "^  sora " ~= nil, line)
        end
      end
    end
  end)
end)

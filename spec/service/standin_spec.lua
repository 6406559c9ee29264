-- spec/support/standin.lua: a stand-in is started, found, and ended with its spec.

local curl = require "spec.support.curl"
local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"

--- Whether a process ends soon.
local function gone(pid)
  local look = ("kill -0 %s 2>/dev/null && echo there"):format(pid)
  return eventually(function() return shell.output_of(look) == "" end)
end

describe("the helper of the stand-in service", function()
  it("starts it and stops it, and nothing of it is left", function()
    local service = standin.start()
    assert.are.equal(200, curl.query(service, "queued").status)
    assert.is_true(files.exists(service.ca_file))
    assert.are.equal("", service:stop())
    assert.is_true(gone(service.pid))
    assert.is_false(files.exists(service.ca_file))
  end)

  it("shares one among all specs", function()
    assert.are.equal(standin.shared().pid, standin.shared().pid)
    assert.are_not.equal(standin.shared():id("queued"), standin.shared():id("queued"))
  end)

  it("forgets what it is told to forget", function()
    local service = standin.start()
    curl.query(service, "500,queued")
    service:reset("500,queued")
    assert.are.equal(500, curl.query(service, "500,queued").status)
    service:reset()
    assert.are.same({}, service:log())
    assert.are.equal(0, service:stats().requests)
    service:stop()
  end)

  it("does not let it outlive a parent that is killed", function()
    local pid = shell.output_of(("%s -e %s 2>/dev/null"):format(shell.LUA, shell.quote [[
      package.path = "./?.lua;" .. package.path
      local service = require("spec.support.standin").start()
      print(service.pid)
      io.stdout:flush()
      os.execute("kill -9 $PPID")
    ]]))
    assert.is_truthy(pid:find("^%d+$"))
    assert.is_true(gone(pid))
  end)

  it("ends one that answers nobody any more", function()
    local service = standin.start()
    os.execute("kill -STOP " .. service.pid)
    service:stop()
    assert.is_true(gone(service.pid))
  end)

  it("needs no program that make run has not installed", function()
    local folder = files.folder()
    local script = folder .. "/script.lua"
    files.write(script, [[
      package.path = "./?.lua;" .. package.path
      require("spec.support.standin").start():stop()
      print "ended"
    ]])
    os.execute(("ln -s $(command -v env) $(command -v %s) %s"):format(shell.LUA, folder))
    assert.are.equal("ended",
      shell.output_of(("PATH=%s %s %s 2>&1"):format(folder, shell.LUA, script)))
    files.remove(folder)
  end)

  it("says why it cannot be started", function()
    assert.has_error(function()
      standin.start { no_such_option = 1 }
    end)
  end)
end)

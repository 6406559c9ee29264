-- Downloads to disks that are slow, full, or cannot do what others can: with a library preloaded
-- (support/no_files.c), in a process of their own.

local files = require "spec.support.files"
local helpers = require "spec.support.helpers"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"

local service, folder, path

setup(function() service = standin.shared() end)

before_each(function()
  folder = files.folder()
  path = folder .. "/video.mp4"
end)

after_each(function() files.remove(folder) end)

--- Runs a script under a shim; returns what it prints.
local function under(shim, script)
  local name = folder .. "/script.lua"
  files.write(name, ([[
    local sora = require(%q)
    local path, url, slow = %q, %q, %q
    local ca_file = %q
    local client = sora.client { ca_file = ca_file, base_url = %q }
  ]]):format(shim.host or "sora", path, service:video "size=90000",
    service:video "size=90000&rate=60000", service.ca_file, service.base_url) .. script)
  local env = { LD_PRELOAD = helpers.build() .. "no_files.so" }
  for key, value in pairs(shim) do env[key] = value end
  local result = program.run(shell.LUA .. " " .. name, { env = env })
  assert.equal("", result.err)
  return (result.out:gsub("%s+$", ""))
end

local function assert_whole()
  assert.is_true(files.read(path) == standin.synthetic(90000))
  assert.equal("script.lua\nvideo.mp4", shell.output_of("ls -A " .. folder))
end

local DOWNLOAD = "print(client:download(url, path))"
local ENOSYS, ENOLCK, EINVAL, EIO, ENOSPC, EXDEV = "38", "37", "22", "5", "28", "18"

-- unchecked: another library is preloaded than the checker's
describe("a disk #unchecked", function()
  for what, shim in pairs {
    ["without locks"] = { NO_FLOCK = ENOSYS }, ["out of locks"] = { NO_FLOCK = ENOLCK },
    ["that cannot flush"] = { NO_FSYNC = EINVAL }, ["that takes its time"] = { SLOW_FSYNC = "0.3" },
  } do
    it(what .. " keeps the whole video", function()
      assert.equal("90000", under(shim, DOWNLOAD))
      assert_whole()
    end)
  end

  for what, number in pairs { ["an error"] = EIO, ["no room"] = ENOSPC } do
    it("that loses what was written is told of, and nothing of it kept: " .. what, function()
      assert.equal("io\tnil", under({ NO_FSYNC = number }, [[
        local bytes, err = client:download(url, path)
        print(err.kind, bytes)
      ]]))
      assert.equal("script.lua", shell.output_of("ls -A " .. folder))
    end)
  end

  it("that cannot rename is found out before anything is fetched into it", function()
    local said = under({ NO_RENAME = EXDEV }, "print(select(2, client:download(url, path)).kind)")
    assert.equal("io", said)
    assert.equal("script.lua", shell.output_of("ls -A " .. folder))
  end)
end)

describe("a disk that takes its time #unchecked", function()
  it("keeps nobody waiting in an event loop", function()
    local said = under({ SLOW_FSYNC = "1", host = "sora.cqueues" }, [[
      local cqueues = require "cqueues"
      local loop, over, ticks = cqueues.new(), false, 0
      loop:wrap(function()
        print(client:download(url, path))
        over = true
      end)
      loop:wrap(function()
        while not over do
          cqueues.sleep(0.01)
          ticks = ticks + 1
        end
      end)
      assert(loop:loop())
      print(ticks > 20)
    ]])
    assert.equal("90000\ntrue", said)
    assert_whole()
  end)

  it("is not waited for when the client is closed, nor is the video lost", function()
    local said = under({ SLOW_FSYNC = "1", host = "sora.cqueues" }, [[
      local cqueues = require "cqueues"
      local loop, ticks, ended = cqueues.new(), 0, nil
      loop:wrap(function()
        local _, err = client:download(url, path)
        ended = ticks
        print(err.kind)
      end)
      loop:wrap(function()
        while client:stats().in_flight > 0 or ticks < 30 do
          cqueues.sleep(0.01)
          ticks = ticks + 1
        end
        local before = ticks
        client:close()
        cqueues.sleep(0.01)
        cqueues.sleep(0.01)
        print(ended == before)
      end)
      assert(loop:loop())
      client = sora.client { ca_file = ca_file }
      loop:wrap(function() print(client:download(url, path)) end)
      assert(loop:loop())
    ]])
    assert.equal("cancelled\ntrue\n90000", said)
    assert_whole()
  end)

  it("keeps the others of a wait_all going", function()
    local ids = {}
    for i = 1, 3 do ids[i] = ("%q"):format(service:id("completed;video=size=90000&n=" .. i)) end
    local said = under({ SLOW_FSYNC = "1" }, ([[
      local polls, at_first = 0, nil
      local tasks, errs = client:wait_all({ %s, %q }, {
        interval = 0.02, max_interval = 0.02, download = path:match "^(.*)/",
        on_update = function(_, info) polls = info.polls end,
        on_result = function(id, _, err) at_first = at_first or polls; assert(not err, err) end,
      })
      print(next(errs), at_first > 5)
    ]]):format(table.concat(ids, ", "), service:id("queued*5", "pending;progress=0.1*5",
      "pending;progress=0.2*5", "pending;progress=0.3*5", "completed;video=size=9000")))
    assert.equal("nil\ttrue", said)
  end)
end)

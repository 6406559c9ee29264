-- wait_all with option `download`.

local clients = require "spec.support.clients"
local deliveries = require "sora.videos.deliveries"
local files = require "spec.support.files"
local shell = require "spec.support.shell"
local sora = require "sora"
local standin = require "spec.support.standin"

local service, client, folder

setup(function() service = standin.shared() end)

before_each(function()
  client = clients.new()
  folder = files.folder()
end)

after_each(function()
  files.remove(folder)
  clients.finish(client)
end)

local function wait_all(ids, opts)
  opts.download = opts.download or folder
  return client:wait_all(ids, clients.quick(opts))
end

local function names() return shell.output_of("ls -A " .. shell.quote(folder)) end

local function path_of(id) return folder .. "/" .. deliveries.name(id) end

--- Whether a file holds the synthetic video of that size.
local function assert_video(size, path)
  assert.is_true(files.read(path) == standin.synthetic(size), path)
end

describe("wait_all with a folder", function()
  it("fetches the video of each task, in the same call", function()
    local ids = {}
    for i = 1, 6 do ids[i] = service:id("queued", "completed;video=size=" .. 9000 + i) end
    local tasks, errs = wait_all(ids, {})
    assert.is_nil(next(errs))
    for i, id in ipairs(ids) do
      assert.equal("succeeded", sora.status(tasks[id]))
      assert_video(9000 + i, path_of(id))
    end
  end)

  it("has as many at once as `downloads` says, and goes on waiting for others", function()
    local ids, told = {}, {}
    for i = 1, 6 do ids[i] = service:id("completed;video=size=9000&delay=0.2&n=" .. i) end
    local slow = service:id("queued", "pending*40", "completed;video=size=10")
    ids[7] = slow
    wait_all(ids, {
      downloads = 2,
      on_result = function(id) told[#told + 1] = id end,
    })
    assert.equal(7, #told)
    assert.equal(slow, told[7])
    local most, log = 0, {}
    for _, entry in ipairs(service:log(nil, "cdn")) do
      if entry.path:find "delay=0.2" and entry.status then log[#log + 1] = entry end
    end
    for _, one in ipairs(log) do
      local open = 0
      for _, other in ipairs(log) do
        if other.time <= one.time and other.time + other.seconds > one.time then open = open + 1 end
      end
      most = math.max(most, open)
    end
    assert.is_true(most >= 1 and most <= 2, most)
    assert.is_true(#service:log(slow, "tls") > 10)
  end)

  it("fetches the relay's own copy where a task names no URL", function()
    local id = service:id "no_url;content=size=9000"
    local nothing = service:id "no_url"
    local tasks, errs = wait_all({ id, nothing }, { timeout = 60, interval = 0.01 })
    assert.is_truthy(tasks[id])
    assert_video(9000, path_of(id))
    assert.equal("no_video", errs[nothing].kind)
    assert.equal(nothing, errs[nothing].id)
  end)

  it("tells on_result when the file is there, and where", function()
    local id = service:id "completed;video=size=9000"
    local seen
    wait_all({ id }, { on_result = function(_, task, err, path)
      seen = { sora.status(task), err, path, files.read(path) ~= nil }
    end })
    assert.same({ "succeeded", nil, path_of(id), true }, seen)
  end)

  it("says of an error which half has failed", function()
    local failed = service:id "failed"
    local dead = service:id "completed;video=status=403"
    local good = service:id "completed;video=size=9000"
    local tasks, errs = wait_all({ failed, dead, good }, {})
    assert.equal("failed", errs[failed].kind)
    assert.equal("wait", errs[failed].step)
    assert.same({ "http", 403, "download", dead },
      { errs[dead].kind, errs[dead].status, errs[dead].step, errs[dead].id })
    assert.equal("succeeded", sora.status(errs[dead].task))
    assert.is_nil(tasks[dead])
    assert.is_truthy(tasks[good])
    assert.equal(deliveries.name(good), names())
  end)

  it("says so of each where the folder is missing", function()
    local ids = { service:id "completed;video=size=9", service:id "completed;video=size=9" }
    local _, errs = wait_all(ids, { download = folder .. "/missing" })
    for _, id in ipairs(ids) do
      assert.equal("io", errs[id].kind)
      assert.is_truthy(tostring(errs[id]):find("/missing/", 1, true))
    end
  end)

  it("gives each the ending of what it is", function()
    local webm = service:id "completed;video=text=%1A%45%DF%A3%01%00%42%82%84webm%00%00%00%00%00"
    local gif = service:id "completed;video=text=GIF89a%01%00%01%00%00%00%00%00%00%00%00%00"
    local tasks, errs = wait_all({ webm, gif }, {})
    assert.is_nil(next(errs))
    assert.is_truthy(tasks[webm] and tasks[gif])
    assert.is_truthy(files.read((path_of(webm):gsub("mp4$", "webm"))))
    assert.is_truthy(files.read((path_of(gif):gsub("mp4$", "gif"))))
  end)

  it("goes on with what an earlier call has left", function()
    local id = service:id "completed;video=size=90000&cut=30000&times=1"
    local _, errs = wait_all({ id }, { retries = 0 })
    assert.equal("network", errs[id].kind)
    assert.equal(30000, #files.read(path_of(id) .. ".part"))
    wait_all({ id }, {})
    assert_video(90000, path_of(id))
  end)

  it("ends with its client, and with the deadline of the call", function()
    local ids = {}
    for i = 1, 6 do ids[i] = service:id("completed;video=size=90000&rate=9000&n=" .. i) end
    local _, errs = wait_all(ids, { timeout = 1 })
    for _, id in ipairs(ids) do assert.equal("timeout", errs[id].kind) end
    local told = 0
    ids[7] = service:id "completed;video=size=10"
    _, errs = wait_all(ids, { downloads = 7, on_result = function()
      told = told + 1
      if told == 1 then client:close() end
    end })
    for i = 1, 6 do assert.equal("cancelled", errs[ids[i]].kind) end
    assert.equal(7, told)
  end)

  it("closes its parts when a callback raises", function()
    local slow = service:id "completed;video=size=90000&rate=9000"
    local ok = pcall(wait_all, { slow, service:id "completed;video=size=10" }, {
      on_result = function() error "mine" end,
    })
    assert.is_false(ok)
    assert.equal(0, client:stats().in_flight)
    local bytes = client:download(service:video "size=9000", path_of(slow))
    assert.equal(9000, bytes)
  end)
end)

describe("wait_all with a function", function()
  it("puts each video where that says, or nowhere", function()
    local here, nowhere = service:id "completed;video=size=9000", service:id "completed"
    local asked = {}
    local tasks, errs = wait_all({ here, nowhere }, {
      download = function(id, task)
        asked[id] = sora.status(task)
        return id == here and folder .. "/here.bin" or nil
      end,
    })
    assert.is_nil(next(errs))
    assert.same({ [here] = "succeeded", [nowhere] = "succeeded" }, asked)
    assert.is_truthy(tasks[here] and tasks[nowhere])
    assert.equal("here.bin", names())
  end)

  it("never puts two into one file", function()
    local ids = { service:id "completed;video=size=9000", service:id "completed;video=size=9001" }
    local tasks, errs = wait_all(ids, { download = function() return folder .. "/same.mp4" end })
    local first, second = ids[1], ids[2]
    if errs[first] then first, second = second, first end
    assert.is_truthy(tasks[first])
    assert.equal("io", errs[second].kind)
  end)

  it("passes on what it raises, and misuse", function()
    local id = service:id "completed"
    local mine = {}
    local _, err = pcall(wait_all, { id }, { download = function() error(mine) end })
    assert.equal(mine, err)
    _, err = pcall(wait_all, { id }, { download = function() return 7 end })
    assert.is_truthy(tostring(err):find "must return the path")
    for _, case in ipairs { { download = 7 }, { downloads = 0 }, { download = true } } do
      local ok = pcall(client.wait_all, client, { id }, case)
      assert.is_false(ok)
    end
    assert.is_false((pcall(client.query_all, client, { id }, { download = folder })))
  end)
end)

describe("the name of a file", function()
  it("never leaves its folder, and no two ids have the same", function()
    local ids = {
      "a", "A", "a/b", "a%2Fb", "a%252Fb", "..", ".", "../a", "/a", "a.mp4", "a b", "a:b",
      "sora-2:task_1", "\195\164", "a\\b", "~", "%", "", "a?", "a*",
    }
    local seen = {}
    for _, id in ipairs(ids) do
      local name = deliveries.name(id)
      assert.is_nil(name:find "[^A-Za-z0-9._%%-]")
      assert.is_true(name ~= ".mp4" or id == "")
      assert.is_nil(seen[name])
      seen[name] = true
    end
  end)
end)

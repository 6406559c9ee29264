-- Downloads that go well, and those that go on: parts, redirects, URLs that expire, the file.

local clients = require "spec.support.clients"
local files = require "spec.support.files"
local flows = require "spec.support.flows"
local memory = require "spec.support.memory"
local shell = require "spec.support.shell"
local sora = require "sora"
local standin = require "spec.support.standin"
local texts = require "spec.support.service.text"

local KEY = "sk-secret-42"

local service, client, folder, path

setup(function() service = standin.shared() end)

before_each(function()
  client = clients.new { api_key = KEY }
  folder = files.folder()
  path = folder .. "/video.mp4"
end)

after_each(function()
  files.remove(folder)
  clients.finish(client)
end)

--- The requests that the CDN has seen for a URL, oldest first.
local function seen(url)
  local found, wanted = {}, url:match "^https?://[^/]+(.*)$"
  for _, entry in ipairs(service:log(nil, "cdn")) do
    if entry.path == wanted then found[#found + 1] = entry end
  end
  return found
end

local function assert_whole(size)
  local bytes = files.read(path)
  assert.equal(size, bytes and #bytes)
  assert.is_true(bytes == standin.synthetic(size), "the bytes of the video")
  assert.is_nil(files.read(path .. ".part"))
end

--- Downloads in vain; returns the error. An existing file at `path` is left alone.
local function fails(kind, source, opts, target)
  if not target then files.write(path, "old") end
  local bytes, err = client:download(source, target or path, opts)
  assert.is_nil(bytes)
  assert.equal(kind, type(err) == "table" and err.kind or err)
  if not target then assert.equal("old", files.read(path)) end
  return err
end

--- Leaves a part of the video of that URL, as a former call did.
local function leave_part(url, cut)
  fails("network", url .. "&cut=" .. cut, { retries = 0 })
  os.remove(path)
  assert.equal(cut, #files.read(path .. ".part"))
end

describe("download", function()
  it("writes the video of a task and returns its size", function()
    local task = assert(client:query(service:id "completed"))
    assert.equal(1, select("#", client:download(task, path)))
    assert.equal(client:download(task, path), #files.read(path))
    assert.equal("ftyp", files.read(path):sub(5, 8))
  end)

  it("takes a task's id, and a URL", function()
    assert.equal(50000, client:download(service:id "completed;video=size=50000", path))
    assert_whole(50000)
    assert.equal(60000, client:download(service:video "size=60000", path))
    assert_whole(60000)
  end)

  it("replaces an existing file, and makes its bytes visible only when they are whole", function()
    files.write(path, "old")
    local during
    client:download(service:video "size=60000&rate=300000", path, {
      on_progress = function() during = during or files.read(path) end,
    })
    assert.equal("old", during)
    assert_whole(60000)
  end)

  it("uses the signed URL byte for byte, trimmed of padding alone", function()
    local url = service:video "size=9&a=%2f%2B+b%20/../c&d=ä"
    assert.equal(9, client:download(" `" .. url .. "` ", path))
    assert.equal(1, #seen(url))
    local id = service:id "padded;video=size=10"
    assert.equal(10, client:download(id, path))
    local bare = sora.video_url(client:query(id)):match "^https://[^/]+(.*)$"
    assert.equal(bare, service:log(id, "cdn")[1].path)
  end)

  it("never sends the key, or any header of the caller's, to the video's host", function()
    client:close()
    client = clients.new {
      api_key = KEY, headers = { ["X-Own"] = "own" }, forwarded_host = "localhost:5173",
    }
    local url = service:video "size=9&redirect=1"
    assert.equal(9, client:download(url, path, { api_key = "sk-other-42" }))
    local log = service:log(nil, "cdn")
    for i = #log - 1, #log do
      local names = {}
      for _, header in ipairs(log[i].header_list) do
        names[#names + 1] = header[1]
        assert.is_nil(header[2]:find("sk-", 1, true))
      end
      table.sort(names)
      assert.same({ "accept", "host", "user-agent" }, names)
    end
  end)

  it("can do without a length", function()
    assert.equal(70000, client:download(service:video "size=70000&chunked=1", path))
    assert_whole(70000)
    client:close()
    client = clients.new { api_key = KEY, http_version = "1.1" }
    assert.equal(70001, client:download(service:video "size=70001&chunked=1", path))
    assert_whole(70001)
  end)

  it("tells on_progress how much has come, of how much", function()
    local told = {}
    client:download(service:video "size=60000&rate=200000", path, {
      on_progress = function(received, total) told[#told + 1] = { received, total } end,
    })
    assert.is_true(#told >= 2)
    for i = 2, #told do assert.is_true(told[i][1] > told[i - 1][1]) end
    assert.same({ 60000, 60000 }, told[#told])
    client:download(service:video "size=10&chunked=1", path, {
      on_progress = function(received, total) told = { received, total } end,
    })
    assert.same({ 10 }, told)
  end)

  if memory.resident() then
    -- unchecked: a checker has memory of its own
    it("never holds the video in memory #unchecked", function()
      client:download(service:video "size=1000", path)
      collectgarbage()
      local before, most = memory.resident(), 0
      assert.equal(2e7, client:download(service:video "size=20000000", path, {
        on_progress = function() most = math.max(most, memory.resident()) end,
      }))
      assert.is_true(most > 0 and most - before < 4096, most - before)
    end)
  end

  it("waits beside others", function()
    if flows.lacking then return pending(flows.lacking) end
    local second = folder .. "/second.mp4"
    local turns, own = 0, clients.new(nil, flows.sora)
    flows.run(function()
      local a = flows.spawn(own.download, own, service:video "size=60000&rate=200000", path)
      local b = flows.spawn(own.download, own, service:video "size=60001&rate=200000", second)
      while not (a.results and b.results) do
        turns = turns + 1
        flows.sleep(0.02)
      end
      assert.equal(60000, a:join())
      assert.equal(60001, b:join())
    end)
    own:close()
    assert.is_true(turns > 4)
    assert_whole(60000)
  end)

  it("raises misuse where it is called", function()
    local function check(expected, ...)
      local ok, err = pcall(function(...) client:download(...) end, ...)
      assert.is_false(ok)
      assert.is_truthy(err:find "^spec/videos/download_spec.lua:%d+: ", err)
      assert.is_truthy(err:find(expected, 1, true), err)
    end
    check("#1 to 'download' (task, URL or task id expected, got nil)", nil, path)
    check("#2 to 'download' (path of a file expected, got nil)", "id")
    check("(path of a file expected)", "id", "")
    check("'on_progres'", "id", path, { on_progres = print })
    check("'interval'", "id", path, { interval = 1 })
  end)
end)

describe("a former part", function()
  it("is completed by a later call, which asks for its last stretch again", function()
    local url = service:video "size=90000"
    leave_part(url, 30000)
    assert.equal(90000, client:download(url, path))
    assert_whole(90000)
    local request = seen(url)[1]
    assert.equal(206, request.status)
    assert.equal("bytes=25904-", request.headers.range)
    assert.equal('"video-90000"', request.headers["if-range"])
  end)

  it("is asked for under the date where there is no tag", function()
    local url = service:video "size=90000&etag=none"
    leave_part(url, 30000)
    assert.equal(90000, client:download(url, path))
    assert_whole(90000)
    assert.equal("Mon, 06 Oct 2025 15:14:11 GMT", seen(url)[1].headers["if-range"])
  end)

  it("that was changed since is fetched anew", function()
    local url = service:video "size=90000"
    files.write(path .. ".part", "something else")
    assert.equal(90000, client:download(url, path))
    assert.equal(200, seen(url)[1].status)
    assert_whole(90000)
  end)

  it("is dropped when the server does not know ranges", function()
    local url = service:video "size=90000&ranges=ignored"
    leave_part(url, 30000)
    assert.equal(90000, client:download(url, path))
    assert_whole(90000)
  end)

  it("is known by size and last stretch when the server has no dates and no tags", function()
    local url = service:video "size=90000&etag=none&date=none"
    leave_part(url, 30000)
    assert.equal(90000, client:download(url, path))
    assert.equal(206, seen(url)[1].status)
    assert_whole(90000)
  end)

  for _, ranges in ipairs { "refused", "wrong" } do
    it("is dropped when its range is " .. ranges, function()
      local url = service:video("size=90000&ranges=" .. ranges)
      leave_part(url, 30000)
      assert.equal(90000, client:download(url, path))
      assert.equal(2, #seen(url))
      assert.is_nil(seen(url)[2].headers.range)
      assert_whole(90000)
    end)
  end

  it("that is larger than the video is dropped", function()
    local url = service:video ""
    leave_part(url .. "&size=90000", 30000)
    assert.equal(20000, client:download(url .. "&size=20000&if_range=ignored", path))
    assert.equal(416, seen(url .. "&size=20000&if_range=ignored")[1].status)
    assert_whole(20000)
  end)

  it("of another URL is dropped", function()
    leave_part(service:video "size=90000", 30000)
    local url = service:video "size=90000"
    assert.equal(90000, client:download(url, path))
    assert.is_nil(seen(url)[1].headers.range)
    assert_whole(90000)
  end)

  it("of another video is dropped by a server that does not know If-Range, too", function()
    local url = service:video ""
    leave_part(url .. "&size=90000", 30000)
    url = url .. "&size=90001&if_range=ignored&date=later"
    assert.equal(90001, client:download(url, path))
    assert.equal(206, seen(url)[1].status)
    assert_whole(90001)
  end)

  it("grows by parts where the server sends no more at once", function()
    local url = service:video "size=90000&most=40000"
    leave_part(url, 5000)
    assert.equal(90000, client:download(url, path, { retries = 0 }))
    assert.equal(3, #seen(url))
    assert_whole(90000)
  end)
end)

describe("a transfer that breaks", function()
  for _, version in ipairs { "1.1", "2" } do
    it("goes on where it stopped, over HTTP/" .. version, function()
      client:close()
      client = clients.new { api_key = KEY, http_version = version }
      local url = service:video "size=90000&cut=30000&times=2"
      assert.equal(90000, client:download(url, path))
      assert_whole(90000)
      local log = seen(url)
      assert.equal(3, #log)
      assert.equal("bytes=30000-", log[2].headers.range)
      assert.equal('"video-90000"', log[2].headers["if-range"])
      assert.equal("bytes=60000-", log[3].headers.range)
    end)
  end

  it("goes on through statuses that pass, pages of the CDN's included", function()
    local url = service:video "size=90000&status=502&html=1&times=1"
    assert.equal(90000, client:download(url, path))
    assert_whole(90000)
  end)

  it("keeps its part over an attempt that brings nothing", function()
    local url = service:video "size=90000"
    leave_part(url, 30000)
    url = url .. "&status=503&times=1"
    assert.equal(90000, client:download(url, path))
    assert.equal("bytes=25904-", seen(url)[2].headers.range)
    assert.equal(206, seen(url)[2].status)
    assert_whole(90000)
  end)

  it("starts over when the video has changed meanwhile", function()
    local url = service:video "size=90000&cut=30000&times=1&etag=changing&date=none"
    assert.equal(90000, client:download(url, path))
    assert.equal(200, seen(url)[2].status)
    assert_whole(90000)
  end)

  it("is given up after `retries` without progress, and keeps its part", function()
    local url = service:video "size=90000&cut=20000&ranges=ignored"
    local err = fails("network", url, { retries = 1 })
    assert.equal(2, err.attempts)
    assert.equal(2, #seen(url))
    assert.equal(20000, #files.read(path .. ".part"))
    assert.is_true(err.retryable)
  end)

  it("may break as often as it likes where each attempt brings something", function()
    local url = service:video "size=90000&cut=20000"
    assert.equal(90000, client:download(url, path, { retries = 1 }))
    assert.equal(5, #seen(url))
    assert_whole(90000)
  end)

  it("ends with the timeout of the whole call", function()
    local started = sora.driver.now()
    fails("timeout", service:video "size=900000&rate=20000", { timeout = 0.5 })
    assert.is_nil((client:download(service:video "status=503", path, {
      timeout = 0.3, retries = 100,
    })))
    assert.is_true(sora.driver.now() - started < 20)
    assert.is_true(#files.read(path .. ".part") > 0)
  end)

  it("that stands still is given up after request_timeout", function()
    local started = sora.driver.now()
    fails("timeout", service:video "size=9&delay=30", { request_timeout = 0.5, retries = 0 })
    assert.is_true(sora.driver.now() - started < 15)
    assert.is_nil(files.read(path .. ".part"))
  end)

  it("ends when its client is closed, in flight or between two attempts", function()
    if flows.lacking then return pending(flows.lacking) end
    for _, query in ipairs { "size=90000&rate=20000", "status=503" } do
      local url, err = service:video(query), nil
      local own = clients.new({ api_key = KEY }, flows.sora)
      flows.run(function()
        local flow = flows.spawn(own.download, own, url, path, { retries = 100 })
        flows.sleep(0.2)
        own:close()
        err = select(2, flow:join())
      end)
      assert.equal("cancelled", err.kind)
      assert.is_nil(files.read(path))
    end
  end)

  it("is cancelled by an error in on_progress, which reaches the caller", function()
    local raised = {}
    for _, source in ipairs { service:video "size=90000&rate=20000",
      service:id "completed;video=size=90000&rate=20000" } do
      local ok, err = pcall(client.download, client, source, path, {
        on_progress = function() error(raised) end,
      })
      assert.is_false(ok)
      assert.equal(raised, err)
      assert.equal(0, client:stats().in_flight)
      assert.is_nil(files.read(path))
    end
  end)
end)

describe("redirects", function()
  it("are followed, five of them", function()
    assert.equal(9, client:download(service:video "size=9&redirect=5", path))
    local err = fails("http", service:video "size=9&redirect=6")
    assert.equal(1, err.attempts)
    fails("http", service:video "redirect=1&to=loop")
  end)

  it("may lead to another host", function()
    local target = service:video "size=9"
    local id = service:id("redirect;to=" .. target)
    local url = service.base_url .. "/v1/video/query?id=" .. texts.percent_encode(id)
    assert.equal(9, client:download(url, path))
    assert.equal(1, #seen(target))
  end)

  it("never lead from https to http", function()
    local url = service:video "size=9&redirect=1&to=http"
    fails("http", url)
    for _, entry in ipairs(service:log(nil, "http")) do
      assert.is_nil(entry.path:find(url:match "/assets[^?]*", 1, true))
    end
  end)
end)

describe("an answer that is no video", function()
  it("is an error and no file, whatever its status says", function()
    local err = fails("http", service:video "html=1")
    assert.is_truthy(tostring(err):find "HTML")
    assert.equal(1, err.attempts)
    assert.is_nil(files.read(path .. ".part"))
  end)

  for _, kind in ipairs { "application/json", "application/xml", "text/plain; charset=utf-8" } do
    it("is known by its type, " .. kind, function()
      local err = fails("http", service:video("text=nothing&type=" .. kind:gsub(" ", "%%20")))
      assert.equal(200, err.status)
      assert.equal(1, err.attempts)
      assert.is_nil(files.read(path .. ".part"))
    end)
  end

  it("may be empty", function()
    fails("network", service:video "size=0", { retries = 0 })
    assert.is_nil(files.read(path .. ".part"))
  end)

  it("carries the status of the refusal", function()
    local err = fails("http", service:video "status=404")
    assert.equal(404, err.status)
    assert.equal(1, err.attempts)
  end)

  it("is an error without the URL's signature", function()
    local url = service:video "status=404&secret=s3cr3t"
    for _, source in ipairs { url, { id = "x", status = "completed", video_url = url } } do
      local err = fails("http", source)
      assert.is_nil(tostring(err):find("s3cr3t", 1, true))
    end
  end)
end)

describe("a URL that has expired", function()
  for _, status in ipairs { 403, 410 } do
    it("is looked up again, after " .. status, function()
      local id = service:id("completed;video=size=50000&expire=" .. status)
      local task = client:query(id)
      assert.equal(50000, client:download(task, path))
      assert_whole(50000)
      assert.equal(2, #service:log(id, "tls"))
      local other = service:id("completed;video=size=50000&expire=" .. status)
      assert.equal(50000, client:download(other, path))
      assert.equal(2, #service:log(other, "tls"))
    end)
  end

  it("is looked up once only", function()
    local id = service:id "completed;video=size=9&expire=403&until=9"
    local err = fails("http", id)
    assert.equal(403, err.status)
    assert.equal(id, err.id)
    assert.equal("completed", err.task.status)
    local log = service:log(id, "tls")
    assert.equal(3, #log) -- the last one was for the relay's own copy
    assert.is_truthy(log[3].path:find("/content", 1, true))
  end)

  it("ends it when there is nothing to look up", function()
    assert.equal(403, fails("http", service:video "expire=403").status)
  end)
end)

describe("a download without a URL", function()
  it("is no_video, with the task", function()
    local task = client:query(service:id "queued")
    assert.equal(task, fails("no_video", task).task)
    assert.equal("queued", fails("no_video", service:id "queued").task.status)
  end)

  it("returns the error of the look-up", function()
    assert.equal(400, fails("api", service:id "400").status)
  end)
end)

describe("the file", function()
  it("cannot be in a missing folder, nor be one", function()
    local url = service:video "size=9"
    local err = fails("io", url, nil, folder .. "/missing/video.mp4")
    assert.is_truthy(tostring(err):find(folder .. "/missing/video.mp4.part", 1, true))
    fails("io", url, nil, folder)
    fails("io", url, nil, folder .. "/")
    assert.equal(0, #seen(url))
    assert.is_truthy(client:query(service:id "completed"))
    fails("io", url, nil, folder .. "/missing/video.mp4")
    assert.is_truthy(client:query(service:id "completed"))
    assert.equal(1, client:stats().connections) -- that has nothing to do with the file
  end)

  it("cannot be written where the part cannot", function()
    os.execute("mkdir " .. path .. ".part")
    fails("io", service:video "size=9")
    os.remove(path .. ".part")
    os.execute(("ln -s %s/elsewhere %s.part"):format(folder, path))
    fails("io", service:video "size=9")
    assert.is_nil(files.read(folder .. "/elsewhere"))
  end)

  it("is an io error when the disk is full, and the old one stays", function()
    files.write(path, "old")
    local script = folder .. "/script.lua"
    files.write(script, ([[
      local sora = require "sora"
      local client = sora.client { ca_file = %q }
      local bytes, err = client:download(%q, %q)
      print(bytes, err.kind, err.attempts)
    ]]):format(service.ca_file, service:video "size=2000000", path))
    local said = shell.output_of(("trap '' XFSZ; ulimit -f 100; exec timeout 20 %s %s 2>&1"):format(
      shell.LUA, script))
    assert.equal("nil\tio\t1", said)
    assert.equal("old", files.read(path))
    local part = #files.read(path .. ".part")
    assert.is_true(part > 0 and part <= 102400)
  end)

  it("is written by one download at a time", function()
    if flows.lacking then return pending(flows.lacking) end
    local url = service:video "size=60000&delay=0.2" -- so that the part is empty at first
    local own = clients.new(nil, flows.sora)
    flows.run(function()
      local first = flows.spawn(own.download, own, url, path)
      flows.sleep(0.05)
      local bytes, err = own:download(url, path)
      assert.is_nil(bytes)
      assert.equal("io", err.kind)
      assert.is_truthy(tostring(err):find "another download")
      assert.equal(60000, first:join())
    end)
    own:close()
    assert_whole(60000)
  end)

  it("may have any name", function()
    local odd = folder .. "/ä b'c\".mp4"
    assert.equal(9, client:download(service:video "size=9", odd))
    assert.equal(9, #files.read(odd))
  end)
end)

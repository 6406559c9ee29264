-- What can go wrong with a download, over real sockets: each fault, and what becomes of it.
--
-- A row is: what is wrong; the query of the URL (service/videos.lua); the size of the video that is
-- in the file in the end, or the kind of the error. Further fields:
--   part      a part is there, of a former download with that query, which broke
--   salt      of the video that is in the file in the end
--   opts      options of the download
--   requests  how many the server has seen
--   ranges    their Range headers, "" for none
--   status, attempts    of the error
--   says      in the error's message
--   left      bytes of the part in the end; nothing is left otherwise
--   id        the task is given by its id, and the query is that of its video; or the id's steps

local clients = require "spec.support.clients"
local files = require "spec.support.files"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local sora = require "sora"
local standin = require "spec.support.standin"
local texts = require "spec.support.service.text"

local service, client, folder, path

setup(function() service = standin.shared() end)

before_each(function()
  client = clients.new { api_key = "sk-secret-42" }
  folder = files.folder()
  path = folder .. "/video.mp4"
end)

after_each(function()
  files.remove(folder)
  clients.finish(client)
end)

--- The requests that the server has seen for the path of a URL, from the `first` on.
local function seen(url, first)
  local found, wanted = {}, url:match "^https?://[^/]+([^?]*)"
  for _, entry in ipairs(service:log(nil, "cdn")) do
    if entry.path:match "^[^?]*" == wanted then found[#found + 1] = entry end
  end
  local rest = {}
  for i = first, #found do rest[#rest + 1] = found[i] end
  return rest
end

local function video(size, salt)
  local bytes = standin.synthetic(size)
  return salt and bytes:sub(1, 64) .. bytes:sub(65):gsub("0", salt) or bytes
end

local HTML = "%3C!DOCTYPE%20html%3E%3Chtml%3E"
local M3U8 = "%23EXTM3U%0A%23EXT-X-VERSION:3%0Aseg.ts%0A"
local CUT = "size=90000&cut=30000&times=1"
local ONCE = { retries = 0 }

local ROWS = {
  -- sound answers of all kinds
  { "no length", "size=70000&chunked=1", 70000, requests = 1 },
  { "a blank in the URL", "size=70000&x=a b", 70000, requests = 1 },
  { "a coding that nobody asked for", "size=70000&coded=1", 70000, requests = 1 },
  { "no type", "size=70000&type=none", 70000 },
  { "a text's type", "size=70000&type=text/plain", 70000 },
  { "a page's type", "size=70000&type=text/html", 70000 },
  { "no kind of type", "size=70000&type=application/octet-stream", 70000 },
  { "a first part, though all was asked for", "size=70000&unasked=1", 70000, requests = 1 },
  { "first parts of a third", "size=90000&unasked=1&most=30000", 90000, requests = 3 },
  { "no more than a part at once, and no size", "size=90000&unasked=1&most=30000&answers=star",
    90000 },

  -- connections that break
  { "the connection ends", CUT, 90000, ranges = { "", "bytes=30000-" } },
  { "the connection is reset", CUT .. "&reset=1", 90000, requests = 2 },
  { "a small video ends again and again", "size=900&cut=100", 900, opts = { retries = 1 },
    requests = 9 },
  { "a small one without validators does", "size=900&cut=300&etag=none&date=none", 900,
    opts = { retries = 1 } },
  { "it ends again and again", "size=90000&cut=20000", 90000, opts = { retries = 1 },
    requests = 5 },
  { "no validators", CUT .. "&etag=none&date=none", 90000, ranges = { "", "bytes=25904-" } },
  { "a weak tag", CUT .. "&etag=weak&date=none", 90000, ranges = { "", "bytes=25904-" } },
  { "a date alone", CUT .. "&etag=none", 90000, ranges = { "", "bytes=30000-" } },
  { "a video that changes", CUT .. "&etag=changing&date=none", 90000, requests = 2 },
  { "a server without ranges", CUT .. "&ranges=ignored", 90000, requests = 2 },
  { "one without If-Range", CUT .. "&if_range=ignored", 90000, requests = 2 },
  { "one that ends always at the same place", "size=90000&cut=30000&ranges=ignored", "network",
    opts = { retries = 1 }, requests = 2, left = 30000 },
  { "no retries", "size=90000&cut=30000", "network", opts = ONCE, requests = 1, left = 30000 },

  -- answers to a Range
  { "200 with the slice", CUT .. "&answers=slice", 90000, requests = 2 },
  { "206 without a range", CUT .. "&answers=bare", 90000,
    ranges = { "", "bytes=30000-", "" } },
  { "206 of several parts", CUT .. "&answers=multipart", 90000,
    ranges = { "", "bytes=30000-", "" } },
  { "206 of another range", CUT .. "&ranges=wrong", 90000, ranges = { "", "bytes=30000-", "" } },
  { "206 without a size", CUT .. "&answers=star", 90000, ranges = { "", "bytes=30000-" } },
  { "206 of another size", CUT .. "&answers=50000", 90000, ranges = { "", "bytes=30000-", "" } },
  { "206 without a validator", CUT .. "&answers=untold", 90000,
    ranges = { "", "bytes=30000-", "bytes=25904-" } },
  { "206 with more than it announces", CUT .. "&answers=longer", 90000, requests = 3 },
  { "416", CUT .. "&ranges=refused", 90000, ranges = { "", "bytes=30000-", "" } },
  { "206 of less each time", "size=90000&unasked=1&most=5000", 90000, requests = 18 },
  { "206 of a byte each time", "size=90000&unasked=1&most=1", "network",
    opts = { retries = 1 }, attempts = 102, left = 102, says = "too little" },
  { "206 of a byte each time, and a deadline", "size=90000&unasked=1&most=1", "network",
    opts = { retries = 100, timeout = 5 }, left = true },

  -- a part that an earlier call has left
  { "the part of this video", "size=90000", 90000, part = CUT, ranges = { "bytes=25904-" } },
  { "the part of another one, no validators", "size=90000&etag=none&date=none&if_range=ignored",
    90000, part = CUT .. "&etag=none&date=none&salt=x",
    ranges = { "bytes=25904-", "" } },
  { "the part of one of another size, no validators",
    "size=90001&etag=none&date=none&if_range=ignored", 90001,
    part = CUT .. "&etag=none&date=none", ranges = { "bytes=25904-", "" } },
  { "the part of one of another tag and the same date", "size=90001&if_range=ignored", 90001,
    part = CUT, ranges = { "bytes=25904-", "" } },
  { "the part of one of the same tag", "size=90000&if_range=ignored", 90000,
    part = CUT .. "&salt=x", ranges = { "bytes=25904-", "" } },
  { "the part of one, and a server without validators",
    "size=90000&answers=untold&if_range=ignored", 90000, part = CUT .. "&salt=x",
    ranges = { "bytes=25904-", "" } },
  { "a part that is larger than the video", "size=20000&if_range=ignored", 20000, part = CUT },
  { "a part, and a page instead of the rest", "html=1", "http", part = CUT, left = 30000 },
  { "a part, and a server that has gone", "status=503", "http", part = CUT, left = 30000,
    opts = ONCE },

  -- what is no video
  { "a page", "html=1", "http", status = 200, says = "HTML", requests = 1 },
  { "a page as a video", "text=" .. HTML .. "&type=video/mp4", "http", says = "HTML" },
  { "a page without an end", "endless=" .. HTML, "http", says = "HTML", requests = 1 },
  { "a text without an end", "endless=no%20video%20here.&type=text/plain", "http",
    says = "no video here", requests = 1 },
  { "JSON without an end", "endless=%7B%22error%22:%22gone%22%7D&type=application/json", "http",
    says = '"gone"', requests = 1 },
  { "JSON as a video", "text=%7B%22error%22:%22gone%22%7D&type=video/mp4", "http", says = "gone" },
  { "JSON of no type", "text=%7B%22error%22:%22gone%22%7D&type=none", "http", says = "gone" },
  { "XML of no type", "text=%3C%3Fxml%20version='1.0'%3F%3E%3CError/%3E&type=none", "http",
    says = "text" },
  { "a playlist", "text=" .. M3U8 .. "&type=application/vnd.apple.mpegurl", "http", says = "M3U8" },
  { "a playlist as a video", "text=" .. M3U8 .. "&type=video/mp4", "http", says = "M3U8" },
  { "nothing", "size=0", "network", opts = { retries = 1 }, requests = 2, says = "empty" },
  { "nothing at first", "size=0&times=1", "network", opts = ONCE, requests = 1 },

  -- statuses, of a URL that nobody can be asked for
  { "400", "status=400", "http", status = 400, requests = 1 },
  { "401", "status=401", "http", status = 401, requests = 1 },
  { "403", "status=403", "http", status = 403, requests = 1, says = "not now" },
  { "404", "status=404", "http", status = 404, requests = 1 },
  { "410", "status=410", "http", status = 410, requests = 1 },
  { "500 for a moment", "size=90000&status=500&times=1", 90000, requests = 2 },
  { "503 for ever", "status=503", "http", status = 503, opts = { retries = 1 }, requests = 2 },
  { "429 for a moment", "size=90000&status=429&times=1", 90000, requests = 2 },
  { "501", "status=501", "http", status = 501, requests = 1 },

  -- of a task that can be asked about again
  { "400, and a new URL", "size=90000&expire=400", 90000, id = true, requests = 2 },
  { "401, and a new URL", "size=90000&expire=401", 90000, id = true, requests = 2 },
  { "403, and a new URL", "size=90000&expire=403", 90000, id = true, requests = 2 },
  { "404, and a new URL", "size=90000&expire=404", 90000, id = true, requests = 2 },
  { "410, and a new URL", "size=90000&expire=410", 90000, id = true, requests = 2 },
  { "403 for ever", "status=403", "http", id = true, status = 403, requests = 2 },
  { "404 for a moment", "size=90000&lag=3", 90000, id = true, requests = 4 },
  { "404 beyond the deadline", "status=404", "http", id = true, status = 404,
    opts = { timeout = 1 } },
  { "404 without retries", "status=404", "http", id = true, status = 404, opts = ONCE,
    requests = 2 },

  -- the relay's own copy
  { "no URL", "", 90000, id = "no_url;content=size=90000" },
  { "no URL and no copy", "", "no_video", id = "no_url" },
  { "no URL, and a copy that is a page", "", "no_video", id = "no_url;content=html=1" },
  { "a URL that is dead", "", 90000, id = "completed;video=status=403;content=size=90000" },
  { "a URL that is dead, and a copy that is, too", "", "http", status = 410,
    id = "completed;video=status=410;content=status=404" },
  { "a copy whose connection ends", "", 90000,
    id = "no_url;content=size=90000&cut=30000&times=1" },

  -- bounds
  { "more than max_size", "size=90000", "too_large", opts = { max_size = 89999 }, requests = 1,
    says = "max_size" },
  { "as much as max_size", "size=90000", 90000, opts = { max_size = 90000 } },
  { "more than max_size, without a length", "size=90000&chunked=1", "too_large",
    opts = { max_size = 89999 }, requests = 1 },
  { "a deadline", "size=90000&rate=20000", "timeout", opts = { timeout = 0.5 }, left = true },
  { "a server that stands still", "size=9&delay=30", "timeout",
    opts = { request_timeout = 0.5, retries = 0 } },

  -- redirects
  { "five of them", "size=90000&redirect=5", 90000, requests = 6 },
  { "six of them", "size=90000&redirect=6", "http", requests = 6, says = "redirects" },
  { "a circle", "redirect=1&to=loop", "http", requests = 6 },
  { "from https to http", "size=9&redirect=1&to=http", "http", requests = 1, says = "https" },
  { "a redirect, and the connection ends", CUT .. "&redirect=1", 90000, requests = 4 },
}

local function leave_part(url, row)
  local _, err = client:download(url .. "&" .. row.part, path, ONCE)
  assert.equal("network", err and err.kind)
end

local function check(row)
  local name, query, outcome = row[1], row[2], row[3]
  local id = row.id and service:id(row.id == true and "completed;video=" .. query or row.id)
  local url = not row.id and service:video(row.part and "" or query)
  local before = 0
  if row.part then
    leave_part(url, row)
    before = #seen(url, 1)
    url = url .. "&" .. query
  end
  if type(outcome) == "string" then files.write(path, "old") end
  local bytes, err = client:download(id or url, path, row.opts)
  if id then url = sora.video_url(client:query(id)) end
  local log = url and seen(url, before + 1)
  if type(outcome) == "number" then
    assert.is_nil(err)
    assert.equal(outcome, bytes)
    assert.is_true(files.read(path) == video(outcome, row.salt), name .. ": the bytes")
  else
    assert.is_nil(bytes)
    assert.equal(outcome, err.kind)
    assert.equal("old", files.read(path))
    if row.attempts then assert.equal(row.attempts, err.attempts) end
    if row.status then assert.equal(row.status, err.status) end
    if row.says then assert.is_truthy(err.message:find(row.says, 1, true), err.message) end
    assert.is_nil(tostring(err):find("AbC", 1, true), tostring(err))
  end
  if row.requests then assert.equal(row.requests, #log) end
  for i, range in ipairs(row.ranges or {}) do
    assert.equal(range, log[i] and (log[i].headers.range or "") or "no request")
  end
  local part = files.read(path .. ".part")
  if row.left == true then
    assert.is_true(part and #part > 0)
  else
    assert.equal(row.left, part and #part)
  end
  if not row.left then
    assert.equal("video.mp4", shell.output_of("ls -A " .. shell.quote(folder)))
  end
end

describe("a download survives, or says what is wrong:", function()
  for _, row in ipairs(ROWS) do
    it(row[1] .. " (" .. row[2]:sub(1, 60) .. ")", function() check(row) end)
  end
end)

describe("a part that is whole", function()
  it("gets its name after its last stretch was seen again", function()
    local url = service:video "size=90000"
    local bytes, err = client:download(url, path, {
      on_progress = function() os.execute("mkfifo " .. path .. " 2>/dev/null") end,
    })
    assert.is_nil(bytes)
    assert.equal("io", err.kind)
    assert.is_truthy(err.message:find("FIFO", 1, true))
    os.remove(path)
    assert.equal(90000, #files.read(path .. ".part"))
    assert.equal(90000, client:download(url, path))
    assert.is_true(files.read(path) == video(90000))
    assert.equal("bytes=85904-", seen(url, 2)[1].headers.range)
  end)
end)

describe("what the error quotes", function()
  it("is the first line, without secrets", function()
    local text = ("GET /a/b.mp4?sig=s3cr3t&x=y https://h/p?token=s3cr3t "
      .. "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYs3cr3tKEY0\nsecond line")
    local _, err = client:download(
      service:video("text=" .. texts.percent_encode(text) .. "&type=text/plain"), path)
    assert.equal("http", err.kind)
    assert.is_truthy(err.message:find("GET /a/b.mp4?*** https://h/p", 1, true), err.message)
    assert.is_nil(err.message:find("s3cr3t", 1, true), err.message)
    assert.is_nil(err.message:find("AKIA", 1, true), err.message)
    assert.is_nil(err.message:find("second", 1, true), err.message)
    assert.is_nil(err.body)
  end)
end)

describe("a video in the answer itself", function()
  local function task_with(url)
    local id = service:id "completed"
    service:script(id, { { step = "body",
      text = ('{"id":"x","status":"completed","video_url":"%s"}'):format(url) } })
    return id
  end

  it("is written to the file", function()
    local id = task_with "data:video/mp4;base64,AAAAGGZ0eXBtcDQy"
    assert.equal(12, client:download(id, path))
    assert.equal("\0\0\0\24ftypmp42", files.read(path))
    assert.equal(12, client:download(client:query(id), path))
  end)

  it("is an error where it is broken, or too large", function()
    local _, err = client:download(task_with "data:video/mp4;base64,AAAA*GZ0", path)
    assert.equal("decode", err.kind)
    _, err = client:download(task_with "data:video/mp4;base64,AAAAGGZ0eXBtcDQy", path,
      { max_size = 11 })
    assert.equal("too_large", err.kind)
    assert.equal("", shell.output_of("ls -A " .. shell.quote(folder)))
  end)
end)

describe("the key", function()
  local function headers_of(url)
    local wanted = url:match "^https?://[^/]+(.*)$"
    for _, port in ipairs { "tls", "h1", "cdn" } do
      for _, entry in ipairs(service:log(nil, port)) do
        if entry.path == wanted then return entry.headers end
      end
    end
  end

  it("goes to the origin of base_url, and along no redirect to another one", function()
    local target = service:video "size=90000"
    local id = service:id("redirect;to=" .. target)
    local own = service.base_url .. "/v1/video/query?id=" .. texts.percent_encode(id)
    assert.equal(90000, client:download(own, path))
    assert.equal("Bearer sk-secret-42", headers_of(own).authorization)
    assert.is_nil(headers_of(target).authorization)
  end)

  it("goes to the relay's own copy", function()
    local id = service:id "no_url;content=size=90000"
    assert.equal(90000, client:download(id, path))
    local log = service:log(id, "tls")
    assert.is_truthy(log[#log].path:find("/content", 1, true))
    assert.equal("Bearer sk-secret-42", log[#log].headers.authorization)
  end)

  it("does not go to another port or host of the same machine", function()
    local target = service:video "size=90000"
    assert.equal(90000, client:download(target, path))
    assert.is_nil(headers_of(target).authorization)
  end)
end)

describe("private_networks = false", function()
  local PUBLIC = { private_networks = false, retries = 0 }

  local function refused(url, opts)
    local before = client:stats().connections
    local bytes, err = client:download(url, path, opts or PUBLIC)
    assert.is_nil(bytes)
    assert.equal("connect", err.kind)
    assert.is_truthy(err.message:find("private network", 1, true), err.message)
    assert.is_false(err.retryable)
    assert.equal(before, client:stats().connections)
  end

  for _, host in ipairs {
    "127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1",
    "192.168.0.1", "169.254.169.254", "[fe80::1]", "[fd00::1]", "localhost", "x.localhost",
    "0.0.0.0", "100.64.0.1",
  } do
    it("refuses https://" .. host, function() refused("https://" .. host .. ":9/v.mp4") end)
  end

  it("refuses what a name leads to, also where a connection is there already", function()
    local port = service.cdn_url:match ":(%d+)$"
    local name = shell.output_of "hostname"
    if not shell.output_of("getent ahosts " .. name):find "^127%." then
      return pending "this machine's name leads elsewhere"
    end
    refused(("https://%s:%s/v.mp4"):format(name, port))
    assert.equal(90000, client:download(service:video "size=90000", path))
    refused(service:video "size=90000")
  end)

  it("refuses a redirect to where it does not allow a URL, and never knocks there", function()
    local target = service:video "size=90000"
    local id = service:id("redirect;to=" .. target)
    local own = service.base_url .. "/v1/video/query?id=" .. texts.percent_encode(id)
    assert.equal("connect", select(2, client:download(own, path, PUBLIC)).kind)
    assert.equal(0, #seen(target, 1))
  end)

  it("refuses addresses behind a proxy, which knows the others alone", function()
    local proxied = { private_networks = false, retries = 0, proxy = service.proxy_url }
    refused("https://127.0.0.1:9/v.mp4", proxied)
    refused("https://localhost:9/v.mp4", proxied)
    local _, err = client:download("https://video.invalid/v.mp4", path, proxied)
    assert.is_nil(err.message:find("private network", 1, true), err.message)
  end)

  it("allows a public address", function()
    local name = folder .. "/script.lua"
    files.write(name, ([[
      os.execute "ip link set lo up; ip addr add 93.184.216.34/32 dev lo"
      local cqueues, socket = require "cqueues", require "cqueues.socket"
      local sora = require "sora.cqueues"
      local server, loop = socket.listen("93.184.216.34", 8080), cqueues.new()
      loop:wrap(function()
        local connection = server:accept()
        connection:setmode("b", "bn")
        while connection:read "*l" ~= "\r" do end
        connection:write "HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n"
        connection:write "Content-Length: 3\r\n\r\nvvv"
        connection:shutdown "w"
      end)
      loop:wrap(function()
        local client = sora.client { private_networks = false, proxy = "" }
        print(client:download("http://93.184.216.34:8080/v.mp4", %q))
        os.exit(0)
      end)
      assert(loop:loop())
    ]]):format(path))
    local result = program.run(("unshare -rn %s %s"):format(shell.LUA, name))
    if result.err:find "unshare" then return pending "no namespaces of networks here" end
    assert.equal("3\n", result.out .. result.err)
  end)

  it("allows the origin of base_url", function()
    local task = assert(client:query(service:id "completed", PUBLIC))
    assert.is_truthy(task)
    client:close()
    client = clients.new { base_url = service.cdn_url, private_networks = false }
    assert.equal(90000, client:download(service:video "size=90000", path))
  end)
end)

describe("two downloads of one path", function()
  --- Runs a program beside this one.
  local function beside(script)
    local name = folder .. "/script.lua"
    files.write(name, ([[
      local sora = require "sora"
      local client = sora.client { ca_file = %q }
    ]]):format(service.ca_file) .. script)
    return program.start(shell.LUA .. " " .. name)
  end

  it("in two processes: the second is refused while the first has the file", function()
    local held, refused = folder .. "/held", folder .. "/refused"
    local first = beside(([[
      print(client:download(%q, %q, { on_progress = function()
        io.open(%q, "w"):close()
        for _ = 1, 200 do
          if io.open(%q) then return end
          os.execute "sleep 0.1"
        end
      end }))]]):format(service:video "size=60000", path, held, refused))
    assert.is_true(first:await(function() return files.exists(held) end))
    local _, err = client:download(service:video "size=9000", path)
    files.write(refused, "")
    assert.equal("io", err.kind)
    assert.is_truthy(err.message:find("another download", 1, true))
    assert.equal("60000\n", first:wait().out)
    assert.equal(9000, client:download(service:video "size=9000", path))
  end)

  it("after an error in a callback", function()
    for _, size in ipairs { 90000, 10 } do
      local raised = pcall(client.download, client, service:video("size=" .. size), path, {
        on_progress = function(received) if received > 0 then error "mine" end end,
      })
      assert.is_false(raised)
      assert.equal(9000, client:download(service:video "size=9000", path))
    end
  end)

  it("after a callback that has closed the client", function()
    local bytes, err = client:download(service:video "size=90000&rate=90000", path, {
      on_progress = function() client:close() end,
    })
    assert.is_nil(bytes)
    assert.equal("cancelled", err.kind)
    local other = clients.new()
    assert.equal(9000, other:download(service:video "size=9000", path))
    clients.finish(other)
  end)

  it("after Ctrl-C", function()
    local url = service:video "size=90000&rate=20000"
    local other = beside(([[
      local ok, err = pcall(client.download, client, %q, %q)
      print(ok, err, client:download(%q, %q))
    ]]):format(url, path, service:video "size=9000", path))
    other:await(function() return #(files.read(path .. ".part") or "") > 0 end)
    other:kill "INT"
    local said = other:wait().out
    assert.is_truthy(said:find "^false\t[^\n]*interrupted!\t9000\n$", said)
  end)
end)

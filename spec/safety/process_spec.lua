-- What the process around the module may do: threads, signals, running out of descriptors.
-- Its forks are fork_spec.lua's.

local clients = require "spec.support.clients"
local files = require "spec.support.files"
local helpers = require "spec.support.helpers"
local shell = require "spec.support.shell"
local sora = require "sora"
local standin = require "spec.support.standin"

local now = sora.driver.now

local service = standin.shared()
local unix

local client = clients.new

setup(function() unix = helpers.load "unix" end)

describe("on threads", function()
  it("eight Lua states live side by side", function()
    local command = ("%sthreads 8 spec/support/threads.lua %s %s %s 2>&1; echo $?"):format(
      helpers.build(), service.base_url, service.http_url, service.ca_file)
    assert.are.equal("0", shell.output_of(command))
  end)
end)

describe("signals", function()
  after_each(function() unix.interrupt(0) end)

  it("interrupt no call: query, wait and wait_all go on after each", function()
    local c = client()
    local before = unix.signals()
    unix.interrupt(0.002)
    local slow = assert(c:query(service:id "completed;delay=0.2"))
    assert.are.equal("succeeded", sora.status(slow))
    assert.is_truthy(c:wait(service:id("queued*3", "completed"), { interval = 0.05 }))
    local ids = {}
    for i = 1, 50 do ids[i] = service:id("queued", "completed") end
    assert.is_nil(next(select(2, c:wait_all(ids, { interval = 0.05 }))))
    local started = now()
    assert.is_nil((c:wait(service:id "queued", { interval = 60, timeout = 0.3 }))) -- it sleeps
    assert.is_true(now() - started >= 0.2)
    local path = os.tmpname()
    assert.are.equal(3000000, c:download(service:video "size=3000000", path))
    os.remove(path)
    unix.interrupt(0)
    assert.is_true(unix.signals() - before > 20)
    c:close()
  end)

  it("SIGPIPE is no danger when the other side has gone", function()
    local pid = unix.child(function()
      unix.pipe_signal()
      for _, url in ipairs { service.base_url, service.h1_url } do
        local c = client { base_url = url, retries = 1 }
        for _ = 1, 5 do
          c:query(service:id "stale")
          c:query(service:id "reset")
          assert(c:query(service:id "completed"))
        end
        c:close()
      end
    end)
    assert.are.equal(0, unix.wait(pid))
  end)
end)

describe("without descriptors", function()
  it("calls fail cleanly, and work again once there are some", function()
    local pid = unix.child(function()
      local c, path = client { retries = 0 }, os.tmpname()
      assert(unix.limit(64))
      for left = 0, 6 do
        local give_back = unix.fill(left)
        local task, err = c:query "completed"
        local bytes, why = c:download(service:video "size=10", path)
        give_back()
        os.remove(path)
        assert(task or err.kind == "connect" or err.kind == "memory" or err.kind == "tls"
          or err.kind == "network", tostring(err))
        assert(bytes or why.kind == "connect" or why.kind == "memory" or why.kind == "tls"
          or why.kind == "io" or why.kind == "network", tostring(why))
        task, err = c:query "completed"
        if not task then error(("%d left: %s"):format(left, tostring(err))) end
        c:close()
        c = client { retries = 0 }
      end
    end)
    assert.are.equal(0, unix.wait(pid))
  end)
end)

describe("without /etc/resolv.conf", function()
  it("a name that nobody knows is an error of kind dns, and addresses work", function()
    local permitted = shell.output_of "unshare -m true 2>/dev/null && echo yes"
    if permitted ~= "yes" then return pending "needs root and unshare(1)" end
    local script = os.tmpname()
    files.write(script, ([[
      local sora = require "sora"
      local opts = { retries = 0, proxy = "", connect_timeout = 5 }
      local c = sora.client { base_url = "https://nobody.invalid", retries = 0, proxy = "" }
      print(select(2, c:query "x").kind)
      c = sora.client { base_url = %q, ca_file = %q }
      print(c:query(%q).status)
    ]]):format(service.base_url, service.ca_file, service:id "completed"))
    -- without a server in that file, 127.0.0.1 is asked
    local said = shell.output_of(([[unshare -m sh -c '
      mount --bind /dev/null /etc/resolv.conf && exec %s %s' 2>&1]]):format(shell.LUA, script))
    os.remove(script)
    assert.are.equal("dns\ncompleted", said)
  end)
end)

-- unchecked: a checker keeps what was freed
describe("the key #unchecked", function()
  -- Only the inverse of a secret is put together in Lua, which has a buffer for that.
  local INVERTED = "\140\148\210" .. ("\134\206\200"):rep(6)

  local function secret(before)
    return unix.key((before:gsub(".", function(byte) return string.char(255 - byte:byte()) end))
      .. INVERTED)
  end

  -- Where the end is looked for: in what was freed, malloc has overwritten the first 16 bytes.
  for name, opts in pairs {
    api_key = function() return { api_key = secret "sk-0123456789abcdef-" } end,
    headers = function() return { headers = { ["X-Key"] = secret "X-0123456789abcdef-" } } end,
    proxy = function() return { proxy = secret "http://127.0.0.1:1/abcdef" } end,
    base_url = function() return { base_url = secret "https://host/v1/0123456789/" } end,
  } do
    it("is overwritten when its client is closed: option " .. name, function()
      opts = opts()
      local before = unix.copies(INVERTED)
      local c = client(opts)
      local open = unix.copies(INVERTED)
      c:close()
      local closed = unix.copies(INVERTED) -- at once: what was freed is soon used again
      assert.is_true(open > before)
      assert.are.equal(before, closed) -- those of the caller
    end)
  end

  it("is in no memory that is in use when a client was used and is closed", function()
    local glibc = shell.output_of "getconf GNU_LIBC_VERSION 2>/dev/null"
    if glibc == "" then return pending "needs glibc, whose malloc overwrites what is freed" end
    -- libcurl and OpenSSL free their copies without that
    local said = shell.output_of(("GLIBC_TUNABLES=glibc.malloc.perturb=85:"
      .. "glibc.malloc.tcache_count=0 %s spec/support/wiped.lua %sunix.so %s %s %s 2>&1"):format(
      shell.LUA, helpers.build(), service.base_url, service.http_url, service.ca_file))
    local cases = 0
    for name, left in (said .. "\n"):gmatch "([^\n]+)\t(%-?%d+)\n" do
      cases = cases + 1
      assert.are.equal("0", left, name)
    end
    assert.are.equal(13, cases, said)
  end)
end)

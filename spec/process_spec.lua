-- What the process around the module may do: threads, signals, running out of descriptors.
-- Its forks are fork_spec.lua's.

local helpers = require "spec.support.helpers"
local sora = require "sora"
local standin = require "spec.support.standin"

local LUA = jit and "luajit" or _VERSION:lower():gsub(" ", "")
local now = sora.driver.now

local service = standin.shared()
local unix

local function client(opts)
  local given = { base_url = service.base_url, ca_file = service.ca_file, api_key = "sk-process" }
  for name, value in pairs(opts or {}) do given[name] = value end
  return sora.client(given)
end

setup(function() unix = helpers.load "unix" end)

describe("on threads", function()
  it("eight Lua states live side by side", function()
    local command = ("%sthreads 8 spec/support/threads.lua %s %s %s 2>&1; echo $?"):format(
      helpers.build(), service.base_url, service.http_url, service.ca_file)
    local pipe = assert(io.popen(command))
    local said = pipe:read "*a"
    pipe:close()
    assert.are.equal("0\n", said)
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
    sora.sleep(0.1)
    assert.is_true(now() - started >= 0.1)
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
      assert(unix.limit(64))
      local c = client { retries = 0 }
      for left = 0, 6 do
        local give_back = unix.fill(left)
        local task, err = c:query "completed"
        local bytes, why = c:download(service:video "size=10", "/tmp/sora-process-spec")
        give_back()
        os.remove "/tmp/sora-process-spec"
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
    local can = io.popen "unshare -m true 2>/dev/null && echo yes"
    local permitted = can:read "*l" == "yes"
    can:close()
    if not permitted then return pending "needs root and unshare(1)" end
    local script = os.tmpname()
    local file = assert(io.open(script, "w"))
    file:write(([[
      local sora = require "sora"
      local opts = { retries = 0, proxy = "", connect_timeout = 5 }
      local c = sora.client { base_url = "https://nobody.invalid", retries = 0, proxy = "" }
      print(select(2, c:query "x").kind)
      c = sora.client { base_url = %q, ca_file = %q }
      print(c:query(%q).status)
    ]]):format(service.base_url, service.ca_file, service:id "completed"))
    file:close()
    -- without a server in that file, 127.0.0.1 is asked
    local pipe = io.popen(([[unshare -m sh -c '
      mount --bind /dev/null /etc/resolv.conf && exec %s %s' 2>&1]]):format(LUA, script))
    local said = pipe:read "*a"
    pipe:close()
    os.remove(script)
    assert.are.equal("dns\ncompleted\n", said)
  end)
end)

-- unchecked: a checker keeps what was freed
describe("the key #unchecked", function()
  local INVERTED = "\140\148\210" .. ("\134\206\200"):rep(5)

  --- How often a key is in memory after its client was closed and collected. Lua does not
  -- overwrite the strings that it frees; many others of that size take their place.
  local function copies_after(use, inverted)
    inverted = inverted or INVERTED
    do
      local c = client { api_key = unix.key(inverted), retries = 0 }
      use(c)
      c:close()
    end
    for _ = 1, 5 do collectgarbage() end
    local others = {}
    for i = 1, 50000 do others[i] = ("other %012d"):format(i) end
    return unix.copies(inverted), others
  end

  it("is wiped from a client that was closed and collected", function()
    -- of a few keys, since another may be left where Lua's string of it was
    local least = math.huge
    for n = 1, 5 do
      least = math.min(least, (copies_after(function() end, INVERTED .. string.char(200 + n))))
    end
    assert.are.equal(0, least)
  end)

  it("can stay in what libcurl and OpenSSL freed without wiping it", function()
    local left = copies_after(function(c) assert(c:query(service:id "completed")) end)
    print(("\n%d copies of the key after a query"):format(left))
    assert.is_true(left <= 4)
  end)
end)

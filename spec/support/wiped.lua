-- Counts the copies of secrets that are in the memory of this process when a client has been used
-- and closed. Run with an allocator that overwrites what is freed, it finds what is still in use:
--
--   GLIBC_TUNABLES=glibc.malloc.perturb=85:glibc.malloc.tcache_count=0 \
--     lua spec/support/wiped.lua UNIX_SO BASE_URL HTTP_URL CA_FILE
--
-- It prints a line for each way to use a client: its name, and how many copies there are beside the
-- Lua string of the caller's. Nothing was collected in between.

local unix = assert(package.loadlib(arg[1], "luaopen_unix"))()
local core = require "sora.core"
local sora = require "sora"

local base_url, http_url, ca_file = arg[2], arg[3], arg[4]
local serial = 0

local function id(steps)
  serial = serial + 1
  return ("sora-2:task_%s~wiped%d"):format(steps, serial)
end

local function client(opts)
  opts.base_url, opts.ca_file = opts.base_url or base_url, ca_file
  opts.api_key = opts.api_key or "sk-another"
  return sora.client(opts)
end

local held = {} -- all strings and objects with a secret stay

--- Secrets are put together inverted, and unix.key turns them round: Lua would leave a copy in the
-- buffer in which it concatenates.
local function inverse(text)
  return (text:gsub(".", function(byte) return string.char(255 - byte:byte()) end))
end

--- Uses a client with a secret that no other case has: "sk-", letters and digits.
local function case(name, use)
  local inverted = "\140\148\210" .. ("\134\206\200"):rep(5) .. string.char(158 - #held)
  local key = unix.key(inverted)
  local proxy = unix.key(inverse "http://user:" .. inverted .. inverse "@127.0.0.1:1")
  local kept = { key, proxy }
  held[#held + 1] = kept
  local before = unix.copies(inverted)
  local made, request = use(key, proxy)
  kept.client, kept.request = made, request
  made:close()
  print(name, unix.copies(inverted) - before)
end

case("over HTTP/2", function(key)
  local c = client { api_key = key }
  assert(c:query(id "completed"))
  return c
end)

case("over HTTP/1.1", function(key)
  local c = client { api_key = key, base_url = http_url }
  assert(c:query(id "completed"))
  return c
end)

case("refused", function(key)
  local c = client { api_key = key, retries = 0 }
  assert(select(2, c:query(id "401")).status == 401)
  return c
end)

case("of a call", function(key)
  local c = client {}
  assert(c:query(id "completed", { api_key = key }))
  return c, core.request(c, id "never", { api_key = key })
end)

case("in flight", function(key)
  local c = client { api_key = key }
  assert(c:query(id "completed"))
  local request = core.request(c, id "never")
  c:step()
  return c, request
end)

case("not read", function(key)
  local c = client {}
  local request = core.request(c, id "completed", { api_key = key }, {})
  while not request:done() do
    core.step(c, 0.005)
  end
  return c, request
end)

case("cancelled", function(key)
  local c = client {}
  local request = core.request(c, id "never", { api_key = key }, {})
  request:cancel()
  core.finished(c)
  return c, request
end)

case("of a wait", function(key)
  local c = client {}
  assert(c:wait(id "completed", { api_key = key }))
  return c
end)

case("of a wait whose task fails", function(key)
  local c = client {}
  local err = select(2, c:wait(id "failed", { api_key = key }))
  assert(err.kind == "failed")
  return c, err
end)

case("of a task that tells what it is", function(key)
  local c = client {}
  local task = assert(c:query(id "failed", { api_key = key }))
  assert(tostring(task):find "failed")
  return c, task
end)

case("of a download that fails", function(key)
  local c = client { headers = { ["X-Key"] = key } }
  local err = select(2, c:download(id "queued", "/dev/null/x", { retries = 0 }))
  assert(err.kind == "no_video" or err.kind == "io", tostring(err))
  return c, err
end)

case("in a header", function(key)
  local c = client { headers = { ["X-Key"] = key } }
  assert(c:query(id "completed"))
  return c
end)

case("in a proxy", function(_, proxy)
  local c = client { base_url = http_url, proxy = proxy, allow_http = true, retries = 0 }
  assert(select(2, c:query(id "completed")).kind == "connect")
  return c
end)

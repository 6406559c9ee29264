-- The client beside servers that nobody here wrote: see support/servers/server.lua. What is counted
-- is what came whole, what failed, and that each task was told once; nothing is measured.
-- With EVERY_SERVER=1 the long rows are tried with every server over every protocol.

local files = require "spec.support.files"
local loads = require "spec.support.servers.loads"
local servers = require "spec.support.servers.server"
local sites = require "spec.support.servers.site"
local shell = require "spec.support.shell"
local sora = require "sora"
local system = require "system"

local ALL = os.getenv "EVERY_SERVER" == "1"

--- Over what the long rows are tried otherwise; nginx over all.
local SAMPLE = { apache = "https", haproxy = "h2", h2o = "h2" }

local NAMES = { http = "HTTP/1.1", https = "HTTP/1.1 behind TLS", h2 = "HTTP/2" }

--- At most so many have failed; none is lost, none is told twice, none is another's.
local function assert_failed(most, tally)
  if tally.failed > most or tally.lost + tally.twice + tally.broken > 0 then
    error(("at most %d may fail: %s"):format(most, tally), 2)
  end
end

describe("real servers", function()
  local site, backend

  setup(function()
    site = sites.new()
    backend = servers.start("nginx", { site = site, slow = true, alone = true })
  end)

  teardown(function()
    backend:stop()
    site:remove()
  end)

  --- Starts one for as long as the function runs.
  local function with(name, options, fn)
    options.site, options.backend = site, options.backend or backend.ports.http
    local server = servers.start(name, options)
    local ok, message = pcall(fn, server)
    server:stop()
    if not ok then error(message, 0) end
  end

  local function with_client(server, protocol, path, options, fn)
    local client = sora.client(server:options(protocol, path, options))
    local ok, message = pcall(fn, client)
    client:close()
    if not ok then error(message, 0) end
  end

  --- Whether a long row is tried with it.
  local function is_sampled(name, protocol)
    return protocol ~= "http" and (ALL or (SAMPLE[name] or protocol) == protocol)
  end

  --- Without retries some may fail, with the defaults none may.
  local function both_ways(server, protocol, path, most, fn, max_connections)
    for _, retries in ipairs { 0, 2 } do
      local options = { retries = retries, max_connections = max_connections }
      with_client(server, protocol, path, options, function(client)
        assert_failed(retries == 0 and most or 0, fn(client))
      end)
    end
  end

  --- A row: it("… with NAME over PROTOCOL"), for each server and protocol that can.
  local function row(text, can, fn)
    for _, name in ipairs(servers.FRONTS) do
      local kind = servers.kind(name)
      for _, protocol in ipairs(kind.protocols) do
        if can(kind, protocol, name) then
          it(("%s: %s over %s"):format(text, name, NAMES[protocol]), function()
            if not servers.is_there(name) then return pending("there is no " .. name) end
            fn(name, protocol, kind)
          end)
        end
      end
    end
  end

  row("answer 200 in sequence, and 2,000 of which 200 at once", function()
    return true
  end, function(name, protocol)
    with(name, {}, function(server)
      both_ways(server, protocol, "/s1", 0, function(client)
        assert_failed(0, loads.sequence(client, 200, 1))
        assert.are.equal(1, client:stats().connections)
        return loads.burst(client, 2000, 200)
      end)
    end)
  end)

  --- What did not come whole on one connection: nothing should be in it.
  local function incomplete(server, protocol, letter, sizes)
    local found = {}
    for _, size in ipairs(sizes) do
      local tally, connections = loads.six(server, protocol, letter .. size)
      if tally.good < 6 or connections > 1 then
        found[#found + 1] = ("%d KiB on %d connections: %s"):format(size, connections, tally)
      end
    end
    return found
  end

  row("send answers of every size whole", function() return true end,
    function(name, protocol)
      with(name, {}, function(server)
        assert.are.same({}, incomplete(server, protocol, "s", sites.SIZES))
      end)
    end)

  row("send up to 16 KiB of headers whole", function(kind) return kind.wide end,
    function(name, protocol)
      with(name, {}, function(server)
        assert.are.same({}, incomplete(server, protocol, "h", sites.WIDE))
      end)
    end)

  -- Up to libcurl 7.79 and from 8.13 on its queue's time would count as an answer's or a
  -- connection's.
  row("keep a hundred waiting for five seconds that are nobody's fault", function(_, protocol, name)
    return name == "nginx" and protocol ~= "h2"
  end, function(name, protocol)
    with(name, {}, function(server)
      with_client(server, protocol, "/slow", {
        retries = 0, connect_timeout = 1, request_timeout = 3, max_connections = 20,
      }, function(client)
        assert_failed(0, loads.burst(client, 100, 100))
        assert.is_true(client:stats().connections <= 20)
      end)
    end)
  end)

  row("close a connection after ten requests", function(kind, protocol)
    return table.concat(kind.requests, " "):find(protocol) ~= nil
  end, function(name, protocol)
    with(name, { requests = 10 }, function(server)
      both_ways(server, protocol, "/s1", 2, function(client)
        local tally = loads.burst(client, 2000, 20)
        assert.is_true(client:stats().connections >= 150)
        return tally
      end)
    end)
  end)

  it("close idle connections as they are used again", function()
    local running, clients = {}, {}
    finally(function()
      for _, client in ipairs(clients) do client.client:close() end
      for _, server in ipairs(running) do server:stop() end
    end)
    for _, name in ipairs(servers.FRONTS) do
      local kind = servers.kind(name)
      if kind.idle and servers.is_there(name) then
        local server = servers.start(name, {
          site = site, backend = backend.ports.http, idle = kind.idle,
        })
        running[#running + 1] = server
        for _, protocol in ipairs(kind.protocols) do
          for _, retries in ipairs { 0, 2 } do
            clients[#clients + 1] = {
              name = name .. " over " .. NAMES[protocol], idle = kind.idle, again = 0, failed = 0,
              most = retries == 0 and 24 or 0, -- a connection that ends takes all eight with it
              client = sora.client(server:options(protocol, "/s1", { retries = retries })),
            }
          end
        end
      end
    end
    for round = -8, 8 do
      for _, each in ipairs(clients) do -- at the moment at which its connections are given up
        system.sleep(math.max(0, each.again - system.monotime()))
        local tally = loads.burst(each.client, 8, 8)
        each.failed = each.failed + tally.failed
        -- "connect": the connection of one is not ended because another's was
        if each.failed > each.most or tally.kinds.connect then
          error(each.name .. ": " .. tostring(tally))
        end
        each.again = system.monotime() + each.idle + round / 4000
      end
    end
  end)

  -- Over HTTP/1.1 each of the 500 connections may be closed as it is used again: 53 were seen.
  row("read their configuration anew with 500 in flight", function(kind, protocol, name)
    return kind.reload and is_sampled(name, protocol)
  end, function(name, protocol, kind)
    with(name, {}, function(server)
      both_ways(server, protocol, "/slow", protocol == "https" and 200 or 50, function(client)
        server:tell(("sleep 0.5; signal %s"):format(kind.reload))
        return loads.burst(client, 1000, 500)
      end, protocol == "https" and 500 or nil)
      local _, times = server:log():gsub(kind.reloaded, "")
      assert.are.equal(2, times)
    end)
  end)

  --- Waits for 500 tasks while a server is killed and started again; after that the tasks end.
  local function outage(victim, asked, protocol, options)
    local proxy = options and "-x " .. options.proxy or "--noproxy '*'"
    site:becomes "running"
    victim:tell(("sleep 0.5; crash; sleep 0.2; curl -sk %s -o /dev/null -w '%%{http_code}' "
      .. "%s/live/v1/video/query >outage; sleep 0.8; start; sleep 0.5; %s"):format(
      proxy, asked:url(protocol), site:becoming "ended"))
    with_client(asked, protocol, "/live", options or {}, function(client)
      assert_failed(0, loads.wait(client, 500, {
        interval = 0.3, max_interval = 0.3, timeout = 60,
      }))
    end)
    local seen = files.read(victim.folder .. "/outage")
    assert.is_truthy(seen == "000" or seen:find "^50[234]$", seen)
  end

  row("have their backend killed", function(kind, protocol, name)
    return kind.proxies and is_sampled(name, protocol)
  end, function(name, protocol)
    local own = servers.start("nginx", { site = site, alone = true })
    finally(function() own:stop() end)
    with(name, { backend = own.ports.http }, function(server)
      outage(own, server, protocol)
    end)
  end)

  it("are killed themselves", function()
    for _, protocol in ipairs { "http", "https", "h2" } do
      with("nginx", { alone = true }, function(server) outage(server, server, protocol) end)
    end
  end)

  describe("behind squid", function()
    local function with_proxy(fn)
      if not servers.is_there "squid" then return pending "there is no squid" end
      local memory
      with("squid", {}, function(squid)
        memory = ("/dev/shm/squid-sora%d*"):format(squid.ports.http)
        with("nginx", {}, function(server)
          fn(squid, server, { retries = 0, proxy = squid:url "http" })
        end)
      end)
      assert.are.equal("", shell.output_of("ls -d " .. memory .. " 2>/dev/null"))
    end

    for _, protocol in ipairs { "https", "h2" } do
      it("answer bursts over " .. NAMES[protocol], function()
        with_proxy(function(_, server, options)
          for _, concurrency in ipairs { 100, 150, 300, 1000 } do
            with_client(server, protocol, "/s1", options, function(client)
              assert_failed(0, loads.burst(client, 1000, concurrency))
              assert_failed(0, loads.sequence(client, 50))
            end)
          end
        end)
      end)

      it("bear that it is killed, over " .. NAMES[protocol], function()
        with_proxy(function(squid, server, options)
          options.retries = nil
          outage(squid, server, protocol, options)
        end)
      end)
    end
  end)
end)

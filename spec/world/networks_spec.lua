-- The client behind networks that lose, reorder, corrupt and swallow packets, that forget
-- connections, and whose names have several addresses: see support/networks.lua. All of it over
-- HTTP/2 and HTTP/1.1 at once.

local networks = require "spec.support.networks"
local servers = require "spec.support.servers.server"
local sites = require "spec.support.servers.site"
local shell = require "spec.support.shell"
local system = require "system"

local impossible = not servers.is_there "nginx" and "there is no nginx" or networks.impossible()

describe("a network", function()
  if impossible then
    it("of the specs' own", function() pending(impossible) end)
    return
  end

  local site, moving

  before_each(function() site:becomes "running" end)

  local function start_server(network, address, of, ports)
    return servers.start("nginx", {
      site = of, within = network.server, address = address, ports = ports,
    })
  end

  --- Makes a network with a server for as long as the function runs; returns the carrier's counts.
  local function with_network(options, fn)
    local network = networks.new(options)
    local server
    local ok, message = pcall(function()
      network:hosts(networks.SERVER .. " relay\n")
      server = start_server(network, networks.SERVER, site)
      fn(network, server)
    end)
    if server then server:stop() end
    local counts = network:close()
    if not ok then error(message, 0) end
    return counts
  end

  --- Starts to ask the server, over both protocols at once.
  ---@param what table[]  lists: folder, load, count, options; as of ask.lua
  ---@return table[] asking  program, count
  local function start_asking(network, server, what)
    local asking = {}
    for _, protocol in ipairs { "h2", "https" } do
      for _, each in ipairs(what) do
        local folder, load, count, options = each[1], each[2], each[3], each[4]
        local command = ("%s spec/support/ask.lua https://relay:%d/%s %s %s %d %s"):format(
          shell.quote(shell.LUA), server.ports[protocol], folder, server.site.certificate, load,
          count, options or "")
        asking[#asking + 1] = { program = network:start(command), count = count }
      end
    end
    return asking
  end

  local function assert_all_good(asking)
    for _, each in ipairs(asking) do
      local result = each.program:wait()
      assert.are.equal(("%d asked, %d good\n"):format(each.count, each.count), result.out
        .. result.err)
    end
  end

  --- Asks, and all has to be well; meanwhile() runs beside it.
  local function ask(network, server, what, meanwhile)
    local asking = start_asking(network, server, what)
    if meanwhile then meanwhile() end
    assert_all_good(asking)
  end

  --- Two servers, of which the name leads to the first; then that is gone, the name leads to the
  -- second, and the tasks end. libcurl believes a name for a minute, so this begins before all
  -- others and is looked at in the end.
  setup(function()
    site = sites.new()
    moving = { site = sites.new(), network = networks.new() }
    moving.network:hosts(networks.SERVER .. " relay\n")
    local first = start_server(moving.network, networks.SERVER, moving.site)
    moving.second = start_server(moving.network, networks.OTHER, moving.site, first.ports)
    moving.asking = start_asking(moving.network, first, {
      { "live", "wait", 50, "interval=2 retries=0 request_timeout=2 connect_timeout=2" },
    })
    system.sleep(1)
    first:stop()
    moving.network:hosts(networks.OTHER .. " relay\n")
    moving.site:becomes "ended"
  end)

  teardown(function()
    moving.second:stop()
    moving.network:close()
    moving.site:remove()
    site:remove()
  end)

  for what, silent in pairs {
    ["that is silent"] = networks.SILENT, ["that refuses"] = networks.OTHER,
    ["of IPv6 that is silent"] = networks.SILENT_6,
  } do
    it("has two addresses for a name, the first one " .. what, function()
      with_network({}, function(network, server)
        network:hosts(("%s relay\n%s relay\n"):format(silent, networks.SERVER))
        local order = shell.output_of(network.client .. "getent ahosts relay")
        if order:match "^%S+" ~= silent then return pending("the order is\n" .. order) end
        ask(network, server, {
          { "s1", "sequence", 10, "retries=0" }, { "s1", "burst", 200, "retries=0" },
        })
      end)
    end)
  end

  it("loses 5 % of all packets, corrupts and reorders others", function()
    local counts = with_network({}, function(network, server)
      for _, order in ipairs { "loss 50", "corrupt 10", "reorder 50" } do network:tell(order) end
      ask(network, server, {
        { "s1", "burst", 500 }, { "s100", "sequence", 12 }, { "live", "wait", 200 },
      }, function()
        system.sleep(1)
        site:becomes "ended"
      end)
    end)
    for _, what in ipairs { "lost", "corrupted", "reordered" } do
      assert.is_true(counts[what] > 0, what)
    end
  end)

  it("has an MTU of 576", function()
    with_network({ mtu = 576 }, function(network, server)
      for _, size in ipairs { 1, 16, 100, 1024 } do
        ask(network, server, { { "s" .. size, "sequence", 6, "retries=0" } })
      end
      ask(network, server, { { "s8", "burst", 500 } })
    end)
  end)

  it("forgets the connections that stand", function()
    local counts = with_network({}, function(network, server)
      ask(network, server, {
        { "s1", "sequence", 20, "request_timeout=1 pause=0.2" },
        { "live", "wait", 200, "request_timeout=1" },
      }, function()
        for _ = 1, 2 do
          system.sleep(1)
          network:tell "forget 0"
        end
        site:becomes "ended"
      end)
    end)
    assert.is_true(counts.unknown > 0)
  end)

  it("swallows everything for ten seconds", function()
    local counts = with_network({}, function(network, server)
      ask(network, server, {
        { "live", "wait", 200, "request_timeout=2 connect_timeout=2" }, { "live", "wait", 200 },
      }, function()
        system.sleep(1)
        network:tell "hole 1"
        system.sleep(10)
        network:tell "hole 0"
        site:becomes "ended"
      end)
    end)
    assert.is_true(counts.swallowed > 0)
  end)

  it("has a name that moves", function() assert_all_good(moving.asking) end)
end)

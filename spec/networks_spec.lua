-- The client behind networks that lose, reorder, corrupt and swallow packets, that forget
-- connections, and whose names have several addresses: see support/networks.lua.

local answers = require "spec.support.servers.answers"
local files = require "spec.support.files"
local networks = require "spec.support.networks"
local servers = require "spec.support.servers.server"
local shell = require "spec.support.shell"
local system = require "system"

local impossible = not servers.is_there "nginx" and "there is no nginx" or networks.impossible()

describe("a network", function()
  if impossible then
    it("of the specs' own", function() pending(impossible) end)
    return
  end

  local www
  setup(function() www = answers.folder() end)
  teardown(function() files.remove(www) end)

  --- Makes a network with a server for as long as the function runs; returns the carrier's counts.
  local function with_network(options, fn)
    local network = networks.new(options)
    local server
    local ok, message = xpcall(function()
      server = servers.start("nginx", {
        www = www, within = network.server, address = networks.SERVER,
      })
      fn(network, server)
    end, debug.traceback)
    if server then server:stop() end
    local counts = network:close()
    if not ok then error(message, 0) end
    return counts
  end

  --- The command that asks a server, by the name "relay" unless a host is given.
  local function asking(server, protocol, folder, load, count, options)
    return ("%s spec/support/ask.lua https://%s:%d/%s %s %s %d %s"):format(shell.quote(shell.LUA),
      "relay", server.ports[protocol], folder, server.ca_file, load, count, options or "")
  end

  local function assert_all_good(count, result)
    assert.are.equal(("%d asked, %d good\n"):format(count, count), result.out, result.err)
  end

  --- Asks, and all has to be well; meanwhile() runs beside it.
  local function ask(network, count, command, meanwhile)
    local program = network:start(command)
    if meanwhile then meanwhile() end
    assert_all_good(count, program:wait())
  end

  --- Has the tasks of waits end.
  local function finish() os.execute(answers.becomes(www, "ended")) end

  before_each(function() os.execute(answers.becomes(www, "running")) end)

  for _, protocol in ipairs { "h2", "https" } do
    describe("over " .. (protocol == "h2" and "HTTP/2" or "HTTP/1.1"), function()
      for what, silent in pairs {
        ["silent"] = networks.SILENT, ["one that refuses"] = networks.OTHER,
      } do
        it("has two addresses for a name, the first " .. what, function()
          with_network({}, function(network, server)
            network:hosts(("%s relay\n%s relay\n"):format(silent, networks.SERVER))
            ask(network, 1, asking(server, protocol, "s1", "sequence", 1, "retries=0"))
            ask(network, 200, asking(server, protocol, "s1", "burst", 200, "retries=0"))
          end)
        end)
      end

      it("loses 5 % of all packets, corrupts and reorders others", function()
        local counts = with_network({}, function(network, server)
          network:hosts(networks.SERVER .. " relay\n")
          network:tell "loss 50"
          network:tell "corrupt 10"
          network:tell "reorder 50"
          ask(network, 500, asking(server, protocol, "s1", "burst", 500))
          ask(network, 12, asking(server, protocol, "s100", "sequence", 12))
          ask(network, 200, asking(server, protocol, "live", "wait", 200), function()
            system.sleep(1)
            finish()
          end)
        end)
        for _, what in ipairs { "lost", "corrupted", "reordered" } do
          assert.is_true(counts[what] > 0, what)
        end
      end)

      it("has an MTU of 576", function()
        with_network({ mtu = 576 }, function(network, server)
          network:hosts(networks.SERVER .. " relay\n")
          for _, size in ipairs { 1, 16, 100, 1024 } do
            ask(network, 6, asking(server, protocol, "s" .. size, "sequence", 6, "retries=0"))
          end
          ask(network, 500, asking(server, protocol, "s8", "burst", 500))
        end)
      end)

      it("forgets the connections that stand", function()
        local counts = with_network({}, function(network, server)
          network:hosts(networks.SERVER .. " relay\n")
          local options = "request_timeout=1 pause=0.2"
          ask(network, 20, asking(server, protocol, "s1", "sequence", 20, options), function()
            system.sleep(1)
            network:tell "forget 0"
          end)
          ask(network, 200, asking(server, protocol, "live", "wait", 200, options), function()
            system.sleep(1)
            network:tell "forget 0"
            system.sleep(1)
            finish()
          end)
        end)
        assert.is_true(counts.unknown > 0)
      end)

      it("swallows everything for ten seconds", function()
        local counts = with_network({}, function(network, server)
          network:hosts(networks.SERVER .. " relay\n")
          local options = "request_timeout=2 connect_timeout=2"
          ask(network, 200, asking(server, protocol, "live", "wait", 200, options), function()
            system.sleep(1)
            network:tell "hole 1"
            system.sleep(10)
            network:tell "hole 0"
            finish()
          end)
        end)
        assert.is_true(counts.packets > 200)
      end)
    end)
  end
end)

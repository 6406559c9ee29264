-- Prints how many of six answers come whole over one kept connection, without a retry and within
-- five seconds: by server and protocol, for each size and each width of headers.
-- Usage: lua spec/support/servers/table.lua [SERVER…]

package.path = "./?.lua;" .. package.path

local loads = require "spec.support.servers.loads"
local servers = require "spec.support.servers.server"
local sites = require "spec.support.servers.site"

local NAMES = { http = "HTTP/1.1", https = "HTTP/1.1, TLS", h2 = "HTTP/2" }

local function row(first, second, cells)
  io.write(("%-8s %-14s"):format(first, second), table.concat(cells), "\n")
  io.flush()
end

local function cell(text) return ("%5s"):format(text) end

local folders, heads = {}, {}
local function column(folder, head)
  folders[#folders + 1], heads[#heads + 1] = folder, cell(head)
end
for _, size in ipairs(sites.SIZES) do
  column("s" .. size, size < 1024 and size or ("%dM"):format(size / 1024))
end
for _, size in ipairs(sites.WIDE) do column("h" .. size, "+" .. size) end

local site = sites.new()
local backend = servers.start("nginx", { site = site })
row("KiB", "(+ headers)", heads)
for _, name in ipairs(#arg > 0 and arg or servers.FRONTS) do
  local server = servers.start(name, { site = site, backend = backend.ports.http })
  for _, protocol in ipairs(server.kind.protocols) do
    local cells = {}
    for place, folder in ipairs(folders) do
      local is_wide = folder:find "^h"
      cells[place] = cell(is_wide and not server.kind.wide and "-"
        or loads.six(server, protocol, folder).good)
    end
    row(name, NAMES[protocol], cells)
  end
  server:stop()
end
backend:stop()
site:remove()

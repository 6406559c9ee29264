--- The rows of `make bench`: who is measured, with which commands, and what is the goal. Knows
-- nothing of how it is measured or told.

local measure = require "spec.bench.measure"
local shell = require "spec.support.shell"

local output_of, quote = shell.output_of, shell.quote

local M = {}

local PEERS = "spec/bench/peers/"

--- Those that can be compared, by a short name; `there`: they are installed.
---@param lua string
---@return table<string, { name: string, command: string?, there: boolean }>
function M.peers(lua)
  local function lua_peer(file) return ("%s %s%s.lua"):format(lua, PEERS, file) end
  local function loads(code) return output_of(("%s -e %s 2>&1"):format(lua, quote(code))) == "" end
  return {
    c = { name = "C program", command = "build/bench/libcurl", there = true },
    floor = { name = "C program that makes the tables", command = "build/bench/floor",
      there = true },
    sora = { name = "sora", command = lua_peer "sora", there = true },
    lua_curl = { name = "Lua-cURL", command = lua_peer "lua_curl",
      there = loads "assert(require 'cURL'.easy) require 'cjson'" },
    lua_http = { name = "lua-http", command = lua_peer "lua_http",
      there = loads "require 'spec.support.lua_http' require 'http.client' require 'cjson'" },
    lua_sec = { name = "LuaSec", command = lua_peer "lua_sec",
      there = loads "require 'ssl.https' require 'cjson'" },
    curl = { name = "curl program", there = output_of "command -v curl" ~= "" },
  }
end

---@class sora.bench.row
---@field title string
---@field how table  short, long: counts of queries whose difference is measured, or long alone;
---   per: queries in a run of `long`; count: two counts for callgrind; kib: memory, not time; cpu,
---   wall: goals, as ratios to the first; twice: twice as many rounds; commands, names: those of
---   single peers, in the place of their own
---@field participants { name: string, command: fun(count: integer): string }[]

--- All rows of one server.
---@param peers table
---@param server table
---@return sora.bench.row[]
function M.of(peers, server)
  local rows = {}
  local plain, tls, h2 = quote(server.http), quote(server.h1), quote(server.h2)
  local ca = quote(server.ca_file)

  --- A row in which each of the peers named (those that are there) runs `arguments`, with the count
  -- of queries put in.
  local function compare(title, names, arguments, how)
    local row = { title = title, how = how, participants = {} }
    for _, name in ipairs(names) do
      local peer = peers[name]
      if peer.there then
        local template = how.commands and how.commands[name] or peer.command .. " " .. arguments
        row.participants[#row.participants + 1] = {
          name = how.names and how.names[name] or peer.name,
          ours = name == "sora",
          countable = how.count and name ~= "curl", -- its processes are others
          command = function(count) return (template:gsub("COUNT", ("%d"):format(count))) end,
        }
      end
    end
    rows[#rows + 1] = row
  end

  local sequence = { short = 10, long = 1500, count = { 50, 150 }, cpu = 1.15, wall = 1.05 }
  local keeping = { "c", "floor", "sora", "lua_curl", "lua_http" }
  compare("one by one, HTTP/1.1", keeping, "sequence COUNT " .. plain .. " " .. ca, sequence)
  compare("one by one, HTTP/1.1, TLS", keeping, "sequence COUNT " .. tls .. " " .. ca, sequence)
  compare("one by one, HTTP/2, TLS", keeping, "sequence COUNT " .. h2 .. " " .. ca, sequence)

  local multi = { "c", "floor", "sora", "lua_curl" }
  compare("100 in flight", multi, "many COUNT 100 " .. h2 .. " " .. ca,
    { short = 100, long = 4000, count = { 500, 1500 }, cpu = 1.15 })
  compare("10,000 with 1,000 in flight, answers after 50 ms", multi,
    "many COUNT 1000 " .. quote(server.slow) .. " " .. ca,
    { long = 10000, per = 10000, cpu = 1.15, wall = 1.10 })
  local naive = ("build/bench/libcurl many COUNT 1000 %s %s naive"):format(quote(server.narrow), ca)
  compare("the same, 128 streams a connection", { "c", "sora" },
    "many COUNT 1000 " .. quote(server.narrow) .. " " .. ca,
    { long = 10000, per = 10000, wall = 0.6, commands = { c = naive },
      names = { c = "C program, no limits set" } })
  compare("one more in flight, HTTP/2", { "c", "sora" }, "hold COUNT " .. h2 .. " " .. ca,
    { short = 100, long = 2000, kib = 32 })

  local closing = quote(server.closing)
  local by_curl = "sh -c " .. quote(("i=0; while [ $i -lt COUNT ]; do i=$((i+1)); "
    .. "curl -sf -o /dev/null -H 'Authorization: Bearer bench' "
    .. "'%s/v1/video/query?id=task_'$i || exit 1; done"):format(server.closing))
  -- with the system's CAs, the server's among them: see the Makefile and server.lua
  compare("a new TLS connection each", { "c", "sora", "lua_curl", "lua_http", "lua_sec", "curl" },
    "fresh COUNT " .. closing .. " system",
    { short = 2, long = 12, cpu = 0.10, wall = 0.10, count = { 2, 4 },
      commands = { curl = by_curl },
      names = { c = "C program, bundle unparsed", curl = "curl program" } })
  compare("the first query of a process, TLS",
    { "curl", "sora", "lua_curl", "lua_http", "lua_sec" },
    "fresh COUNT " .. closing .. " system",
    { long = 1, cpu = 0.30, wall = 0.30, commands = { curl = by_curl }, twice = true })

  local function in_neovim(kind)
    return "sh -c " .. quote(("%s\nBENCH='%s COUNT %s %s' exec nvim --headless -u NONE -i NONE "
      .. "-c 'luafile %sneovim.lua'"):format(output_of "make -s env LUA=luajit", kind, server.h2,
      server.ca_file, PEERS))
  end
  if output_of "command -v nvim" ~= "" then
    compare("a query in Neovim", { "curl", "sora" }, nil,
      { short = 10, long = 110, cpu = 0.01, wall = 0.01, commands = {
        curl = in_neovim "curl", sora = in_neovim "sora",
      }, names = { curl = "curl program, as plenary.curl" } })
  end
  return rows
end

--- The instructions of a query beside few others and beside many, for each kind of others.
---@param lua string
---@param server table
---@param tell fun(title: string, few: table, many: table)
function M.steps(lua, server, tell)
  local kinds = { { "flight", "1,000 in flight" }, { "paused", "1,000 paused before a retry" },
    { "sleeping", "1,000 asleep in wait_all" } }
  for _, kind in ipairs(kinds) do
    local function count(others)
      return measure.between_marks(("%s spec/bench/step.lua %s %d 50 %s %s"):format(lua, kind[1],
        others, quote(server.h2), quote(server.ca_file)), 50)
    end
    local few, many = count(10), count(1000)
    if few and many then tell(kind[2], few, many) end
  end
end

local REQUIRE = [[
  local library = arg[1]
  assert(package.loadlib(library, "*"))
  local before = os.clock()
  require "sora"
  io.write((os.clock() - before) * 1000)]]

--- Milliseconds that `require "sora"` takes where libcurl is loaded already.
---@param lua string
---@return number
function M.require_cost(lua)
  local library = output_of(("%s -e %s"):format(lua, quote [[require "sora.core"
    for line in io.lines "/proc/self/maps" do
      if line:find "libcurl" then return print(line:match "%S+$") end
    end]]))
  local times = {}
  for i = 1, 15 do
    times[i] = tonumber(output_of(("echo %s | %s - %s"):format(quote(REQUIRE), lua, library)))
  end
  return measure.median(times)
end

return M

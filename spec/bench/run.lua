-- Compares sora with what a user would pick instead and with a bare C program on libcurl:
-- `make bench`. Peers that are not there are left out, with a line that says so.
--
--   run.lua [--only WORD] [--rounds N] [--picture FILE]
--
-- Every row is measured in turns; see measure.lua. Prints a table in Markdown.

package.path = "./?.lua;" .. package.path

local measure = require "spec.bench.measure"
local report = require "spec.bench.report"
local shell = require "spec.support.shell"

local output_of, quote = shell.output_of, shell.quote

local options = { rounds = 7 }
for i = 1, #arg, 2 do
  options[arg[i]:match "^%-%-(%a+)$" or error("unknown argument: " .. arg[i])] = arg[i + 1]
end

local LUA = arg[-1]
local PEERS = "spec/bench/peers/"

-- Peers

local function lua_peer(file) return ("%s %s%s.lua"):format(LUA, PEERS, file) end

local function loads(code) return output_of(("%s -e %s 2>&1"):format(LUA, quote(code))) == "" end

local LUA_HTTP = [[for _, v in ipairs { "5.3", "5.2", "5.1" } do
  package.path = package.path .. (";/usr/share/lua/%s/?.lua"):format(v) end require "http.client"]]

local peers = {
  c = { name = "C program", command = "build/bench/libcurl", there = true },
  floor = { name = "C program that makes the tables", command = "build/bench/floor",
    there = true },
  sora = { name = "sora", command = lua_peer "sora", there = true },
  lua_curl = { name = "Lua-cURL", command = lua_peer "lua_curl",
    there = loads "assert(require 'cURL'.easy) require 'cjson'" },
  lua_http = { name = "lua-http", command = lua_peer "lua_http",
    there = loads(LUA_HTTP .. " require 'cjson'") },
  lua_sec = { name = "LuaSec", command = lua_peer "lua_sec",
    there = loads "require 'ssl.https' require 'cjson'" },
  curl = { name = "curl program", there = output_of "command -v curl" ~= "" },
}

-- Rows

local server = require("spec.bench.server").start()
local plain, tls, h2 = quote(server.http), quote(server.h1), quote(server.h2)
local ca = quote(server.ca_file)
local rows = {}

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
        command = function(count) return (template:gsub("COUNT", ("%d"):format(count))) end,
      }
    end
  end
  rows[#rows + 1] = row
end

local SEQUENCE = { short = 10, long = 2000, count = { 100, 300 }, cpu = 1.15, wall = 1.05 }
local KEEPING = { "c", "floor", "sora", "lua_curl", "lua_http" }
compare("one after the other, HTTP/1.1", KEEPING, "sequence COUNT " .. plain .. " " .. ca, SEQUENCE)
compare("one after the other, HTTP/1.1, TLS", KEEPING, "sequence COUNT " .. tls .. " " .. ca,
  SEQUENCE)
compare("one after the other, HTTP/2, TLS", KEEPING, "sequence COUNT " .. h2 .. " " .. ca,
  SEQUENCE)

local MULTI = { "c", "floor", "sora", "lua_curl" }
compare("100 in flight, one connection", MULTI, "many COUNT 100 " .. h2 .. " " .. ca,
  { short = 100, long = 5000, count = { 500, 1500 }, cpu = 1.15 })
compare("10,000 with 1,000 in flight, answers after 50 ms", MULTI,
  "many COUNT 1000 " .. quote(server.slow) .. " " .. ca,
  { long = 10000, per = 10000, cpu = 1.15, wall = 1.10 })

local naive = ("build/bench/libcurl many COUNT 1000 %s %s naive"):format(quote(server.narrow), ca)
compare("the same, 128 streams a connection", { "c", "sora" },
  "many COUNT 1000 " .. quote(server.narrow) .. " " .. ca,
  { long = 10000, per = 10000, wall = 0.6, commands = { c = naive },
    names = { c = "C program, no limits set" } })
compare("one more in flight, HTTP/2", { "c", "sora" }, "hold COUNT " .. h2 .. " " .. ca,
  { short = 100, long = 2000, kib = 20, rounds = 3 })

local closing = quote(server.closing)
local query_by_curl = "sh -c " .. quote(("i=0; while [ $i -lt COUNT ]; do i=$((i+1)); "
  .. "curl -s -o /dev/null -H 'Authorization: Bearer bench' "
  .. "'%s/v1/video/query?id=task_'$i; [ $? = 60 ] || exit 1; done"):format(server.closing))
-- with the system's CAs, up to the verdict on a certificate that none of them has signed
compare("a new TLS connection each", { "c", "sora", "lua_curl", "lua_http", "lua_sec", "curl" },
  "fresh COUNT " .. closing .. " system",
  { short = 2, long = 22, cpu = 0.10, wall = 0.10, rounds = 5, count = { 2, 6 },
    commands = { curl = query_by_curl },
    names = { c = "C program, bundle unparsed", curl = "curl program" } })
compare("the first query of a process, TLS", { "curl", "sora", "lua_curl", "lua_http", "lua_sec" },
  "fresh COUNT " .. closing .. " system",
  { long = 1, cpu = 0.45, wall = 0.45, commands = { curl = query_by_curl }, rounds = 11 })

local function in_neovim(kind)
  return "sh -c " .. quote(("%s\nBENCH='%s COUNT %s %s' exec nvim --headless -u NONE -i NONE "
    .. "-c 'luafile %sneovim.lua'"):format(output_of "make -s env LUA=luajit", kind, server.h2,
    server.ca_file, PEERS))
end
if output_of "command -v nvim" ~= "" then
  compare("a query in Neovim", { "curl", "sora" }, nil,
    { short = 10, long = 160, cpu = 0.02, wall = 0.02, rounds = 5, commands = {
      curl = in_neovim "curl", sora = in_neovim "sora",
    } })
end

-- Rows without turns

local function rows_of_steps(add)
  local kinds = {
    { "flight", "9,000 in flight", 9000 }, -- as many as leave room on the one connection
    { "paused", "10,000 paused before a retry", 10000 },
    { "sleeping", "10,000 asleep in wait_all", 10000 },
  }
  for _, kind in ipairs(kinds) do
    local function count(others)
      return measure.between_marks(("%s spec/bench/step.lua %s %d 50 %s %s"):format(LUA, kind[1],
        others, h2, ca), 50)
    end
    local few, many = count(10), count(kind[3])
    if few and many then add(kind[2], few, many) end
  end
end

local REQUIRE = [[
  local library = arg[1]
  assert(package.loadlib(library, "*"))
  local before = os.clock()
  require "sora"
  io.write((os.clock() - before) * 1000)]]

--- Milliseconds that `require "sora"` takes where libcurl is loaded already.
local function require_cost()
  local library = output_of(("%s -e %s"):format(LUA, quote [[require "sora.core"
    for line in io.lines "/proc/self/maps" do
      if line:find "libcurl" then return print(line:match "%S+$") end
    end]]))
  local times = {}
  for i = 1, 15 do
    times[i] = tonumber(output_of(("echo %s | %s - %s"):format(quote(REQUIRE), LUA, library)))
  end
  return measure.median(times)
end

-- The run

local function wanted(title) return not options.only or title:find(options.only, 1, true) end

for name, peer in pairs(peers) do
  if not peer.there then io.stderr:write("left out, not installed: ", name, "\n") end
end
report.head(measure.machine(), measure.versions(LUA), options.rounds)
for _, row in ipairs(rows) do
  if wanted(row.title) then
    local how, commands = row.how, {}
    for i, participant in ipairs(row.participants) do commands[i] = participant.command end
    local costs = measure.in_turns(commands, how.rounds or tonumber(options.rounds), how.short,
      how.long)
    for i, participant in ipairs(row.participants) do
      participant.cost = costs[i]
      local countable = participant.name ~= peers.curl.name -- its processes are others
      if costs[i] and how.count and countable and measure.has_valgrind() then
        participant.instructions = (measure.instructions(participant.command, how.count[1],
          how.count[2]) or {}).all
      end
    end
    report.row(row)
  end
end
if wanted "steps" and measure.has_valgrind() then rows_of_steps(report.step) end
if wanted "require" then
  report.line("require \"sora\" above loading libcurl, ms", require_cost(), 0.5)
end
server.stop()
if options.picture then report.picture(options.picture) end

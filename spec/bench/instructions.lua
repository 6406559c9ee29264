-- Counts the instructions of the core paths and compares them with what they are known to take, and
-- with those of C programs: `make check-instructions`. Fails when one has grown by more than a
-- twentieth.
--
--   instructions.lua           compare
--   instructions.lua update    take down what is counted now, after a change that is meant
--
-- Counts depend on the compiler and the libraries: where these are others than the baseline's,
-- nothing is compared, and that is said. They do not depend on how busy a machine is, for client
-- and server share one processor: on two, an answer would come earlier or later in what the client
-- does meanwhile, and be read in more or fewer steps.

package.path = "./?.lua;" .. package.path

local measure = require "spec.bench.measure"
local shell = require "spec.support.shell"

local BASELINE = os.getenv "BASELINE" or "spec/bench/instructions.txt"
local GROWTH = 1.05
local COUNTED = 100 -- of each path

local LUA = arg[-1]

local function skip(why)
  print("instructions not compared: " .. why)
  os.exit(0)
end

if not measure.has_valgrind() then skip "there is no valgrind" end
if not require("spec.support.nginx").is_there() then
  skip "there is no nginx (make test LUAS=luajit unpacks one)"
end

--- The versions that the counts depend on, in one line.
local function versions()
  local lines = measure.versions(LUA)
  lines[#lines + 1] = shell.output_of "valgrind --version"
  lines[#lines + 1] = "CFLAGS " .. (os.getenv "CFLAGS" or "-O2 -g")
  return table.concat(lines, "; ")
end

local function read_baseline()
  local file = io.open(BASELINE)
  if not file then return nil, {} end
  local made_with, counts = file:read "*l", {}
  for line in file:lines() do
    local count, name = line:match "^ *(%d+)  (.+)$"
    if count then counts[name] = tonumber(count) end
  end
  file:close()
  return made_with, counts
end

-- The paths, in the order of the report

local DECODE = [[
  local core = require "sora.core"
  local file = assert(io.open "spec/support/fixtures/pending.json")
  local text = file:read "*a"
  collectgarbage "stop"
  core.decode(text)
  core.terminal(-1)
  for _ = 1, 100 do core.decode(text) end
  core.terminal(-1)]]

local function step(server, kind, others, url)
  return ("%s spec/bench/step.lua %s %d %d %s %s"):format(LUA, kind, others, COUNTED, url,
    server.ca_file)
end

--- What a C program takes for one query: `mode` is that of libcurl.c, with COUNT in the place of
-- how many. Where 100 are in flight all answers are kept, and each run of the collector looks at
-- them: it is 3,000 after the first 1,000, here as in polls.lua, so that it runs twice in either.
local function count_program(name, mode, url, server)
  local many = mode:find "^many"
  local counts = measure.instructions(function(count)
    return ("build/bench/%s %s %s %s"):format(name, mode:gsub("COUNT", count), url, server.ca_file)
  end, many and 1000 or 200, many and 4000 or 600)
  return counts and counts.all
end

--- What is compared with the C programs, in rows: name; command; mode and URL of the program; which
-- one: "floor", which makes the tables, or "bare", which does not; at most how many times what that
-- takes.
local function against_programs(server)
  local function polls(kind, count, url)
    return ("%s spec/bench/polls.lua %s %d %s %s"):format(LUA, kind, count, url, server.ca_file)
  end
  local one, many = "sequence COUNT", "many COUNT 100"
  return {
    { "query, HTTP/1.1", polls("query", 300, server.http), one, server.http, "floor", 1.10 },
    { "query, HTTP/1.1, TLS", polls("query", 300, server.h1), one, server.h1, "floor", 1.10 },
    { "query, HTTP/2", polls("query", 300, server.h2), one, server.h2, "floor", 1.08 },
    { "100 in flight, HTTP/2", polls("query_all", 3000, server.h2), many, server.h2, "floor",
      1.12 },
    { "poll of wait, unchanged, HTTP/1.1", polls("wait", 300, server.http), one, server.http,
      "bare", 1.15 },
    { "poll of wait, unchanged, HTTP/2", polls("wait", 300, server.h2), one, server.h2, "bare",
      1.15 },
    { "poll of wait_all, unchanged, HTTP/1.1", polls("wait_all", 300, server.http), one,
      server.http, "bare", 1.15 },
  }
end

--- Keeps this process, and those that it starts from now on, on the processor on which it runs.
local function share_one_processor()
  local pin = [[taskset -cp "$(ps -o psr= -p $PPID | tr -d ' ')" $PPID >/dev/null 2>&1; echo $?]]
  if shell.output_of(pin) ~= "0" then skip "there is no taskset, or no processor to keep to" end
end

local function count_all()
  share_one_processor()
  local server = require("spec.bench.server").start()
  local counted, programs = {}, {}
  local function add(name, command, ours_alone)
    local counts = assert(measure.between_marks(command, COUNTED), "cannot count: " .. name)
    if not ours_alone then counted[#counted + 1] = { name = name, count = counts.all } end
    counted[#counted + 1] = { name = name .. ", in core.so", count = counts["core.so"] }
    return counts.all
  end
  local function compare(name, command, mode, url, which, limit)
    local key = which .. mode .. url
    local file = which == "bare" and "libcurl" or which
    programs[key] = programs[key] or count_program(file, mode, url, server)
    local number = tonumber(command:match "polls.lua %S+ (%d+)")
    local counts = assert(measure.between_marks(command, number), "cannot count: " .. name)
    counted[#counted + 1] = { name = name, count = counts.all, of = programs[key], limit = limit,
      which = which }
  end
  add("decode pending.json", LUA .. " -e " .. shell.quote(DECODE))
  for _, row in ipairs(against_programs(server)) do compare((table.unpack or unpack)(row)) end
  -- libcurl looks at all that is in flight on a connection whenever something comes
  local alone = add("query beside none in flight, HTTP/2", step(server, "flight", 0, server.h2))
  add("query beside 10 in flight, HTTP/2", step(server, "flight", 10, server.h2), true)
  add("query beside 100 in flight, HTTP/2", step(server, "flight", 100, server.h2))
  local beside = counted[#counted - 1]
  beside.of, beside.limit, beside.which = alone, 1.4, "alone"
  add("query beside 100 paused, HTTP/2", step(server, "paused", 100, server.h2))
  server.stop()
  return counted
end

local function write_baseline(counted)
  local file = assert(io.open(BASELINE, "w"))
  file:write(versions(), "\n")
  for _, path in ipairs(counted) do
    file:write(("%8.0f  %s\n"):format(path.count, path.name))
  end
  file:close()
end

local made_with, baseline = read_baseline()
if arg[1] == "update" then
  write_baseline(count_all())
  os.exit(0)
end
if made_with ~= versions() then
  skip(("the baseline was made with\n  %s\nhere is\n  %s"):format(made_with, versions()))
end

local grown = 0
local OF = { floor = "a C program that makes the tables", bare = "a bare C program",
  alone = "one alone" }
local function compare(path)
  local name, count = path.name, path.count
  local known = baseline[name]
  local remarks = {}
  if not known then
    remarks[1] = "not in the baseline"
  elseif count > known * GROWTH then
    remarks[1], grown = "GROWN", grown + 1
  elseif count < known / GROWTH then
    remarks[1] = "less: update it"
  end
  if path.of then
    local ratio, limit = count / path.of, path.limit
    remarks[#remarks + 1] = ("%.3f of %s"):format(ratio, OF[path.which])
    if ratio > limit then remarks[#remarks + 1] = ("more than %.2f"):format(limit) end
  end
  print(("%-50s %9.0f %9.0f  %s"):format(name, count, known or 0, table.concat(remarks, ", ")))
end
print(("%-50s %9s %9s"):format("instructions of one", "now", "known"))
for _, path in ipairs(count_all()) do
  compare(path)
end
os.exit(grown == 0 and 0 or 1)

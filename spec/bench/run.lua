-- Compares sora with what a user would pick instead and with a bare C program on libcurl:
-- `make bench`. Peers that are not there are left out, with a line that says so.
--
--   run.lua [--only WORD] [--rounds N] [--page FILE] [--picture FILE]
--
-- Every row is measured in turns (measure.lua), N rounds (2) in each of three passes, each with a
-- server of its own, minutes apart: what else the machine did at one time is in one of them. Prints
-- a table in Markdown. A whole run writes it into FILE, between the lines "<!-- bench -->" and
-- "<!-- /bench -->", and draws the picture; --only writes nothing, so that no row of a page is of
-- another run.

package.path = "./?.lua;" .. package.path

local measure = require "spec.bench.measure"
local report = require "spec.bench.report"
local rows = require "spec.bench.rows"
local servers = require "spec.bench.server"

local PASSES = 3
local LUA = arg[-1]

local options = { rounds = 2 }
for i = 1, #arg, 2 do
  options[arg[i]:match "^%-%-(%a+)$" or error("unknown argument: " .. arg[i])] = arg[i + 1]
end

local function wanted(title) return not options.only or title:find(options.only, 1, true) end

local peers = rows.peers(LUA)
for name, peer in pairs(peers) do
  if not peer.there then io.stderr:write("left out, not installed: ", name, "\n") end
end

--- Counts the instructions of the row's participants.
local function count_instructions(row)
  for _, participant in ipairs(row.participants) do
    if participant.countable and measure.has_valgrind() then
      local counts = measure.instructions(participant.command, row.how.count[1], row.how.count[2])
      participant.instructions = counts and counts.all
    end
  end
end

--- One pass over all rows that are wanted; what it measures goes to `taken`, by title.
local function pass(taken, last)
  local server = servers.start()
  local list = rows.of(peers, server)
  for _, row in ipairs(list) do
    if wanted(row.title) then
      local commands, how = {}, row.how
      for i, participant in ipairs(row.participants) do commands[i] = participant.command end
      io.stderr:write("  ", row.title, "\n")
      taken[row.title] = measure.in_turns(commands,
        tonumber(options.rounds) * (how.twice and 2 or 1), how.short, how.long, taken[row.title])
      if last then count_instructions(row) end
    end
  end
  return server, list
end

local taken, server, list = {}, nil, nil
for i = 1, PASSES do
  io.stderr:write("pass ", i, " of ", PASSES, "\n")
  if server then server.stop() end
  server, list = pass(taken, i == PASSES)
end

report.head(measure.machine(), measure.versions(LUA), options.rounds, PASSES)
for _, row in ipairs(list) do
  if taken[row.title] then
    local costs = measure.costs(taken[row.title])
    for i, participant in ipairs(row.participants) do participant.cost = costs[i] end
    report.row(row)
  end
end
if wanted "steps" and measure.has_valgrind() then rows.steps(LUA, server, report.step) end
if wanted "require" then
  report.line("require \"sora\" above loading libcurl, ms", rows.require_cost(LUA), 0.5)
end
server.stop()
report.write(not options.only and options.page or nil)
if options.picture and not options.only then report.picture(options.picture) end

-- Times the decoder and the encoder beside all the others that this Lua finds: `make bench-decode`.
-- Prints medians as ratios to lua-cjson, taken in turns, and before that checks that all decoders
-- gave the same. That is not asked of encoders: the others write 14 digits of a number.
-- Where there is valgrind it counts the instructions of one pending.json as well,
-- for lua-cjson and sora.
-- Usage: lua spec/bench/decode.lua [PORTABLE]: the module built without SIMD, to be timed as well.

package.path = "./?.lua;" .. package.path

local core = require "sora.core"
local equal = require("spec.support.random_json").equal
local output_of = require("spec.support.shell").output_of

local ROUNDS = 9
local COUNTED = { 100, 200 }

--- In a process of its own, under callgrind: decodes so often, without garbage collection.
if arg[1] == "count" then
  local decode = require(arg[2]).decode
  local text = require("spec.bench.documents").task()
  collectgarbage "stop"
  for _ = 1, tonumber(arg[3]) do
    decode(text)
  end
  os.exit(0) -- without freeing what there is
end

--- Every decoder that can be required: lua-cjson, which the ratios refer to, first.
local function decoders()
  local list = {}
  local function add(name, module, decode, null)
    local found, m = pcall(require, module)
    if found then
      list[#list + 1] = { name = name, module = module, work = decode(m), null = null(m) }
    end
  end
  local function field(name)
    return function(m)
      return m[name]
    end
  end
  add("lua-cjson", "cjson", field "decode", field "null")
  add("sora", "sora.core", field "decode", field "null")
  if arg[1] then
    local portable = assert(package.loadlib(arg[1], "luaopen_sora_core"))()
    list[#list + 1] = { name = "sora, no SIMD", work = portable.decode, null = portable.null }
  end
  add("lua-simdjson", "simdjson", field "parse", field "null")
  add("lua-rapidjson", "rapidjson", field "decode", field "null")
  add("lunajson", "lunajson", field "decode", function() end)
  add("dkjson", "dkjson", field "decode", function() end)
  return list
end

--- Every encoder that can be required, lua-cjson first. Only ours sorts the names.
local function encoders()
  local list = {}
  for _, place in ipairs {
    { "lua-cjson", "cjson" }, { "sora", "sora.core" }, { "lua-rapidjson", "rapidjson" },
    { "lunajson", "lunajson" }, { "dkjson", "dkjson" },
  } do
    local found, m = pcall(require, place[2])
    if found then list[#list + 1] = { name = place[1], work = m.encode } end
  end
  return list
end

--- Fails unless all decoders make the same of the text. Only ours has to be told to keep nulls.
local function check(list, document)
  for _, decoder in ipairs(list) do
    local null = decoder.null ~= nil and { null = decoder.null } or nil
    local value
    if decoder.name:find "^sora" then
      value = decoder.work(document.text, null)
    else
      value = decoder.work(document.text)
    end
    assert(equal(core.decode(document.text, null), value),
      decoder.name .. " differs on " .. document.name)
  end
end

local function seconds(work, argument, times)
  collectgarbage()
  local start = os.clock()
  for _ = 1, times do
    work(argument)
  end
  return (os.clock() - start) / times
end

--- The median time of each decoder or encoder, in the order of the list.
local function medians(list, argument, times)
  local taken = {}
  for round = 1, ROUNDS do
    for i, one in ipairs(list) do
      taken[i] = taken[i] or {}
      taken[i][round] = seconds(one.work, argument, times)
    end
  end
  for i = 1, #list do
    table.sort(taken[i])
    taken[i] = taken[i][math.ceil(ROUNDS / 2)]
  end
  return taken
end

local function row(cells)
  for i = 2, #cells do
    cells[i] = ("%19s"):format(cells[i])
  end
  print(("%-26s%s"):format(cells[1], table.concat(cells, "", 2)))
end

local function count_instructions(module)
  local totals = {}
  for i, times in ipairs(COUNTED) do
    local report = output_of(("valgrind --tool=callgrind --callgrind-out-file=/dev/null %s %s " ..
      "count %s %d 2>&1"):format(arg[-1], arg[0], module, times))
    totals[i] = tonumber(report:match "Collected : (%d+)")
  end
  return totals[2] and (totals[2] - totals[1]) / (COUNTED[2] - COUNTED[1])
end

local function names(title, list)
  local cells = { title }
  for i, one in ipairs(list) do cells[i + 1] = one.name end
  row(cells)
end

local function report(list, document, argument)
  local cells, times = { document.name }, medians(list, argument, document.times)
  for i in ipairs(list) do
    cells[i + 1] = ("%.2f %7.4g us"):format(times[i] / times[1], times[i] * 1e6)
  end
  row(cells)
end

local list, documents = decoders(), require("spec.bench.documents").all()
local machine = output_of "grep -m1 'model name' /proc/cpuinfo 2>/dev/null | sed 's/.*: //'"
print(("%s, %s, %s"):format(output_of "uname -sm", machine, jit and jit.version or _VERSION))
print(("medians of %d, ratio to %s and time"):format(ROUNDS, list[1].name))
names("decoding", list)
for _, document in ipairs(documents) do
  check(list, document)
  report(list, document, document.text)
end
if output_of "command -v valgrind" ~= "" then
  local cells = { "instructions, pending.json" }
  for i = 1, 2 do
    local count = count_instructions(list[i].module)
    cells[i + 1] = count and ("%.0f"):format(count) or "-"
  end
  row(cells)
end

print()
local writers = encoders()
names("encoding", writers)
for _, document in ipairs(documents) do
  local value = core.decode(document.text)
  assert(equal(value, core.decode(core.encode(value))), document.name)
  report(writers, document, value)
end

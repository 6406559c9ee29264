--- What commands cost: taken in turns, so that what else the machine does meets all of them, and
-- medians of several rounds.

local output_of = require("spec.support.shell").output_of

local M = {}

---@param values number[]
---@return number
function M.median(values)
  local sorted = {}
  for i, value in ipairs(values) do sorted[i] = value end
  table.sort(sorted)
  local middle = (#sorted + 1) / 2
  return (sorted[math.floor(middle)] + sorted[math.ceil(middle)]) / 2
end

--- Runs a command once.
---@param command string
---@return table? cost  cpu, wall in seconds, peak in KiB; nil when it failed
function M.run(command)
  local said = output_of(("timeout 120 build/bench/measure %s 2>>build/bench/errors")
    :format(command))
  local user, system, wall, peak = said:match "^(%S+) (%S+) (%S+) (%d+)$"
  if not user then return nil end
  return { cpu = user + system, wall = tonumber(wall), peak = tonumber(peak) }
end

local function difference(long, short, count)
  return {
    cpu = (long.cpu - short.cpu) / count, wall = (long.wall - short.wall) / count,
    peak = (long.peak - short.peak) / count,
  }
end

--- Measures commands in turns. Each is called with a count of queries; what is told is the cost of
-- one query: the difference of two counts, so that the start of the program is left out. With only
-- one count it is that of the whole program.
---@param commands (fun(count: integer): string)[]
---@param rounds integer
---@param short integer?  the lesser count
---@param long integer
---@param taken table?  what was measured before, of the same commands
---@return table taken  for each command: the values of all rounds, by what they are; `failed`
function M.in_turns(commands, rounds, short, long, taken)
  taken = taken or {}
  for _ = 1, rounds do
    local first
    for i, command in ipairs(commands) do
      taken[i] = taken[i] or { cpu = {}, wall = {}, peak = {}, cpu_ratio = {}, wall_ratio = {} }
      local cost = not taken[i].failed and M.run(command(long))
      if cost and short then
        local start = M.run(command(short))
        cost = start and difference(cost, start, long - short)
      end
      first = first or cost
      if cost and first then
        cost.cpu_ratio, cost.wall_ratio = cost.cpu / first.cpu, cost.wall / first.wall
      end
      for key, value in pairs(cost or {}) do table.insert(taken[i][key], value) end
      taken[i].failed = not cost
    end
  end
  return taken
end

--- What a command cost: medians, and of ratios, each of them between two commands of one round,
-- the least and the greatest.
---@param taken table
---@return (table|false)[] costs  cpu, wall, peak, cpu_ratio, wall_ratio, low and high of either
---   ratio (cpu_ratio_low, …); false for a command that failed
function M.costs(taken)
  local costs = {}
  for i, of in ipairs(taken) do
    costs[i] = not of.failed and {}
    for key, values in pairs(costs[i] and of or {}) do
      if type(values) == "table" then
        costs[i][key] = M.median(values)
        costs[i][key .. "_low"] = math.min((table.unpack or unpack)(values))
        costs[i][key .. "_high"] = math.max((table.unpack or unpack)(values))
      end
    end
  end
  return costs
end

--- Adds up what callgrind wrote.
local function read_counts(file)
  local counts, object, names, called = { all = 0 }, "?", {}, false
  for line in io.lines(file) do
    local number, given = line:match "^ob=%((%d+)%)%s?(.*)$"
    if number then
      if given ~= "" then names[number] = given:match "[^/]*$" end
      object = names[number]
    elseif line:find "^cob=" then
      number, given = line:match "^cob=%((%d+)%)%s?(.*)$"
      if given and given ~= "" then names[number] = given:match "[^/]*$" end
    elseif line:find "^calls=" then
      called = true -- the next line's cost is that of the called function
    else
      local cost = line:match "^[%d%+%-%*]%S* (%d+)$"
      if cost and not called then
        counts[object] = (counts[object] or 0) + cost
        counts.all = counts.all + cost
      end
      if cost then called = false end
    end
  end
  return counts
end

--- Runs a program under callgrind and gives the instructions of all parts that it wrote.
local function callgrind(command, options)
  local file = os.tmpname()
  output_of(("timeout 300 valgrind --tool=callgrind %s --callgrind-out-file=%s %s 2>&1")
    :format(options, file, command))
  local parts = {}
  for name in output_of(("ls %s %s.* 2>/dev/null"):format(file, file)):gmatch "%S+" do
    parts[#parts + 1] = read_counts(name)
    os.remove(name)
  end
  return parts
end

--- The instructions of one query: the difference of two counts of queries.
---@param command fun(count: integer): string
---@param short integer
---@param long integer
---@return table<string, number>? counts  by library, and `all`
function M.instructions(command, short, long)
  local less, more = callgrind(command(short), "")[1], callgrind(command(long), "")[1]
  if not less or not more or more.all == 0 then return nil end
  local counts = {}
  for object, count in pairs(more) do
    counts[object] = (count - (less[object] or 0)) / (long - short)
  end
  return counts
end

--- The instructions of what a program of Lua does between two calls of core.terminal.
---@param command string
---@param count integer  how often it does it
---@return table<string, number>? counts  of one, by library, and `all`
function M.between_marks(command, count)
  local part = callgrind(command, "--dump-before=terminal")[3]
  if not part then return nil end
  for object, instructions in pairs(part) do part[object] = instructions / count end
  return part
end

--- Whether there is valgrind.
---@return boolean
function M.has_valgrind() return output_of "command -v valgrind" ~= "" end

--- The processor and how many of it, where the system tells.
---@return string
function M.machine()
  local model = output_of "sed -n 's/^model name.*: //p' /proc/cpuinfo 2>/dev/null | head -n 1"
  return ("%s, %s processors"):format(model ~= "" and model or output_of "uname -sm",
    output_of "nproc 2>/dev/null || echo ?")
end

--- The versions that instruction counts depend on, one line each.
---@param lua string
---@return string[]
function M.versions(lua)
  local function first_line(command) return output_of(command .. " 2>&1 | head -n 1") end
  return {
    first_line(lua .. " -v"):match "^%S+ [%d.]+%S*" or lua,
    first_line "curl --version":match "libcurl.*" or "libcurl ?",
    first_line "ldd --version":gsub("^ldd ", "glibc "),
    first_line "cc --version",
    first_line "uname -m",
  }
end

return M

--- Prints what was measured as tables in Markdown, and as a picture.

local M = {}

local bars = {} -- of the picture: title, name, ratio

local function number(value) return (value < 10 and "%.2f" or value < 100 and "%.1f" or "%.0f")
  :format(value) end

--- A figure and its ratio to the first participant's.
local function cell(value, ratio) return ("%s (%.2f)"):format(number(value), ratio) end

---@param machine string
---@param versions string[]
---@param rounds integer
function M.head(machine, versions, rounds)
  print("- " .. machine)
  for _, line in ipairs(versions) do print("- " .. line) end
  print(("- medians of %s rounds; in brackets the median of each round's ratio to the first line "
    .. "of a block\n"):format(rounds))
  print "| | | CPU, µs | wall, µs | instructions, thousands | goal |"
  print "|---|---|---:|---:|---:|---|"
end

local function goal(how)
  local parts = {}
  if how.cpu then parts[#parts + 1] = ("CPU ≤ %.2f"):format(how.cpu) end
  if how.wall then parts[#parts + 1] = ("wall ≤ %.2f"):format(how.wall) end
  if how.kib then parts[#parts + 1] = ("≤ %d KiB"):format(how.kib) end
  return table.concat(parts, ", ")
end

--- A block: the participants, with `cost` and, where counted, `instructions`.
---@param row table
function M.row(row)
  local first, how = nil, row.how
  local scale = 1e6 / (how.per or 1)
  for i, participant in ipairs(row.participants) do
    local cost = participant.cost
    first = first or participant
    local counted = participant.instructions and first.instructions
    local title = i == 1 and row.title or ""
    if not cost then
      print(("| %s | %s | failed | | | |"):format(title, participant.name))
    elseif how.kib then
      print(("| %s | %s | %.1f KiB | | | %s |"):format(title, participant.name, cost.peak,
        participant.name == "sora" and goal(how) or ""))
    else
      print(("| %s | %s | %s | %s | %s | %s |"):format(title, participant.name,
        cell(cost.cpu * scale, cost.cpu_ratio), cell(cost.wall * scale, cost.wall_ratio),
        counted and cell(participant.instructions / 1e3, participant.instructions / counted) or "",
        participant.name == "sora" and goal(how) or ""))
      bars[#bars + 1] = { title = title, name = participant.name, ratio = cost.cpu_ratio }
    end
  end
end

local LIBRARIES = { ["core.so"] = "sora", ["libcurl"] = "libcurl" }

local function part(counts, library)
  local sum = 0
  for object, count in pairs(counts) do
    if object:find(library, 1, true) == 1 then sum = sum + count end
  end
  return sum / 1000
end

--- The cost of a query beside few and beside many others, by library.
---@param title string
---@param few table<string, number>
---@param many table<string, number>
function M.step(title, few, many)
  for library, name in pairs(LIBRARIES) do
    local a, b = part(few, library), part(many, library)
    print(("| a query beside %s | instructions in %s | | | %s beside ten, %s (%.2f) | %s |"):format(
      title, name, number(a), number(b), b / a, name == "sora" and "0.9 to 1.1" or ""))
  end
end

---@param title string
---@param value number
---@param limit number
function M.line(title, value, limit)
  print(("| %s | sora | %.2f | | | ≤ %s |"):format(title, value, limit))
end

local function escape(text) return (text:gsub("&", "&amp;"):gsub("<", "&lt;")) end

--- Draws the ratios of CPU time as bars.
---@param path string
function M.picture(path)
  local WIDTH, LEFT, STEP, SCALE, LONGEST = 760, 300, 18, 110, 400
  local lines, y = {}, 28
  local function add(format, ...) lines[#lines + 1] = format:format(...) end
  for _, bar in ipairs(bars) do
    if bar.title ~= "" then
      y = y + STEP + 6
      add('<text x="8" y="%d" class="title">%s</text>', y, escape(bar.title))
    end
    y = y + STEP
    local length = math.min(LONGEST, bar.ratio * SCALE)
    add('<text x="%d" y="%d" text-anchor="end">%s</text>', LEFT - 8, y, escape(bar.name))
    add('<rect x="%d" y="%d" width="%.0f" height="12" class="%s"/>', LEFT, y - 11, length,
      bar.name == "sora" and "ours" or "other")
    add('<text x="%.0f" y="%d">%.2f</text>', LEFT + length + 6, y, bar.ratio)
  end
  local file = assert(io.open(path, "w"))
  file:write(([[
<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d"
  font-family="sans-serif" font-size="12">
<style>
.title { font-weight: bold } .ours { fill: #2a6fdb } .other { fill: #b4b9c2 }
</style>
<rect width="100%%" height="100%%" fill="white"/>
<text x="8" y="20">CPU time of a query; the first line of each block is 1, less is better</text>
%s
</svg>
]]):format(WIDTH, y + STEP, table.concat(lines, "\n")))
  file:close()
end

return M

--- Tells what was measured: a table in Markdown, on standard output and in a page, and a picture.

local M = {}

local lines = {} -- of the table

local function tell(format, ...)
  local line = select("#", ...) > 0 and format:format(...) or format
  lines[#lines + 1] = line
  print(line)
end

local bars = {} -- of the picture: title, name, ratio

--- With three digits at least.
local function number(value)
  if value < 10 then return ("%.2f"):format(value) end
  return (value < 100 and "%.1f" or "%.0f"):format(value)
end

--- A figure and its ratio to the first participant's; `low` and `high`: of single rounds.
local function cell(value, ratio, low, high)
  local spread = low and low ~= high and (", %.2f–%.2f"):format(low, high) or ""
  return ("%s (%.2f%s)"):format(number(value), ratio, spread)
end

---@param machine string
---@param versions string[]
---@param rounds integer
---@param passes integer
function M.head(machine, versions, rounds, passes)
  tell("- %s", machine)
  for _, line in ipairs(versions) do tell("- %s", line) end
  tell("- %s", os.date "!%Y-%m-%d")
  tell("- medians of %d rounds, %d in each of %d passes with processes of their own; in brackets "
    .. "the median of each round's ratio to the first line of a block, and the least and the "
    .. "greatest", rounds * passes, rounds, passes)
  tell ""
  tell "| | | CPU, µs | wall, µs | instructions, thousands | goal |"
  tell "|---|---|---:|---:|---:|---|"
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
      tell("| %s | %s | failed | | | |", title, participant.name)
    elseif how.kib then
      tell("| %s | %s | %.1f KiB | | | %s |", title, participant.name, cost.peak,
        participant.ours and goal(how) or "")
    else
      tell("| %s | %s | %s | %s | %s | %s |", title, participant.name,
        cell(cost.cpu * scale, cost.cpu_ratio, cost.cpu_ratio_low, cost.cpu_ratio_high),
        cell(cost.wall * scale, cost.wall_ratio, cost.wall_ratio_low, cost.wall_ratio_high),
        counted and cell(participant.instructions / 1e3, participant.instructions / counted) or "",
        participant.ours and goal(how) or "")
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
    tell("| a query beside %s | instructions in %s | | | %s beside ten, %s (%.2f) | %s |", title,
      name, number(a), number(b), b / a, name == "sora" and "0.9 to 1.1" or "")
  end
end

---@param title string
---@param value number
---@param limit number
function M.line(title, value, limit)
  tell("| %s | sora | %.2f | | | ≤ %s |", title, value, limit)
end

--- Puts the table into a page, in the place of the one before.
---@param path string?
function M.write(path)
  if not path then return end
  local file = assert(io.open(path))
  local page = file:read "*a"
  file:close()
  local head, tail = page:match "^(.-<!%-%- bench %-%->\n).*(<!%-%- /bench %-%->.*)$"
  assert(head, path .. " has no place for the table")
  file = assert(io.open(path, "w"))
  file:write(head, table.concat(lines, "\n"), "\n", tail)
  file:close()
end

local function escape(text) return (text:gsub("&", "&amp;"):gsub("<", "&lt;")) end

--- Draws the ratios of CPU time as bars.
---@param path string
function M.picture(path)
  local WIDTH, LEFT, STEP, SCALE, LONGEST = 760, 300, 18, 110, 400
  local drawn, y = {}, 28
  local function add(format, ...) drawn[#drawn + 1] = format:format(...) end
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
]]):format(WIDTH, y + STEP, table.concat(drawn, "\n")))
  file:close()
end

return M

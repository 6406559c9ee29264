--- Progress for people: callbacks for `on_update`, `on_progress` and `on_result` that write to a
-- terminal or, where the stream is none, plain lines.
--
-- On a terminal one line is redrawn in place, and ended when what it shows has ended; elsewhere a
-- line is written when a status changes or another tenth is done. Who prints something of his own
-- meanwhile does so through `bar.print`, or after `bar.finish`: then it begins on a clean line.
-- Knows nothing of waiting and transfers. The clock and the size of the terminal are handed in.

local core = require "sora.core"
local display = require "sora.terminal.display"
local screens = require "sora.terminal.screen"
local task = require "sora.answers.task"

local M = {}

local NARROWEST = 12  -- columns below which a bar is left out
local WIDEST = 32     -- columns of the longest bar
local NAME = 10       -- columns that a name gets before the word, and then the times, do
local CUT_ID = 20     -- columns that an id keeps when it is cut to make room for the bar

local OPTIONS = {
  stream = "file", quiet = "boolean", width = "number", tasks = "number", label = "string",
  terminal = "boolean",
}

local function check(opts, level)
  if type(opts) ~= "table" then
    error(("options must be a table, not a %s"):format(type(opts)), level)
  end
  for name, value in pairs(opts) do
    local expected = OPTIONS[name]
    if not expected then error(("unknown option '%s'"):format(tostring(name)), level) end
    if expected ~= "file" and type(value) ~= expected then
      error(("option '%s': %s expected, got %s"):format(name, expected, type(value)), level)
    end
  end
end

-- Lines

---@class sora.line
---@field subject string  what the line is about
---@field key any  the line is new when this changes
---@field name string
---@field short string?  instead of the name where that does not fit
---@field keep_end boolean?  cut the name at its start
---@field word string?
---@field fraction number?  0..1
---@field times string
---@field mark string?  what of the line is coloured, as befits `class`
---@field class sora.status?
---@field final boolean?  the last of its line

local function percentage(fraction)
  return fraction and ("%d %%"):format(math.floor(fraction * 100 + 1e-6)) or ""
end

local function tenth(fraction) return fraction and math.floor(fraction * 10 + 1e-6) or "" end

local function elapsed_and_left(elapsed, left)
  local text = display.duration(elapsed)
  return left and text .. ", " .. display.duration(left) .. " left" or text
end

local function join(parts, separator)
  local filled = {}
  for _, part in ipairs(parts) do
    if part ~= "" then filled[#filled + 1] = part end
  end
  return table.concat(filled, separator)
end

local function plain(line)
  local text = join({ line.name, line.word or "", percentage(line.fraction) }, " ")
  return text .. " (" .. line.times .. ")"
end

--- Lays a line out in so many columns. What there is no room for is left out, in this order: the
-- beginning of a long id, the bar, the word, the times. Then the short name takes the place of the
-- name, and at last that is cut.
local function lay_out(screen, line, columns)
  local percent, word, times = percentage(line.fraction), line.word or "", line.times
  if percent ~= "" then percent = (" "):rep(5 - #percent) .. percent end
  local function room()
    local others = join({ word, percent, times }, "  ")
    return columns - (others == "" and 0 or display.width(others) + 2)
  end
  local name = line.name
  local wanted = line.short and display.width(line.short) or math.min(NAME, display.width(name))
  if room() < wanted and percent ~= "" then word = "" end
  if room() < wanted then times = "" end
  if line.short and display.width(name) > room() then name = line.short end
  local beside_bar = room() - NARROWEST - 2
  local most = line.fraction and line.keep_end and beside_bar >= CUT_ID and beside_bar or room()
  name = display.cut(name, math.max(1, most), screen:ellipsis(), line.keep_end)
  local bar, left = "", room() - display.width(name) - 2
  if line.fraction and left >= NARROWEST then
    bar = display.bar(line.fraction, math.min(WIDEST, left), screen.unicode)
  end
  return join({ name, word, bar, percent, times }, "  ")
end

local function show(screen, line)
  if not line.final and not screen:is_due(line.subject, line.key) then return end
  if screen.terminal then
    screen:draw(lay_out(screen, line, screen:width()), line.mark, line.class)
  else
    screen:print(plain(line))
  end
  if line.final then screen:close() end
end

-- What the lines say

--- The task that has changed last. One line for all of them: only a task's end leaves its line.
local function task_callbacks(screen, opts)
  local started, shown = {}, nil   -- id -> when it was seen first; the id whose line is drawn

  local function on_update(answer, info)
    local id = core.plain(task.id(answer) or "task", 80)
    started[id], shown = started[id] or screen.now(), info and info.id or id
    local class = task.status(answer)
    local final = class ~= "running"
    local word = core.plain(task.word(answer) or class, 40)
    local fraction = class == "succeeded" and 1 or task.progress(answer)
    local left = info and not final and info.eta or nil
    show(screen, {
      subject = id, key = word .. tenth(fraction),
      name = opts.label or id, keep_end = not opts.label, word = word, fraction = fraction,
      times = elapsed_and_left(info and info.elapsed or screen.now() - started[id], left),
      mark = word, class = class, final = final,
    })
    if final then started[id] = nil end
  end

  return on_update, function(id)
    if id == shown then screen:close() end
  end
end

--- Many tasks, summed up.
local function summary_callbacks(screen, opts)
  local started, tasks, done, failed = screen.now(), opts.tasks, 0, 0
  local prefix = opts.label and opts.label .. " " or ""

  local function show_summary()
    local ended, elapsed = done + failed, screen.now() - started
    local failures = failed .. " failed"
    local left = ended > 1 and ended < tasks and elapsed / ended * (tasks - ended) or nil
    show(screen, {
      subject = "all", key = math.floor(ended / tasks * 10),
      name = ("%s%d/%d done, %s, %d running")
        :format(prefix, done, tasks, failures, tasks - ended),
      short = ("%d/%d, %s"):format(done, tasks, failures),
      fraction = ended / tasks, times = elapsed_and_left(elapsed, left),
      mark = failures, class = failed > 0 and "failed" or nil, final = ended == tasks,
    })
  end

  local function on_update()
    if done + failed < tasks then show_summary() end
  end

  return on_update, function(_, _, err)
    if err then failed = failed + 1 else done = done + 1 end
    show_summary()
  end
end

local function transfer_callback(screen, opts)
  local started, first, marked_at, marked, rate = nil, nil, nil, nil, nil

  return function(received, total)
    local now = screen.now()
    if not started or received < marked then
      started, first, marked_at, marked, rate = now, received, now, received, nil
    end
    if now - marked_at >= 0.5 then
      local latest = (received - marked) / (now - marked_at)
      rate = rate and rate * 0.7 + latest * 0.3 or latest
      marked_at, marked = now, received
    end
    local final = total ~= nil and received >= total
    local fraction = final and 1 or total and received / total
    local speed, left, word = rate, nil, display.size(received)
    if final then
      speed = now > started and (received - first) / (now - started) or nil
    elseif total then
      word = word .. " of " .. display.size(total)
      left = rate and rate > 0 and (total - received) / rate or nil
    end
    if speed then word = word .. ", " .. display.size(speed) .. "/s" end
    show(screen, {
      -- of unknown length: a plain line at each doubling
      subject = "transfer",
      key = fraction and tenth(fraction) or math.floor(math.log(received + 1) / math.log(2)),
      name = opts.label or "download", word = word, fraction = fraction,
      times = elapsed_and_left(now - started, left), final = final,
    })
    if final then started = nil end
  end
end

local function nothing() end

--- Makes the constructor of progress bars for a host.
---@param host table  `now()`: seconds of a monotonic clock; `terminal(fd)`: the columns of a
---   terminal, nil where the descriptor is none; `level` at which misuse is raised, 3 by default
---@return fun(opts: table?): sora.progress_bar
function M.bind(host)
  --- sora.progress_bar(opts): see api.lua, and types.lua for the options and for what it returns.
  return function(opts)
    opts = opts or {}
    check(opts, host.level or 3)
    local screen = screens.new(opts, host)
    ---@type sora.progress_bar
    local bar = {
      print = function(text, stream) screen:print(text, stream) end,
      columns = function() return screen.terminal and screen:width() or nil end,
      finish = function() screen:close() end,
    }
    if opts.quiet then
      bar.on_update, bar.on_result, bar.on_progress = nothing, nothing, nothing
    else
      local callbacks = opts.tasks and summary_callbacks or task_callbacks
      bar.on_update, bar.on_result = callbacks(screen, opts)
      bar.on_progress = transfer_callback(screen, opts)
    end
    return setmetatable(bar, { __close = bar.finish, __name = "sora.progress_bar" })
  end
end

return M

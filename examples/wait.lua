-- Waits for one task and downloads its video. `--help` tells more.

package.path = (arg[0]:match "^.*/" or "./") .. "?.lua;" .. package.path

local sora = require "sora"
local tool = require "tool"

local USAGE = [[
Usage: lua wait.lua [options] ID

Waits until a task has ended, prints it, downloads its video and checks that it is an MP4.

  --out FILE      where the video goes (default: the id, as NAME.mp4, in this folder)
  --timeout N     seconds to wait for the task at most (default 1800)
  --interval N    seconds before the second poll (default 5); later pauses grow, up to 30
  --json          print the task as JSON, with all that the service sent
  --ca-file FILE  trust the authorities in this file (PEM) instead of the system's
  --quiet         print nothing but errors (and the JSON, with --json)
  --help          print this

The key comes from $SORA_API_KEY, the service from $SORA_BASE_URL, where it is set.
Exit status: 0 the video is here, 1 the task failed or was cancelled, 2 the time ran out,
3 another error, 64 a mistake in the command line, 130 Ctrl-C.
]]

local options, ids, misuse = tool.options(USAGE, {
  out = "text", timeout = "number", interval = "number", json = "flag", ["ca-file"] = "text",
  quiet = "flag",
})
local id = ids[1]
if #ids ~= 1 or id == "" then misuse "one task id expected" end
if options.out == "-" or options.out == "" then
  misuse "--out needs a file: an interrupted download is resumed from it"
end

-- The task as a person reads it -------------------------------------------------------------------

--- The first of these fields ("a.b") that says something.
local function field(task, ...)
  for _, place in ipairs { ... } do
    local value = task
    for name in place:gmatch "[^.]+" do value = type(value) == "table" and value[name] or nil end
    if type(value) == "number" or type(value) == "string" and value:find "%S" then return value end
  end
end

--- Seconds since 1970 in UTC of a day and a time of day (days: Hinnant, "civil from days").
local function utc(year, month, day, hour, minute, second)
  if month <= 2 then year, month = year - 1, month + 12 end
  local century = math.floor(year / 100)
  local days = math.floor(365.25 * year) - century + math.floor(century / 4)
    + math.floor(30.6 * (month - 3) + 0.5) + day - 719469
  return ((days * 24 + hour) * 60 + minute) * 60 + second
end

--- A time of the service (seconds, milliseconds or ISO 8601 in UTC) by the clock of this machine.
local function clock(value)
  local time = tonumber(value)
  if type(value) == "string" and not time then
    local parts = { value:match "^(%d%d%d%d)-(%d%d)-(%d%d)[T ](%d%d):(%d%d):(%d%d)" }
    for i, part in ipairs(parts) do parts[i] = tonumber(part) end
    time = #parts == 6 and utc(parts[1], parts[2], parts[3], parts[4], parts[5], parts[6]) or nil
  end
  if not time or time <= 0 then return nil end
  if time > 1e11 then time = time / 1000 end
  return os.date("%Y-%m-%d %H:%M:%S", math.floor(time))
end

local function size(task)
  local width, height = field(task, "width"), field(task, "height")
  if width and height then return ("%s x %s"):format(width, height) end
  return field(task, "size", "detail.input.size")
end

local function describe(task)
  local seconds = field(task, "seconds", "duration")
  local lines = {
    { "Task", id },
    { "Status", field(task, "status") or sora.status(task) },
    { "Reason", sora.failure(task) },
    { "Model", field(task, "model", "detail.input.model", "detail.pending_info.model") },
    { "Size", size(task) },
    { "Length", seconds and seconds .. " s" },
    { "Prompt", field(task, "detail.input.prompt", "prompt") },
    { "Created", clock(field(task, "created_at", "detail.pending_info.created_at")) },
    { "Updated", clock(field(task, "completed_at", "status_update_time")) },
  }
  for _, line in ipairs(lines) do
    local name, value = line[1], line[2]
    if value then print(("%-9s %s"):format(name, tool.plain(value))) end
  end
end

-- The main job ------------------------------------------------------------------------------------

local bar = sora.progress_bar { quiet = options.quiet }

local function show(task)
  bar.finish()
  if options.json then
    print(assert(sora.encode(task)))
  elseif not options.quiet then
    describe(task)
  end
end

local function fail(err)
  bar.finish()
  if err.task and (err.kind == "failed" or err.kind == "cancelled") then show(err.task) end
  tool.complain(err)
  if err.status == 401 and not os.getenv "SORA_API_KEY" then
    tool.complain "the service wants a key: set SORA_API_KEY"
  elseif err.kind == "timeout" then
    tool.complain "run it again to go on waiting"
  end
  return tool.exit_code(err)
end

tool.run(function()
  local client = sora.client {
    ca_file = options["ca-file"], null = options.json and sora.null or nil,
  }
  local task, err = client:wait(id, {
    timeout = options.timeout, interval = options.interval, on_update = bar.on_update,
  })
  if not task then return fail(err) end
  show(task)

  local path = options.out or tool.file_name(id)
  local bytes
  bytes, err = client:download(task, path, { on_progress = bar.on_progress })
  if not bytes then return fail(err) end
  bar.finish()
  local video, reason = tool.accept_video(path)
  if not video then
    tool.complain(reason)
    return tool.EXIT.error
  end
  if not options.quiet and not options.json then
    local length = video.seconds and ("%.1f s, "):format(video.seconds) or ""
    print(("%-9s %s (%s%s)"):format("Video", path, length, tool.size(video.bytes)))
  end
  return tool.EXIT.ok
end, function()
  bar.finish()
  tool.complain "interrupted; run it again to go on"
end)

-- Waits for many tasks and downloads their videos, meanwhile. `--help` tells more.

package.path = (arg[0]:match "^.*/" or "./") .. "?.lua;" .. package.path

local sora = require "sora"
local tool = require "tool"

local USAGE = [[
Usage: lua wait_all.lua [options] [FILE]

Reads task ids from FILE or standard input, one a line, and downloads each video as soon as it is
made. A video that is already here is not asked about again: after Ctrl-C or an error, the same
command goes on where this one stopped. Empty lines and lines that begin with # are skipped.

  --dir DIR        where the videos go, a folder that exists (default: this one)
  --timeout N      seconds to wait for all tasks together at most (default 1800)
  --interval N     seconds between two polls of a task at first (default 5)
  --concurrency N  queries in flight at once (default 100)
  --downloads N    downloads at once (default 4)
  --ca-file FILE   trust the authorities in this file (PEM) instead of the system's
  --quiet          no progress; the lines at the end are printed all the same
  --help           print this

The key comes from $SORA_API_KEY, the service from $SORA_BASE_URL, where it is set.
At the end a line for each id says how it went: saved, here (already), failed, timeout, error.
Exit status: 0 all videos are here, 1 a task failed or was cancelled, 2 the time ran out, 3 another
error (the highest of those that occurred), 64 a mistake in the command line, 130 Ctrl-C.
]]

local options, files, misuse = tool.options(USAGE, {
  dir = "text", timeout = "number", interval = "number", concurrency = "count",
  downloads = "count", ["ca-file"] = "text", quiet = "flag",
})
if #files > 1 then misuse "one file of ids expected" end

local function read_ids(name)
  local file = name and (io.open(name) or misuse("cannot read " .. name)) or io.stdin
  local ids, seen = {}, {}
  for line in file:lines() do
    local id = line:match "^%s*(.-)%s*$"
    if id ~= "" and id:sub(1, 1) ~= "#" and not seen[id] then
      seen[id] = true
      ids[#ids + 1] = id
    end
  end
  return ids
end

local function path_of(id)
  local dir = options.dir and options.dir:gsub("/*$", "/") or ""
  return dir .. tool.file_name(id)
end

--- What became of an id: { word, exit code, rest of its line }; nil while that is open.
local outcome = {}

local ids, missing = read_ids(files[1]), {}
for _, id in ipairs(ids) do
  local video = tool.check_video(path_of(id))
  if video then
    outcome[id] = { "here", tool.EXIT.ok, path_of(id) }
  else
    missing[#missing + 1] = id
  end
end

local client = sora.client { ca_file = options["ca-file"] }
local bar = sora.progress_bar { quiet = options.quiet, tasks = #missing }

local function settle(id, task, err, path)
  local video, reason = nil, nil
  if not err then video, reason = tool.accept_video(path) end
  if video then
    outcome[id] = { "saved", tool.EXIT.ok, ("%s (%s)"):format(path, tool.size(video.bytes)) }
    return bar.on_result(id, task)
  end
  err = err or { kind = "io", message = reason }
  bar.on_result(id, nil, err)
  local word = ({ failed = "failed", cancelled = "failed", timeout = "timeout" })[err.kind]
  reason = err.task and sora.failure(err.task) or err.message
  outcome[id] = { word or "error", tool.exit_code(err), tool.plain(reason) }
end

--- Prints a line for each id, and returns the exit code of it all.
local function report()
  bar.finish()
  local exit = tool.EXIT.ok
  for _, id in ipairs(ids) do
    local how = outcome[id] or { "open", tool.EXIT.ok, "" }
    print(("%-8s %s  %s"):format(how[1], id, how[3]))
    exit = math.max(exit, how[2])
  end
  return exit
end

tool.run(function()
  client:wait_all(missing, {
    timeout = options.timeout, interval = options.interval, concurrency = options.concurrency,
    download = path_of, downloads = options.downloads,
    on_update = bar.on_update, on_result = settle,
  })
  return report()
end, function()
  report()
  tool.complain "interrupted; run it again to go on"
end)

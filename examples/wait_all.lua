-- Waits for many tasks and downloads their videos, meanwhile. `--help` tells more. That it does
-- several things at once is cqueues' doing.

package.path = (arg[0]:match "^.*/" or "./") .. "?.lua;" .. package.path

local cqueues = require "cqueues"
local sora = require "sora.cqueues"
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

local controller = cqueues.new()
local client = sora.client { ca_file = options["ca-file"] }
local bar = sora.progress_bar { quiet = options.quiet, tasks = #missing }

local function settle(id, task, err)
  bar.on_result(id, task, err)
  if not err then return end
  local word = ({ failed = "failed", cancelled = "failed", timeout = "timeout" })[err.kind]
  local reason = err.task and sora.failure(err.task) or err.message
  outcome[id] = { word or "error", tool.exit_code(err), tool.plain(reason) }
end

local function download(id, task)
  local path = path_of(id)
  local bytes, err = client:download(task, path)
  if not bytes then return settle(id, nil, err) end
  local video, reason = tool.accept_video(path)
  if not video then return settle(id, nil, { kind = "io", message = reason }) end
  outcome[id] = { "saved", tool.EXIT.ok, ("%s (%s)"):format(path, tool.size(video.bytes)) }
  settle(id, task)
end

-- The finished tasks whose videos wait for one of the downloaders.
local queue, downloaders = {}, 0

local function download_all()
  while #queue > 0 do
    local entry = table.remove(queue, 1)
    download(entry.id, entry.task)
  end
  downloaders = downloaders - 1
end

local function on_result(id, task, err)
  if err then return settle(id, task, err) end
  queue[#queue + 1] = { id = id, task = task }
  if downloaders < (options.downloads or 4) then
    downloaders = downloaders + 1
    controller:wrap(download_all)
  end
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
  controller:wrap(function()
    client:wait_all(missing, {
      timeout = options.timeout, interval = options.interval, concurrency = options.concurrency,
      on_update = bar.on_update, on_result = on_result,
    })
  end)
  assert(controller:loop())
  return report()
end, function()
  report()
  tool.complain "interrupted; run it again to go on"
end)

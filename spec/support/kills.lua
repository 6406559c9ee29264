-- Kills downloads with -9 at random moments, lets each go on, and compares what is there then.
--
--   lua spec/support/kills.lua COUNT URL FILE CA_FILE|- [SEED]
--
-- FILE holds the bytes that are at the URL. Prints how many were killed, how many downloads that
-- took, how many had left a part, how many bytes of parts there were, and how many files were right
-- in the end; fails unless all are.

local core = require "sora.core"
local files = require "spec.support.files"
local shell = require "spec.support.shell"
local sora = require "sora"
local unix = require("spec.support.helpers").load "unix"

local count, url, original, ca_file = tonumber(arg[1]), arg[2], arg[3], arg[4]
math.randomseed(tonumber(arg[5]) or os.time())

local folder = files.folder()
local path = folder .. "/video.mp4"
local opts = { ca_file = ca_file ~= "-" and ca_file or nil, base_url = "https://127.0.0.1:9" }

local function download() return sora.client(opts):download(url, path) end

--- Starts a download in a process of its own.
local function start()
  return unix.child(function() assert(download()) end)
end

local function size_of(name)
  return tonumber(shell.output_of("stat -c %s " .. shell.quote(name) .. " 2>/dev/null")) or 0
end

--- How long one takes.
local started = core.now()
assert(unix.wait(start()) == 0, "the download fails")
local seconds = core.now() - started

local killed, begun, parts, kept, right = 0, 0, 0, 0, 0
while killed < count and begun < 10 * count do
  os.remove(path)
  begun = begun + 1
  local pid = start()
  os.execute(("sleep %.4f; kill -9 %d"):format(math.random() * seconds, pid))
  if unix.wait(pid) == -9 then killed = killed + 1 end
  local part = size_of(path .. ".part")
  if part > 0 then parts = parts + 1 end
  kept = kept + part
  assert(download())
  local same = os.execute(("cmp -s %s %s"):format(shell.quote(path), shell.quote(original)))
  local left = size_of(path .. ".part") + size_of(path .. ".part.memo")
  if (same == true or same == 0) and left == 0 then right = right + 1 end
end
files.remove(folder)
print(("killed %d of %d, parts %d, bytes %.0f, right %d"):format(killed, begun, parts, kept, right))
os.exit(killed == count and right == begun and 0 or 1)

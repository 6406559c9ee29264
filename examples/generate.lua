-- From a prompt to a video file. `--help` tells more.

package.path = (arg[0]:match "^.*/" or "./") .. "?.lua;" .. package.path

local sora = require "sora"
local tool = require "tool"

local USAGE = [[
Usage: lua generate.lua [options] PROMPT

Starts a task, waits until it has ended and downloads its video. A task costs money: what was
started can be gone on with, by its id, with wait.lua.

  --model NAME    default sora-2
  --image FILE    a picture to begin with: a file or a URL
  --out FILE      where the video goes (default: the id, as NAME.mp4, in this folder)
  --timeout N     seconds to wait for the task at most (default 1800)
  --interval N    seconds before the second poll (default 5); later pauses grow, up to 30
  --ca-file FILE  trust the authorities in this file (PEM) instead of the system's
  --quiet         print nothing but errors
  --help          print this

The key comes from $SORA_API_KEY, the service from $SORA_BASE_URL, where it is set.
Exit status: 0 the video is here, 1 the task failed or was cancelled, 2 the time ran out,
3 another error, 64 a mistake in the command line, 130 Ctrl-C.
]]

local options, words, misuse = tool.options(USAGE, {
  model = "text", image = "text", out = "text", timeout = "number", interval = "number",
  ["ca-file"] = "text", quiet = "flag",
})
local prompt = table.concat(words, " ")
if not prompt:find "%S" then misuse "a prompt expected" end

local bar = sora.progress_bar { quiet = options.quiet }

local function say(name, value)
  if not options.quiet then print(("%-9s %s"):format(name, value)) end
end

local function fail(err, id)
  bar.finish()
  tool.complain(err)
  if id then
    tool.complain("go on with: wait.lua " .. id)
  elseif err.sent and not (err.status and err.status < 500) then
    tool.complain "a task may have been made: look at the service before you try again"
  end
  return tool.exit_code(err)
end

local id -- once the task is made

tool.run(function()
  local client = sora.client { ca_file = options["ca-file"] }
  say("Prompt", tool.plain(prompt))
  local task, err = client:create {
    model = options.model or "sora-2", prompt = prompt,
    images = options.image and { options.image },
  }
  if not task then return fail(err) end
  id = sora.id(task)
  say("Task", tool.plain(id))

  task, err = client:wait(task, {
    timeout = options.timeout, interval = options.interval, on_update = bar.on_update,
  })
  if not task then return fail(err, id) end
  local path = options.out or tool.file_name(id)
  local bytes
  bytes, err = client:download(task, path, { on_progress = bar.on_progress })
  if not bytes then return fail(err, id) end
  bar.finish()
  local video, reason = tool.accept_video(path)
  if not video then
    tool.complain(reason)
    return tool.EXIT.error
  end
  local length = video.seconds and ("%.1f s, "):format(video.seconds) or ""
  say("Video", ("%s (%s%s)"):format(path, length, tool.size(video.bytes)))
  return tool.EXIT.ok
end, function()
  bar.finish()
  tool.complain(id and "interrupted; go on with: wait.lua " .. id or "interrupted")
end)

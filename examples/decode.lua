-- An answer that somebody else has fetched, read: from a file, a webhook, a log.
-- lua decode.lua < answer.json

local sora = require "sora"

local task, err = sora.decode(io.read "*a")
if not task then
  print(err) -- with line and column
  os.exit(1)
end
print("id", sora.id(task))
print("status", sora.status(task))
print("progress", sora.progress(task))
print("video", sora.video_url(task) and "there" or "not yet")
print("failure", sora.failure(task))

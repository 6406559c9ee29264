-- The video of a finished task: resumed where a former run was cut off, and never too large.
-- lua download.lua ID|URL FILE

local sora = require "sora"

local source, path = assert(arg[1], "an id or a URL expected"), assert(arg[2], "a file expected")
local bar = sora.progress_bar { label = path }
local bytes, err = sora.download(source, path, {
  max_size = 2 * 1024 ^ 3, on_progress = bar.on_progress,
})
bar.finish()
if not bytes then
  print(err.kind == "too_large" and "larger than 2 GiB" or err)
  os.exit(1)
end

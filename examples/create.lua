-- From a prompt to a file. A task that was made is paid for: whatever goes wrong, its id is told.
-- lua create.lua PROMPT FILE [PICTURE]

local sora = require "sora"

local body = { model = "veo3.1-fast", prompt = arg[1], aspect_ratio = "16:9", images = { arg[3] } }
local bar = sora.progress_bar()
local bytes, result = sora.generate(body, arg[2], {
  on_update = bar.on_update, on_progress = bar.on_progress,
})
bar.finish()
if bytes then return print(arg[2], bytes .. " bytes") end

print(result)
if result.id then
  print("go on with: lua download.lua " .. result.id .. " " .. arg[2])
elseif result.sent and (result.status or 500) >= 500 then
  print "a task may have been made: look at the service before you try again"
end
os.exit(1)

-- A function of the service that has no name here: another version of a video, and then that.
-- lua call.lua ID PROMPT

local sora = require "sora"
local client = sora.client()

local remix, err = client:call("POST", "/v1/videos/" .. arg[1] .. "/remix", {
  body = { prompt = arg[2] },
})
if not remix then
  print(err)
  os.exit(1)
end
print(assert(client:wait(sora.id(remix))))

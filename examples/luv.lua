-- In libuv's loop: a wait that a callback ends, while a timer goes on ticking.
-- lua luv.lua ID

local sora = require "sora.luv"
local uv = require "luv"

local ticks, clock = 0, uv.new_timer()
clock:start(0, 20, function() ticks = ticks + 1 end)

sora.wait(arg[1], {
  on_update = function(task) print(task) end,
}, function(err, task)
  clock:close()
  print(err or sora.video_url(task):match "^[^?]*", ticks .. " ticks meanwhile")
end)

uv.run()

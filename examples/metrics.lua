-- What the service did, counted: one line for each kind of outcome, and where the time went.
-- lua metrics.lua < ids.txt

local sora = require "sora"

local counts, seconds = {}, { queue = 0, connect = 0, total = 0 }
local client = sora.client {
  on_attempt = function(attempt)
    local outcome = attempt.kind or "ok"
    counts[outcome] = (counts[outcome] or 0) + 1
    for phase in pairs(seconds) do
      seconds[phase] = seconds[phase] + (attempt.seconds[phase] or 0)
    end
  end,
}

local ids = {}
for id in io.lines() do ids[#ids + 1] = id end
client:wait_all(ids, { interval = 0.1, timeout = 60 })
for outcome, count in pairs(counts) do print("attempts", outcome, count) end
for phase, sum in pairs(seconds) do print("seconds", phase, ("%.3f"):format(sum)) end

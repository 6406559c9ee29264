-- Policies: what is sent again, how often and for how long. The numbers are the defaults, but for
-- those of `impatient`.
-- lua retries.lua ID

local sora = require "sora"

-- A client whose queries give up soon: for a page that somebody waits for.
local impatient = sora.client { retries = 0, request_timeout = 2, connect_timeout = 1 }
print("at once:", impatient:query(arg[1]))

-- One that waits through an outage of the service, however long, up to a deadline.
local patient = sora.client { retries = 2, request_timeout = 30, connect_timeout = 10 }
print("in the end:", patient:wait(arg[1], {
  timeout = 1800,      -- for all of it
  interval = 5,        -- before the second question; later pauses grow, Retry-After is obeyed
  max_interval = 30,
  max_errors = 10,     -- bad answers in a row that end it; a good one resets the count
}))

-- A policy of one's own: again, until an error says that this is of no use.
local task, err
for attempt = 1, 5 do
  task, err = patient:query(arg[1], { retries = 0 })
  if task or not err.retryable then break end
  print(attempt, err.kind, err.retry_after)
end
print("by hand:", task or err)

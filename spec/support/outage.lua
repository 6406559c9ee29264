-- A wait while the network goes away and comes back. Runs in a network namespace of its own, where
-- it takes the only link down: unshare -n lua spec/support/outage.lua

package.path = "./?.lua;" .. package.path

local SECONDS = tonumber((...)) or 2 -- without a network

assert(os.execute "ip link set lo up")
local service = require("spec.support.standin").start()
local flows = require "spec.support.flows"
local sora = require "sora.cqueues"
local c = sora.client {
  base_url = service.base_url, ca_file = service.ca_file, retries = 0, request_timeout = 1,
  connect_timeout = 1,
}

local function link(state) assert(os.execute("ip link set lo " .. state)) end

local function tell(what, task, err)
  print(what .. ": " .. (task and sora.status(task) or err.kind))
end

-- an address of this namespace that no route leads to
tell("unreachable", c:query("x", { base_url = "https://10.1.1.1", proxy = "" }))

local taken = false
local waiting = flows.run(function()
  local wait = flows.spawn(c.wait, c, service:id("queued*3", "completed"), {
    interval = 0.2, max_interval = 0.3, max_errors = 100, timeout = 60,
    on_update = function() taken = true end,
  })
  while not taken do flows.sleep(0.05) end
  link "down"
  flows.sleep(SECONDS)
  local other = sora.client {
    base_url = service.base_url, ca_file = service.ca_file, retries = 0, connect_timeout = 1,
  }
  tell("query", other:query "x")
  link "up"
  return { wait:join() }
end)
tell("wait", waiting[1], waiting[2])
tell("query", c:query(service:id "completed"))
c:close()

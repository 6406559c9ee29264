-- A webhook that wakes a wait: looks once an hour by itself, and at once when the service says that
-- the task has ended. Needs lua-http; WEBHOOK_SECRET=whsec_…
-- lua webhook.lua ID [PORT]

local cqueues = require "cqueues"
local headers = require "http.headers"
local server = require "http.server"
local sora = require "sora.cqueues"

local client, loop = sora.client(), cqueues.new()
local listener = assert(server.listen {
  host = "127.0.0.1", port = tonumber(arg[2] or 8000), cq = loop,
  onstream = function(_, stream)
    local given = assert(stream:get_headers())
    local event = sora.verify_webhook(stream:get_body_as_string(), given,
      os.getenv "WEBHOOK_SECRET")
    local answer = headers.new()
    answer:append(":status", event and "204" or "400")
    stream:write_headers(answer, true)
    if event then client:wake(sora.id(event.data)) end
  end,
})
assert(listener:listen())
print("http://127.0.0.1:" .. select(3, listener:localname()))
io.stdout:flush()
loop:wrap(function()
  print(client:wait(arg[1], { interval = 3600, max_interval = 3600, timeout = 86400 }))
  listener:close()
end)
assert(loop:loop())

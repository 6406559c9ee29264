-- Beside lua-http in one loop of cqueues: a server of one's own that tells at GET /ID how a task is
-- doing, and serves others while it asks.
-- lua cqueues.lua [PORT]

local headers = require "http.headers"
local server = require "http.server"
local sora = require "sora.cqueues"

local listener = assert(server.listen {
  host = "127.0.0.1", port = tonumber(arg[1] or 8000),
  onstream = function(_, stream)
    local id = assert(stream:get_headers()):get ":path":sub(2)
    local task, err = sora.query(id)
    local answer = headers.new()
    answer:append(":status", task and "200" or "502")
    answer:append("content-type", "text/plain")
    stream:write_headers(answer, false)
    stream:write_chunk(tostring(task or err) .. "\n", true)
  end,
  onerror = function(_, _, what, err) io.stderr:write(what, ": ", tostring(err), "\n") end,
})
assert(listener:listen())
print("http://127.0.0.1:" .. select(3, listener:localname()))
io.stdout:flush()
assert(listener:loop())

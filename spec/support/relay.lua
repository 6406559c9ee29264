-- A network between two processes, which can be cut: passes TCP connections on, on loopback.
--
--   lua spec/support/relay.lua FOLDER PORT
--
-- Listens on a port of its own, which it writes to FOLDER/relay, and passes on to PORT. As long as
-- FOLDER/cut is there nothing passes, and nothing is closed: what was sent comes when it is gone.

package.path = "./?.lua;" .. package.path

local files = require "spec.support.files"
local socket = require "socket"

local folder, port = arg[1], tonumber(arg[2])

local listener = assert(socket.bind("127.0.0.1", 0))
local peers = {} -- socket -> the one at the other side
local list = { listener }

local function add(one, other)
  one:settimeout(0)
  peers[one] = other
  list[#list + 1] = one
end

local function accept()
  local one = listener:accept()
  local other = one and socket.connect("127.0.0.1", port)
  if other then
    add(one, other)
    add(other, one)
  elseif one then
    one:close()
  end
end

local function drop(one)
  local other = peers[one]
  for _, each in ipairs { one, other } do
    peers[each] = nil
    for i = #list, 1, -1 do
      if list[i] == each then table.remove(list, i) end
    end
    each:close()
  end
end

local function pass(one)
  local data, err, part = one:receive(65536)
  data = data or part
  if data and data ~= "" then
    local other, at = peers[one], 1
    while at <= #data do
      local last, failure, sent = other:send(data, at)
      if not last and failure ~= "timeout" then return drop(one) end
      at = (last or sent) + 1
    end
  end
  if err == "closed" then drop(one) end
end

files.write(folder .. "/relay", (select(2, listener:getsockname())))
while true do
  local ready = socket.select(list, nil, 0.05)
  if files.exists(folder .. "/cut") then
    socket.sleep(0.02)
  else
    for _, one in ipairs(ready) do
      if one == listener then accept() elseif peers[one] then pass(one) end
    end
  end
end

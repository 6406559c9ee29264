--- What sora.luv needs of libuv's loop: alarms, watched clients, and the next turn.

local nvim = rawget(_G, "vim")
local uv = nvim and (nvim.uv or nvim.loop) or require "luv"

local PERIOD = 5     -- milliseconds between two looks at a client that has no descriptor to watch
local LONGEST = 1e12 -- milliseconds

local M = {}

local stopped = {} -- handles that are to be closed in the next turn
local asked = {}   -- set of the functions that are to be called in it
local idle         -- the handle that is active until then

local function on_turn()
  local acts = asked
  asked = {}
  idle:stop()
  for act in pairs(acts) do act() end
  for i = 1, #stopped do stopped[i]:close() end
  stopped = {}
end

--- Has fn() called in the loop's next turn, once, however often that was asked for: its timers come
-- before it, its descriptors after it.
---@param fn fun()?  nil: there are only handles to be closed
function M.turn(fn)
  if fn then asked[fn] = true end
  idle = idle or uv.new_idle()
  idle:start(on_turn)
end

--- Stops a handle, and has it closed in the next turn: luv crashes when a program ends that has
-- closed one and not run the loop since. To close one that watched a descriptor takes the number of
-- that out of libuv's epoll set. A new client may have got the number by then, but libuv puts it
-- into the set only after the idle handles had their turn.
function M.discard(handle)
  if not handle then return end
  handle:stop()
  stopped[#stopped + 1] = handle
  M.turn()
end

--- Has fn() called once, when the seconds are over.
---@param seconds number
---@param fn fun()
---@return userdata handle  to be discarded
function M.alarm(seconds, fn)
  local timer = uv.new_timer()
  uv.update_time() -- else the time that this turn of the loop has taken would count
  timer:start(math.ceil(math.max(0, math.min(seconds * 1000, LONGEST))), 0, fn)
  return timer
end

--- Has fn() called at each event of the client's.
---@param client sora.client
---@param fn fun()
---@return userdata handle  to be discarded before the client is closed
function M.watch(client, fn)
  local fd = client:pollfd()
  local handle = fd and uv.new_poll(fd)
  if handle then
    handle:start("r", fn)
  else
    handle = uv.new_timer()
    handle:start(0, PERIOD, fn)
  end
  return handle
end

return M

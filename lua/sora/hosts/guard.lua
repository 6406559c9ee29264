--- What becomes of a call that raises: what it has in flight is cancelled.
--
-- Where a coroutine may yield inside pcall, that is a pcall. Lua 5.1 does not let it: there an
-- error cannot be caught inside the coroutine, and ends it. So the calls that a coroutine is in are
-- kept here, and its driver says when it has ended so.

local M = {}

local running = coroutine.running

--- Not in Lua 5.1, but in LuaJIT. (Trying it out would not do: in nginx a module that is being
-- loaded may not resume a coroutine.)
local yields_in_pcall = jit ~= nil or _VERSION ~= "Lua 5.1"

--- Coroutine -> the inboxes of the calls that it is in.
local guarded = setmetatable({}, { __mode = "k" })

local function leave(inboxes, ...)
  inboxes[#inboxes] = nil
  return ...
end

local function settle(inbox, cancel, ok, ...)
  if ok then return ... end
  cancel(inbox)
  error((...), 0)
end

--- Returns what fn(...) returns; when it raises, cancel(inbox) is called first.
---@param inbox sora.inbox
---@param blocks boolean  whoever waits for the inbox does not yield
---@param cancel fun(inbox: sora.inbox)
---@param fn function
function M.run(inbox, blocks, cancel, fn, ...)
  local co = not yields_in_pcall and not blocks and running()
  if not co then return settle(inbox, cancel, pcall(fn, ...)) end
  local inboxes = guarded[co] or {}
  guarded[co] = inboxes
  inboxes[#inboxes + 1] = inbox
  return leave(inboxes, fn(...))
end

--- The coroutine has ended with an error, or was given up: has all of its inboxes cancelled.
---@param co thread
---@param cancel fun(inbox: sora.inbox)
function M.abandon(co, cancel)
  local inboxes = guarded[co]
  if not inboxes then return end
  for i = 1, #inboxes do cancel(inboxes[i]) end
  guarded[co] = nil -- Lua 5.1 would keep for ever what refers to its own key, as an inbox does
end

return M

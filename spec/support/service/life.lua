-- When the service has to end: its standard input has ended, its parent is gone, or a signal came.
-- Whoever started it may have been killed, and nothing is to be left behind.

local cqueues = require "cqueues"
local signal = require "cqueues.signal"

local M = {}

local INPUT = { pollfd = 0, events = "r" }

-- The numbers of this process and of its parent; nil where there is no /proc.
local function processes()
  local file = io.open("/proc/self/stat")
  local text = file and file:read("*a") or ""
  if file then
    file:close()
  end
  return text:match("^(%d+)"), text:match("%) %S (%d+)")
end

--- The number of this process, nil where there is no /proc.
---@return string|nil
function M.pid() return (processes()) end

local function watch_parent(stop)
  local _, first = processes()
  while first and select(2, processes()) == first do
    cqueues.sleep(1)
  end
  if first then
    stop()
  end
end

-- A file or /dev/null cannot be polled; such an input says nothing about the parent.
local function input_is_pollable()
  local probe = cqueues.new()
  probe:wrap(function()
    cqueues.poll(INPUT, 0)
  end)
  return probe:loop()
end

local function watch_input(stop)
  if not input_is_pollable() then
    return
  end
  io.stdin:setvbuf("no")
  repeat
    cqueues.poll(INPUT)
  until not io.stdin:read(1)
  stop()
end

local function watch_signals(stop)
  signal.ignore(signal.SIGPIPE)
  signal.block(signal.SIGTERM, signal.SIGINT)
  local listener = signal.listen(signal.SIGTERM, signal.SIGINT)
  listener:wait()
  stop()
end

--- Has stop() called in one of these cases.
---@param cq userdata  the controller that the service runs in
---@param stop fun()
function M.watch(cq, stop)
  cq:wrap(watch_signals, stop)
  cq:wrap(watch_input, stop)
  cq:wrap(watch_parent, stop)
end

return M

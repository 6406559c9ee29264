--- SORA_LOG: a line on standard error for each attempt of every client of the process.
--
-- It is read once, when the first module of sora is loaded (hosts/module.lua); where it is not set,
-- nothing here is loaded, and no request is observed.

local core = require "sora.core"

local M = {}

local PHASES = { "queue", "dns", "connect", "tls", "first_byte" }

local function add(words, name, value)
  if value ~= nil then words[#words + 1] = name .. "=" .. tostring(value) end
end

--- One line of what an attempt was: names and values, as logfmt has them. `debug` adds the phases.
---@param info sora.attempt
---@param debug boolean
---@return string
function M.line(info, debug)
  local words = { "sora:", info.method, info.url or "-" }
  add(words, "status", info.status)
  add(words, "kind", info.kind)
  add(words, "seconds", ("%.3f"):format(info.seconds.total))
  if info.attempt > 1 then add(words, "attempt", info.attempt) end
  if info.next_in then add(words, "next_in", ("%.1f"):format(info.next_in)) end
  if info.id then add(words, "id", core.plain(info.id, 100)) end
  if not debug then return table.concat(words, " ") end
  add(words, "bytes", info.bytes)
  add(words, "http", info.http_version)
  add(words, "reused", info.reused)
  for _, name in ipairs(PHASES) do
    local seconds = info.seconds[name]
    if seconds then add(words, name, ("%.4f"):format(seconds)) end
  end
  return table.concat(words, " ")
end

--- Makes the function that core.observer has to be: given the function of on_attempt, or nil, that
-- returns the one that is told of each attempt. It logs, then calls the one that was given.
---@param level "info"|"debug"
---@return fun(tell: fun(info: sora.attempt)?): fun(info: sora.attempt)
function M.observer(level)
  local function log(info) io.stderr:write(M.line(info, level == "debug"), "\n") end
  return function(tell)
    if not tell then return log end
    return function(info)
      log(info)
      return tell(info)
    end
  end
end

return M

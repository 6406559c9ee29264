--- The options of a fleet and of its methods, checked. Misuse is raised where the caller stands.

local core = require "sora.core"

local M = {}

local SHORTEST_LEASE = 3 -- seconds; a query has to fit in

local function is_seconds(value) return type(value) == "number" and value > 0 and value < 1e10 end

local function is_count(value) return is_seconds(value) and value % 1 == 0 and value < 2 ^ 31 end

--- What is wrong with the name of a fleet, which is part of the names of its keys.
local function name_fault(value)
  if type(value) ~= "string" or value == "" or #value > 200 then return "a string" end
  if value:find "[{}]" then return "a name without braces" end
  if value:find "[%c ]" then return "a name without blanks and control characters" end
end

local function rate_fault(value)
  local what = "a table { requests = …, seconds = … }"
  if type(value) ~= "table" or not is_count(value.requests) or not is_seconds(value.seconds) then
    return what
  end
  for key in pairs(value) do
    if key ~= "requests" and key ~= "seconds" then return what end
  end
end

--- For each kind of option what its value has to be, where it is something else; false or nil where
-- it is right.
local KINDS = {
  seconds = function(value) return not is_seconds(value) and "a number of seconds, above 0" end,
  count = function(value) return not is_count(value) and "a whole number, above 0" end,
  text = function(value) return (type(value) ~= "string" or value == "") and "a string" end,
  callback = function(value) return type(value) ~= "function" and "a function" end,
  client = function(value) return type(value) ~= "userdata" and "a client" end,
  lease = function(value)
    return not (is_seconds(value) and value >= SHORTEST_LEASE)
      and ("a number of seconds, %d at least"):format(SHORTEST_LEASE)
  end,
  json = function(value) return core.encode(value) == nil and "a value that JSON has" end,
  name = name_fault,
  rate = rate_fault,
  any = function() end,
}

--- The options with the defaults of those that are not given.
---@param given any
---@param known table<string, { [1]: string, default: any, required: boolean? }>
---@param level integer  the caller's, from here
---@return table
function M.read(given, known, level)
  if given ~= nil and type(given) ~= "table" then
    error(("options must be a table, not a %s"):format(type(given)), level + 1)
  end
  local opts = {}
  for name, value in pairs(given or {}) do
    local option = known[name]
    if not option then error(("unknown option '%s'"):format(tostring(name)), level + 1) end
    local expected = KINDS[option[1]](value)
    if expected then error(("option '%s' must be %s"):format(name, expected), level + 1) end
    opts[name] = value
  end
  for name, option in pairs(known) do
    if opts[name] == nil then
      if option.required then error(("option '%s' is missing"):format(name), level + 1) end
      opts[name] = option.default
    end
  end
  return opts
end

return M

--- require "sora.metrics": counters and histograms of attempts, as Prometheus reads them (its text
-- format, version 0.0.4: "Exposition formats" of its documentation).
--
--   local metrics = require("sora.metrics").new()       -- in nginx: new(ngx.shared.metrics)
--   local client = sora.client { on_attempt = metrics.observe }
--   … print(metrics.text())
--
-- Labels are the host and the kind of error ("none" where nothing went wrong). Ids and paths are no
-- labels: there is no end of them.

local M = {}

--- Upper bounds of the buckets, in seconds.
local BOUNDS = { 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60 }

--- What there is: name, type, help.
local FAMILIES = {
  { "sora_attempts_total", "counter", "Attempts of requests that are over." },
  { "sora_retries_total", "counter", "Attempts that another attempt or poll follows." },
  { "sora_connections_total", "counter", "Attempts that were sent on a new connection." },
  { "sora_answer_bytes_total", "counter", "Bytes of answers, unpacked, headers included." },
  { "sora_attempt_seconds", "histogram", "How long attempts took, without the queue." },
  { "sora_queue_seconds", "histogram", "How long attempts waited for a free connection." },
}

-- Where the numbers are: in a table, or in a dictionary that the workers of nginx share.

local function in_table()
  local numbers = {}
  return {
    add = function(key, by) numbers[key] = (numbers[key] or 0) + by end,
    all = function() return numbers end,
  }
end

local function in_dictionary(dictionary)
  return {
    add = function(key, by) dictionary:incr(key, by, 0) end,
    all = function()
      local numbers = {}
      for _, key in ipairs(dictionary:get_keys(0)) do numbers[key] = dictionary:get(key) end
      return numbers
    end,
  }
end

local function escape(text)
  return (text:gsub('[\\"\n]', { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }))
end

local function labels_of(info)
  local host = info.url and info.url:match "^%a+://([^/]+)" or "unknown"
  return ('host="%s",kind="%s"'):format(escape(host:lower()), info.kind or "none")
end

--- The place of the first bound that is not below the value; #BOUNDS + 1 where all are.
local function bucket_of(seconds)
  for i, bound in ipairs(BOUNDS) do
    if seconds <= bound then return i end
  end
  return #BOUNDS + 1
end

local function number(value)
  local is_exact = value % 1 == 0 and value < 2 ^ 53
  return (is_exact and "%d" or "%.9g"):format(value)
end

--- Adds the lines of one histogram with these labels. A bucket of Prometheus' counts what is in
-- those before it as well; what is kept does not.
local function add_histogram(lines, name, labels, numbers)
  local count = 0
  for i = 1, #BOUNDS + 1 do
    count = count + (numbers[("%s %d %s"):format(name, i, labels)] or 0)
    lines[#lines + 1] = ('%s_bucket{%s,le="%s"} %s'):format(name, labels,
      BOUNDS[i] and ("%g"):format(BOUNDS[i]) or "+Inf", number(count))
  end
  lines[#lines + 1] = ("%s_sum{%s} %s"):format(name, labels,
    number(numbers[("%s sum %s"):format(name, labels)] or 0))
  lines[#lines + 1] = ("%s_count{%s} %s"):format(name, labels, number(count))
end

--- All labels that there are, in order.
local function all_labels(numbers)
  local list = {}
  for key in pairs(numbers) do
    local labels = key:match "^sora_attempts_total (.*)$"
    if labels then list[#list + 1] = labels end
  end
  table.sort(list)
  return list
end

---@class sora.metrics
---@field observe fun(info: sora.attempt)  for on_attempt
---@field text fun(): string  the page, to be sent as text/plain; version=0.0.4

--- Makes a set of metrics. A dictionary of nginx's (lua_shared_dict) has some 40 entries for each
-- pair of host and kind: 1 MB is plenty.
---@param dictionary table?  that nginx's workers share; nil: the numbers are this process's
---@return sora.metrics
function M.new(dictionary)
  local store = dictionary and in_dictionary(dictionary) or in_table()

  local function observe_in(name, labels, seconds)
    store.add(("%s %d %s"):format(name, bucket_of(seconds), labels), 1)
    store.add(("%s sum %s"):format(name, labels), seconds)
  end

  local metrics = {}

  function metrics.observe(info)
    local labels = labels_of(info)
    store.add("sora_attempts_total " .. labels, 1)
    if info.next_in then store.add("sora_retries_total " .. labels, 1) end
    if not info.reused and info.status then store.add("sora_connections_total " .. labels, 1) end
    store.add("sora_answer_bytes_total " .. labels, info.bytes)
    observe_in("sora_attempt_seconds", labels, info.seconds.total)
    observe_in("sora_queue_seconds", labels, info.seconds.queue)
  end

  function metrics.text()
    local numbers, lines = store.all(), {}
    local known = all_labels(numbers)
    for _, family in ipairs(FAMILIES) do
      local name, kind, help = family[1], family[2], family[3]
      lines[#lines + 1] = ("# HELP %s %s\n# TYPE %s %s"):format(name, help, name, kind)
      for _, labels in ipairs(known) do
        if kind == "histogram" then
          add_histogram(lines, name, labels, numbers)
        else
          lines[#lines + 1] = ("%s{%s} %s"):format(name, labels,
            number(numbers[name .. " " .. labels] or 0))
        end
      end
    end
    return table.concat(lines, "\n") .. "\n"
  end

  return metrics
end

return M

--- What an answer of the service says: pure functions over decoded tasks.
--
-- An answer may come from `sora.query`, from `sora.decode` with its nulls kept, or from lua-cjson,
-- and any field may be missing or of a type nobody promised. Nothing here raises over the contents
-- of a task; only an argument that is no table at all is a mistake of the caller. Only strings,
-- numbers and tables are ever looked at, so that every stand-in for null (nil, NULL, vim.NIL,
-- false, an empty table) counts as absent.
--
-- Knows nothing of requests, clocks and errors.

local plain = require("sora.core").plain

local core = require "sora.core"

local M = {}

--- Words of `status`, trimmed and lower-cased. "disputed" words mean success only beside a video's
-- URL. A word that is not here means that the task is running: only the caller's deadline ends such
-- a wait.
local CLASS = {}
for class, words in pairs {
  succeeded = "completed complete success succeeded succeed finished finish done",
  failed = "failed failure fail error rejected expired"
    .. " video_generation_failed video_upsampling_failed",
  cancelled = "cancelled canceled",
  disputed = "video_generation_completed video_upsampling_completed",
} do
  for word in words:gmatch("%S+") do CLASS[word] = class end
end

--- Compiles "a b.c" into the paths {{"a"}, {"b", "c"}}.
local function paths(list)
  local compiled = {}
  for place in list:gmatch("%S+") do
    local path = {}
    for key in place:gmatch("[^.]+") do path[#path + 1] = key end
    compiled[#compiled + 1] = path
  end
  return compiled
end

--- Where each thing is found, the preferred place first. All of it is looked for in the task
-- itself, then in its `data`, then in the envelope it came in. Lists of images are inputs and
-- deliberately not here.
local PLACES = {
  id = paths "id task_id",
  video_url = paths([[
    video_url url result_url output output.url output.video_url result.video_url result.url
    detail.upsample_video_url detail.url detail.video_url detail.draft_info.downloadable_url
    detail.draft_info.url data.video_url]]),
  failure = paths([[
    error fail_reason failure_reason detail.failure_reason detail.pending_info.failure_reason
    detail.draft_info.reason_str error_message detail.error_message message]]),
  code = paths "error.code detail.pending_info.moderation_result.code",
  fraction = paths "detail.pending_info.progress_pct",
  percent = paths "progress",
  updated_at = paths "status_update_time",
  queue_position = paths "detail.pending_info.progress_pos_in_queue",
  queue_wait = paths "detail.pending_info.estimated_queue_wait_time",
}

--- What the last resort, `message`, holds when it is merely polite.
local POLITE = { ok = true, success = true }

--- Above this a time is in milliseconds.
local MILLISECONDS = 1e11

-- Values: each of these takes anything and returns what it accepts, or nil.

--- Cuts off what belongs to the class `padding` at both ends, in linear time. Returns nil where
-- nothing is left.
local function trim(text, padding)
  local first = text:find("[^" .. padding .. "]")
  return first and text:match("^.*[^" .. padding .. "]", first)
end

local function as_text(value)
  return type(value) == "string" and trim(value, "%s") or nil
end

--- A URL can be padded with spaces or backticks. What is left is used byte for byte: it is signed.
-- One with a control character is none.
local function as_url(value)
  local url = type(value) == "string" and trim(value, "%s`")
  local valid = url and url:find("^[Hh][Tt][Tt][Pp][Ss]?://[^/]")
    and not url:find("[%z\1-\31\127]")
  return valid and url or nil
end

--- A number, or a short string that spells a decimal one. By hand: `tonumber` reads hexadecimal,
-- and "0.5" only in locales that write it so. Returns nil for NaN.
local function as_number(value)
  if type(value) == "number" then return value == value and value or nil end
  if type(value) ~= "string" or #value > 40 then return nil end
  local sign, whole, decimals = value:match("^%s*([+-]?)(%d+)%.?(%d*)%s*$")
  if not whole then return nil end
  local number = tonumber(whole) + (decimals == "" and 0 or tonumber(decimals) / 10 ^ #decimals)
  return sign == "-" and -number or number
end

--- Progress by the unit that the field's name implies; a percent sign overrides it, the size never
-- does.
local function as_progress(value, unit)
  local percent = type(value) == "string" and #value <= 40 and value:match("^(.*)%%%s*$")
  local number = as_number(percent or value)
  if not number then return nil end
  return math.max(0, math.min(1, number / (percent and 100 or unit)))
end

local function as_fraction(value) return as_progress(value, 1) end
local function as_percent(value) return as_progress(value, 100) end

local function as_reason(value)
  if type(value) == "table" then
    local code = value.code
    return as_text(value.message) or as_text(type(code) == "number" and tostring(code) or code)
  end
  local text = as_text(value)
  return text and not POLITE[text:lower()] and text or nil
end

--- The task inside an envelope: `data` where the outer object has no word for a status and `data`
-- has one.
local function unwrap(task)
  local data = task.data
  if not as_text(task.status) and type(data) == "table" and type(data.status) == "string" then
    return data
  end
  return task
end

local function find_in(object, places, accept)
  for i = 1, #places do
    local path, value = places[i], object
    for j = 1, #path do
      value = value[path[j]]
      if type(value) ~= "table" and j < #path then value = nil break end
    end
    value = accept(value)
    if value ~= nil then return value end
  end
  return nil
end

local function find(task, name, accept)
  local places, inner = PLACES[name], unwrap(task)
  local value = find_in(inner, places, accept)
  if value == nil and type(inner.data) == "table" then
    value = find_in(inner.data, places, accept)
  end
  if value == nil and inner ~= task then value = find_in(task, places, accept) end
  return value
end

--- Raises where the public function `name` was called, which stands before the one of this module;
-- see in_module in module.lua.
local function check(task, name)
  if type(task) ~= "table" then
    error(("bad argument #1 to '%s' (task expected, got %s)"):format(name, type(task)), 4)
  end
end

local function word_of(task)
  local word = as_text(unwrap(task).status)
  return word and word:lower()
end

local function class_of(task)
  local word = word_of(task)
  local class = word and CLASS[word] or "running"
  if class ~= "disputed" then return class end
  return find(task, "video_url", as_url) and "succeeded" or "running"
end

local function progress_of(task)
  return find(task, "fraction", as_fraction) or find(task, "percent", as_percent)
end

-- The module

---@alias sora.status "running"|"succeeded"|"failed"|"cancelled"

--- The class of the task's status. Everything that is not known to be final is "running".
---@param task table  a decoded answer
---@return sora.status
function M.status(task)
  check(task, "status")
  return class_of(task)
end

--- The id in the answer. It may differ from the one that was asked for.
---@param task table  a decoded answer
---@return string?
function M.id(task)
  check(task, "id")
  return find(task, "id", as_text)
end

--- The word behind the class: what the service calls the status.
---@param task table  a decoded answer
---@return string?  trimmed and lower-cased
function M.word(task)
  check(task, "word")
  return word_of(task)
end

--- How far the task is, as far as the service says. A failed task may well say 1.
---@param task table  a decoded answer
---@return number?  0..1
function M.progress(task)
  check(task, "progress")
  return progress_of(task)
end

--- The video's URL, trimmed, otherwise byte for byte. Whatever the status: ask `status` first.
---@param task table  a decoded answer
---@return string?  begins with http:// or https://
function M.video_url(task)
  check(task, "video_url")
  return find(task, "video_url", as_url)
end

--- Why the task failed. nil unless its status is "failed": finished tasks carry messages of inner
-- retries.
---@param task table  a decoded answer
---@return string?
function M.failure(task)
  check(task, "failure")
  if class_of(task) ~= "failed" then return nil end
  return find(task, "failure", as_reason)
end

--- The service's own word for why the task failed.
---@param task table
---@return string|number|nil
function M.code(task)
  check(task, "code")
  return find(task, "code", function(value) return as_text(value) or as_number(value) end)
end

--- When the service last touched the status.
---@param task table  a decoded answer
---@return number?  seconds since the epoch, with a fraction
function M.updated_at(task)
  check(task, "updated_at")
  local time = find(task, "updated_at", as_number)
  if not time or time <= 0 then return nil end
  return time > MILLISECONDS and time / 1000 or time
end

--- The place in the service's queue and how long it expects that to take.
---@param task table  a decoded answer
---@return number? position
---@return number? seconds
function M.queue(task)
  check(task, "queue")
  return find(task, "queue_position", as_number), find(task, "queue_wait", as_number)
end

--- The line that a person reads in the REPL. Of the video's URL it names the host alone.
---@param task table  a decoded answer
---@return string
function M.describe(task)
  check(task, "describe")
  local class, id = class_of(task), find(task, "id", as_text)
  local line = plain(id or "task", 80) .. " " .. plain(word_of(task) or class, 40)
  if class == "failed" then
    local reason = find(task, "failure", as_reason)
    return reason and line .. ": " .. plain(reason) or line
  elseif class == "succeeded" then
    local url = find(task, "video_url", as_url)
    local host = url and plain(url):match("://([^/?#]+)")
    return line .. (host and ", video at " .. host or ", no video yet")
  elseif class == "cancelled" then
    return line
  end
  local progress, position = progress_of(task), (M.queue(task))
  if progress then line = ("%s %d %%"):format(line, math.floor(progress * 100 + 1e-6)) end
  if position and position > 0 then line = ("%s, %.0f in the queue"):format(line, position) end
  return line
end

core.task.ids = core.task.ids or setmetatable({}, { __mode = "k" })

--- The id to go on with: the one that the task was asked with, else the one in the answer.
---@param answer table  a decoded answer
---@return string?
function M.asked_id(answer) return core.task.ids[answer] or M.id(answer) end

return M

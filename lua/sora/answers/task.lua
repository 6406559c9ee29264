--- What an answer of the service says: pure functions over decoded tasks.
--
-- An answer may come from `sora.query`, from `sora.decode` with its nulls kept, or from lua-cjson,
-- and any field may be missing or of a type nobody promised. Nothing here raises over the contents
-- of a task; only an argument that is no table at all is a mistake of the caller. Only strings,
-- numbers, tables and a few flags are ever looked at, so that every stand-in for null (nil, NULL,
-- vim.NIL, false, an empty table) counts as absent.
--
-- Knows nothing of requests, clocks and errors. The tables of words and places are in the files
-- beside this one.

local plain = require("sora.core").plain

local failures = require "sora.answers.failures"
local layers = require "sora.answers.layers"
local origin = require "sora.answers.origin"
local places = require "sora.answers.places"
local progress = require "sora.answers.progress"
local text = require "sora.answers.text"
local urls = require "sora.answers.urls"
local videos = require "sora.answers.videos"
local words = require "sora.answers.words"

local M = {}

local UPDATED_AT = places.compile "status_update_time"
local QUEUE_POSITION = places.compile "detail.pending_info.progress_pos_in_queue"
local QUEUE_WAIT = places.compile "detail.pending_info.estimated_queue_wait_time"
local RUNNING = places.compile "detail.running running"
local UPSCALE = places.compile [[
  detail.req.enable_upsample detail.input.enable_upsample enable_upsample]]
local UPSCALED = places.compile "upsample_video_url detail.upsample_video_url"

--- Above this a time is in milliseconds.
local MILLISECONDS = 1e11

local function is_true(value) return value == true or nil end

local function as_url(value) return urls.as_url(value, "https://relay.invalid") end

--- Raises where the public function `name` was called, which stands before the one of this module;
-- see in_module in loading.lua.
local function view_of(task, name)
  if type(task) ~= "table" then
    error(("bad argument #1 to '%s' (task expected, got %s)"):format(name, type(task)), 4)
  end
  return layers.of(task)
end

--- Whether an upscaled video was asked for, and is still being made.
local function awaits_upscaling(view)
  return places.find(view, RUNNING, is_true) and places.find(view, UPSCALE, is_true)
    and not places.find(view, UPSCALED, as_url)
end

--- Without any status a video's URL means success; a bare `url` beside a progress that goes on can
-- be a link to the task itself.
local function class_without_status(view)
  local part = progress.of(view)
  local has = part and part < 1 and videos.has_beside_bare or videos.has
  return has(view) and "succeeded" or "running"
end

local function class_by_word(view)
  if not view.word then return class_without_status(view) end
  local class = words.class(view.word) or "running"
  if class ~= "disputed" then return class end
  return videos.has(view) and not awaits_upscaling(view) and "succeeded" or "running"
end

--- Whether a task that has not failed goes on no more, as far as its service says.
local function is_over(view, class)
  if class ~= "running" then return class == "succeeded" end
  local part = progress.of(view)
  if part then return part >= 1 end
  return not view.word or words.class(view.word) == "disputed"
end

--- What keeps the video of a task back that is over.
local function moderation_of(view, class)
  local moderation = is_over(view, class) and failures.moderation(view)
  return moderation and not videos.has(view) and moderation or nil
end

local function class_of(view)
  local class = class_by_word(view)
  return moderation_of(view, class) and "failed" or class
end

local function video_url_of(task, view)
  local word = view.word
  local succeeded = word ~= nil and words.class(word) == "succeeded"
  return videos.url(view, origin.relay(task), succeeded)
end

--- Of a task that has failed.
local function failure_of(task, view)
  local class = class_by_word(view)
  if class ~= "failed" then return moderation_of(view, class) end
  return failures.reason(view) or origin.said(task) or failures.moderation(view)
end

-- The module

---@alias sora.status "running"|"succeeded"|"failed"|"cancelled"

--- The class of the task's status. Everything that is not known to be final is "running".
---@param task table  a decoded answer
---@return sora.status
function M.status(task) return class_of(view_of(task, "status")) end

--- The id in the answer, which may differ from the one that was asked for; that one, where the
-- answer has none.
---@param task table  a decoded answer
---@return string?  a number's digits, where it is one
function M.id(task) return layers.id(view_of(task, "id")) or origin.id(task) end

--- The id to go on with: the one that the task was asked with, else the one in the answer.
---@param task table  a decoded answer
---@return string?
function M.asked_id(task) return origin.id(task) or layers.id(view_of(task, "asked_id")) end

--- The word behind the class: what the service calls the status.
---@param task table  a decoded answer
---@return string?  trimmed and lower-cased
function M.word(task)
  local word = view_of(task, "word").word
  return word and text.lower(word)
end

--- How far the task is, as far as the service says. A failed task may well say 1.
---@param task table  a decoded answer
---@return number?  0..1
function M.progress(task) return progress.of(view_of(task, "progress")) end

--- The video's URL, trimmed, otherwise byte for byte; a path of the relay's own is resolved against
-- the relay that answered. Whatever the status: ask `status` first.
---@param task table  a decoded answer
---@return string?  begins with http://, https:// or data:
function M.video_url(task) return video_url_of(task, view_of(task, "video_url")) end

--- Why the task failed. nil unless its status is "failed": finished tasks carry messages of inner
-- retries.
---@param task table  a decoded answer
---@return string?
function M.failure(task)
  local view = view_of(task, "failure")
  if class_of(view) ~= "failed" then return nil end
  return failure_of(task, view)
end

--- The service's own word for why the task failed.
---@param task table
---@return string|number|nil
function M.code(task) return failures.code(view_of(task, "code")) end

--- When the service last touched the status.
---@param task table  a decoded answer
---@return number?  seconds since the epoch, with a fraction
function M.updated_at(task)
  local time = places.find(view_of(task, "updated_at"), UPDATED_AT, text.as_number)
  if not time or time <= 0 then return nil end
  return time > MILLISECONDS and time / 1000 or time
end

--- The place in the service's queue and how long it expects that to take.
---@param task table  a decoded answer
---@return number? position
---@return number? seconds
function M.queue(task)
  local view = view_of(task, "queue")
  return places.find(view, QUEUE_POSITION, text.as_number),
    (places.find(view, QUEUE_WAIT, text.as_number))
end

--- The line that a person reads in the REPL. Of the video's URL it names the host alone.
---@param task table  a decoded answer
---@return string
function M.describe(task)
  local view = view_of(task, "describe")
  local class, word = class_of(view), view.word and text.lower(view.word)
  local line = plain(layers.id(view) or origin.id(task) or "task", 80)
    .. " " .. plain(word or class, 40)
  if class == "failed" then
    local reason = failure_of(task, view)
    return reason and line .. ": " .. plain(reason) or line
  elseif class == "succeeded" then
    local url = video_url_of(task, view)
    if not url then return line .. ", no video yet" end
    local host = plain(url):match("://([^/?#]+)")
    return line .. (host and ", video at " .. host or ", video inside")
  elseif class == "cancelled" then
    return line
  end
  local part, position = progress.of(view), places.find(view, QUEUE_POSITION, text.as_number)
  if part then line = ("%s %d %%"):format(line, math.floor(part * 100 + 1e-6)) end
  if position and position > 0 then line = ("%s, %.0f in the queue"):format(line, position) end
  return line
end

return M

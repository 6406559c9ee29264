--- The task in an answer, and the tables around and beneath it that speak of it, too.
--
-- An answer may be the task; an envelope around it (`{"code":"success","data":{…}}`), or several; a
-- list of one. Beneath it, at `data`, there may be the raw answer of the upstream service.

local core = require "sora.core"
local places = require "sora.answers.places"
local text = require "sora.answers.text"
local videos = require "sora.answers.videos"
local words = require "sora.answers.words"

local M = {}

local DEPTH = 4 -- of envelopes, and of raw answers

--- Where a table says how its task is.
local STATUS = places.compile [[
  status state task_status detail.status output.task_status job_status video_status status_text]]

local ID = places.compile "id task_id video_id job_id generation_id"

--- Where envelopes have what they hold.
local CONTENTS = places.compile "data result response task video_task job output items tasks list"
local DATA = places.compile "data"

--- A table, or the JSON text of one.
local function as_table(value)
  if type(value) == "string" and value:find("^[ \t\r\n]*[{%[]") then value = core.decode(value) end
  return type(value) == "table" and value or nil
end

--- The task among those of a list: the only one, or the one that was asked for.
local function choose(list, null, id)
  if #list == 1 then return as_table(list[1]) end
  for i = 1, id and #list or 0 do
    local one = as_table(list[i])
    local its = one and places.find_in(one, ID, text.as_id, null)
    if its and id:sub(-#its) == its then return one end -- its prefix may have been dropped
  end
  return nil
end

local open

--- Looks for a task with a status in what an envelope holds; `trusted` decides whether it is one.
local function open_contents(object, null, id, outer, depth, trusted)
  for i = 1, depth < DEPTH and #CONTENTS or 0 do
    local contents = places.find_in(object, { CONTENTS[i] }, as_table, null)
    if contents then
      local inner, word = open(contents, null, id, outer, depth + 1)
      if word and (not trusted or trusted(word, i == 1)) then return inner, word end
    end
  end
  return nil
end

--- Whether "success" on the outside is about the task inside: what lies in other places than `data`
-- may be anything, unless its word is known.
local function is_of_task(word, in_data) return in_data or words.class(word) ~= nil end

--- Whether a word inside contradicts "success" on the outside of a task.
local function contradicts(word)
  local class = words.class(word)
  return class == "running" or class == "failed" or class == "cancelled"
end

--- The innermost table that is the task, and its word for its status. The envelopes around it are
-- added to `outer`, the innermost first.
function open(object, null, id, outer, depth)
  if text.is_list(object) then
    local one = choose(object, null, id)
    if not one or depth >= DEPTH then return object, nil end
    return open(one, null, id, outer, depth + 1)
  end
  local word = places.find_in(object, STATUS, text.as_word, null)
  if word and not words.is_of_envelope(word) then return object, word end
  local has_id = places.find_in(object, ID, text.as_id, null) ~= nil
  if word and has_id then
    local _, inner_word = open_contents(object, null, id, {}, depth, contradicts)
    return object, inner_word or word
  end
  local inner, inner_word = open_contents(object, null, id, outer, depth, word and is_of_task)
  if inner_word then
    outer[#outer + 1] = object
    return inner, inner_word
  end
  if word or has_id or videos.is_in(object, null) then return object, word end
  local data = places.find_in(object, DATA, as_table, null)
  data = text.is_list(data) and choose(data, null, id) or data
  if data and not text.is_list(data) and (places.find_in(data, ID, text.as_id, null)
      or videos.is_in(data, null)) then
    outer[#outer + 1] = object
    return data, nil
  end
  return object, nil
end

--- Adds what lies at `data`, the raw answer of the upstream, and so on. A list counts where it
-- holds one task: one of videos is a place for a URL.
local function add_raw_answers(layers, object)
  local null = layers.null
  for _ = 1, DEPTH do
    object = places.find_in(object, DATA, as_table, null)
    if text.is_list(object) then
      object = choose(object, null, nil)
      if object and not places.find_in(object, STATUS, text.as_word, null) then return end
    end
    if not object then return end
    layers[#layers + 1] = object
  end
end

---@class sora.layers  the tables that speak of a task, the task itself first
---@field null any  what nulls have become; nil: they are absent
---@field word string?  the service's word for the status, trimmed
---@field outer table[]  the envelopes that were around the task

--- Reads an answer.
---@param answer table
---@param null any
---@param id string?  that was asked for
---@return sora.layers
function M.of(answer, null, id)
  local outer = {}
  local task, word = open(answer, null, id, outer, 1)
  local layers = { task, null = null, word = word, outer = outer }
  add_raw_answers(layers, task)
  for _, envelope in ipairs(outer) do layers[#layers + 1] = envelope end
  return layers
end

--- The id that the task itself, or what is around it, names. A `request_id` is mostly that of the
-- question, and so the last resort.
local REQUEST_ID = places.compile "request_id"
local IDS = places.compile "id task_id video_id job_id generation_id output.task_id detail.id"

--- The id of a task, without what may be that of the question.
---@param layers sora.layers
---@return string?
function M.own_id(layers) return places.find(layers, IDS, text.as_id) end

---@param layers sora.layers
---@return string?
function M.id(layers)
  return M.own_id(layers) or places.find(layers, REQUEST_ID, text.as_id)
end

return M

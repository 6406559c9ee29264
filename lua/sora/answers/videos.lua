--- Where services put the video, the preferred place first. Inputs (images, references) and
-- thumbnails are in none of these places: nothing is searched for, everything is looked up.

local core = require "sora.core"
local places = require "sora.answers.places"
local text = require "sora.answers.text"
local urls = require "sora.answers.urls"

local M = {}

local MOST, ELEMENTS = 500, 32 -- values, and elements of a list, that are looked at around a URL

--- In an object that describes a task.
local CLEAN = [[
  no_watermark_url no_watermark_video_url video_url_no_watermark url_no_watermark
  unwatermarked_url unwatermarked_video_url watermark_free_url without_watermark_url clean_url
  nwm_video_url nwm_url download_urls.no_watermark detail.download_urls.no_watermark
  detail.draft_info.download_urls.no_watermark
  detail.draft_info.encodings.source_no_watermark.path]]
local NAMED = [[
  upsample_video_url video_url]]
local BARE = "url"
local OTHERS = [[
  result_url output.url output.video_url output result.video_url result.url
  detail.upsample_video_url detail.url detail.video_url detail.draft_info.downloadable_url
  detail.draft_info.url detail.draft_info.encodings.source.path
  download_url downloadable_url output_url file_url play_url hd_video_url
  video_urls unsigned_urls urls output_urls result_urls video videos data[] outputs result
  results creations generations generated_videos generated_samples artifacts works clips samples
  content task_result assets file files metadata result_json
  response response.generate_video_response detail.video_urls detail.videos detail.video
  detail.result detail.output detail.generations
  watermarked_url watermark_url watermark_video_url video_url_watermark
  detail.draft_info.encodings.source_wm.path]]

--- The relay's own result, in the field for what went wrong: of tasks that have succeeded.
local SUCCEEDED = "fail_reason"

local WITH_BARE = places.compile(CLEAN .. NAMED .. " " .. BARE .. " " .. OTHERS)
local WITHOUT_BARE = places.compile(CLEAN .. NAMED .. " " .. OTHERS)
local OF_SUCCEEDED = places.compile(CLEAN .. NAMED .. " " .. BARE .. " " .. OTHERS
  .. " " .. SUCCEEDED)

--- In an object that describes a video, which lies in one of those places.
local OF_VIDEO = places.compile([[
  no_watermark_url url_no_watermark no_watermark unwatermarked_url watermark_free_url clean_url
  video_url url download_url downloadable_url output_url result_url file_url play_url uri src href
  upsample_video_url video_urls urls output_urls result_urls video videos files file resource data[]
  generated_samples output encodings.source.path watermarked_url watermark_url]])

--- What an element of a list says of itself where it is no video of ours.
local OTHER_KINDS = {
  "image", "audio", "thumb", "cover", "poster", "preview", "input", "reference", "frame",
  "subtitle",
}
local KIND = places.compile "type kind role media_type mime_type content_type file_type asset_type"
local WATERMARKED = places.compile "watermark watermarked has_watermark is_watermarked"
local PICTURES = { png = true, jpg = true, jpeg = true, webp = true, gif = true, bmp = true,
  avif = true, heic = true, svg = true }

local function is_other_kind(value)
  local kind = type(value) == "string" and text.lower(value)
  for _, part in ipairs(kind and OTHER_KINDS or {}) do
    if kind:find(part, 1, true) then return true end
  end
  return nil
end

local function is_true(value) return value == true or nil end

--- Whether a URL is that of a picture, by its end. A field that is named after a video is believed.
local function is_picture(url, name)
  local extension = not name:find("video", 1, true) and url:match("^[^?#]*%.([A-Za-z]+)")
  return extension and PICTURES[text.lower(extension)] or false
end

--- A function that takes what lies in a place: a URL, or a list or an object around it, or the JSON
-- text of one.
local function reader(relay)
  local read

  local function read_list(list, null, budget)
    local last -- a copy with a watermark
    for i = 1, math.min(#list, ELEMENTS) do
      local element = list[i]
      local url = read(element, null, "", budget)
      if url then
        local marked = type(element) == "table"
          and places.find_in(element, WATERMARKED, is_true, null)
        if not marked then return url end
        last = last or url
      end
    end
    return last
  end

  local function read_object(object, null, budget)
    if places.find_in(object, KIND, is_other_kind, null) then return nil end
    return places.find_in(object, OF_VIDEO, function(value, _, name)
      return read(value, null, name, budget)
    end, null)
  end

  local function read_text(value, name, budget)
    local json = value:find("^[ \t\r\n]*[{%[]") and core.decode(value)
    if type(json) == "table" then return read(json, nil, name, budget) end
    local url = urls.as_url(value, relay)
    return url and not is_picture(url, name) and url or nil
  end

  function read(value, null, name, budget)
    budget.left = budget.left - 1
    if budget.left < 0 then return nil end
    if type(value) == "string" then return read_text(value, name, budget) end
    if text.is_list(value) then return read_list(value, null, budget) end
    if type(value) == "table" then return read_object(value, null, budget) end
    return nil
  end

  return function(value, null, name) return read(value, null, name, { left = MOST }) end
end

--- Where a path counts as a URL, though nobody knows of which relay.
local SOME_RELAY = reader "https://relay.invalid"

--- The URL of the video.
---@param layers table
---@param relay string?
---@param succeeded boolean  whether the service says so
---@return string?
function M.url(layers, relay, succeeded)
  return places.find(layers, succeeded and OF_SUCCEEDED or WITH_BARE, reader(relay))
end

--- Whether there is one.
---@param layers table
---@return boolean
function M.has(layers) return places.find(layers, WITH_BARE, SOME_RELAY) ~= nil end

--- Whether there is one, other than at a bare `url`: that can be a link to the task itself.
---@param layers table
---@return boolean
function M.has_beside_bare(layers)
  return places.find(layers, WITHOUT_BARE, SOME_RELAY) ~= nil
end

--- Whether a table, by itself, names a video.
---@param object table
---@param null any
---@return boolean
function M.is_in(object, null)
  return places.find_in(object, WITH_BARE, SOME_RELAY, null) ~= nil
end

return M

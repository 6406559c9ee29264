--- Why a task failed, in the order of preference, and the services' codes for it.

local places = require "sora.answers.places"
local reasons = require "sora.answers.reasons"
local text = require "sora.answers.text"
local urls = require "sora.answers.urls"

local M = {}

local REASONS = places.compile [[
  error fail_reason failure_reason detail.failure_reason detail.pending_info.failure_reason
  detail.draft_info.reason_str error_message error_msg detail.error_message detail.error_msg
  video_generation_error detail.video_generation_error detail.error errors task_status_msg
  status_msg fail_msg failure_message failure_msg err_msg errmsg reason status_reason
  status_message error_detail error_details output.message output.error result.error
  metadata.error task_result.error base_resp.status_msg error_info
  detail.message]]

--- New APIs put the reason of a failed task where the URL of a good one is.
local NOT_A_URL = places.compile "metadata.url result_url"

--- Anything can be here, so these come last.
local LAST = places.compile [[
  detail[] detail message msg message_zh failure info description]]

local CODES = places.compile [[
  error.code error_code err_code errcode fail_code failure_code output.code detail.error_code
  detail.pending_info.moderation_result.code base_resp.status_code code]]

local function as_reason(value, null)
  local reason, code = reasons.read(value, null)
  return reason, code
end

local function as_text_reason(value, null)
  if type(value) ~= "string" or urls.as_url(value, "https://relay.invalid") then return nil end
  return as_reason(value, null)
end

--- `detail` is mostly an object full of other things.
local function as_plain_reason(value, null)
  if type(value) == "table" and not text.is_list(value) then return nil end
  return as_reason(value, null)
end

local function as_code(value)
  if type(value) == "string" then
    local code = text.as_text(value)
    return code and not text.is_polite(code) and code or nil
  end
  local code = text.as_number(value)
  return code ~= 0 and code ~= 200 and code or nil
end

---@param layers sora.layers
---@return string? reason
---@return string|number|nil code  of that reason, the innermost
function M.reason(layers)
  local reason, code = places.find(layers, REASONS, as_reason)
  if not reason then reason, code = places.find(layers, NOT_A_URL, as_text_reason) end
  if not reason then reason, code = places.find(layers, LAST, as_plain_reason) end
  return reason, code
end

---@param layers sora.layers
---@return string|number|nil
function M.code(layers)
  local _, code = M.reason(layers)
  return as_code(code) or places.find(layers, CODES, as_code)
end

--- What says that a video was made and is kept back.
local MODERATED = {
  { places.compile [[
      respect_moderation video.respect_moderation videos.1.respect_moderation]], false },
  { places.compile [[
      moderated is_moderated content_moderated video.moderated video.is_moderated moderation_blocked
      nsfw is_nsfw content_filtered moderation.blocked moderation.flagged blocked is_blocked
      moderation_result.is_output_rejection]], true },
}
--- Places of words that say so, and what such a word holds.
local VERDICTS = places.compile [[
  finish_reason moderation_status moderation.status moderation_result.type
  detail.pending_info.moderation_result.type detail.draft_info.kind]]
local BAD = { "moderat", "violation", "block", "filter", "safety", "reject", "nsfw" }
local FILTERED = places.compile [[
  rai_media_filtered_count response.rai_media_filtered_count
  response.generate_video_response.rai_media_filtered_count]]
local FILTERED_FOR = places.compile [[
  rai_media_filtered_reasons response.rai_media_filtered_reasons
  response.generate_video_response.rai_media_filtered_reasons moderation_reason
  moderation_message moderation.reason moderation.message video.moderation_reason
  detail.draft_info.reason_str]]

local function as_bad_verdict(value)
  local word = type(value) == "string" and text.lower(value)
  for _, part in ipairs(word and BAD or {}) do
    if word:find(part, 1, true) then return true end
  end
  return nil
end

local function is_moderated(layers)
  for _, row in ipairs(MODERATED) do
    local paths, bad = row[1], row[2]
    if places.find(layers, paths, function(value) return value == bad or nil end) then
      return true
    end
  end
  if places.find(layers, VERDICTS, as_bad_verdict) then return true end
  return (places.find(layers, FILTERED, text.as_number) or 0) > 0
end

--- What the service says of a video that it keeps back for its contents; nil: it does not.
---@param layers sora.layers
---@return string?
function M.moderation(layers)
  if not is_moderated(layers) then return nil end
  local reason = places.find(layers, FILTERED_FOR, as_reason)
  return "moderated: " .. (reason or "the service keeps the video back for its contents")
end

return M

--- How far a task is: where services say so, and in which units.

local places = require "sora.answers.places"
local text = require "sora.answers.text"

local M = {}

local FRACTION = places.compile [[
  detail.pending_info.progress_pct progress_pct detail.progress_pct]]
local PERCENT = places.compile [[
  progress detail.progress detail.pending_info.progress progress_percent progress_percentage
  percent percentage percent_complete task_progress output.progress video.progress result.progress
  metadata.progress task_result.progress]]
--- In an object that is a progress.
local IN_PROGRESS = places.compile "percent percentage progress value pct"
local DONE, ALL = places.compile "current done completed", places.compile "total"

local function clamp(number) return math.max(0, math.min(1, number)) end

local function as_part(part, whole)
  return part and whole and whole > 0 and clamp(part / whole) or nil
end

--- Progress by the unit that the field's name implies; a percent sign or "of how many" overrides
-- it, the size never does.
local function as_progress(value, unit)
  if type(value) ~= "string" then
    local number = text.as_number(value)
    return number and clamp(number / unit)
  elseif #value > 40 then
    return nil
  end
  local part, whole = value:match("^([^/]*)/([^/]*)$")
  if part then
    return as_part(text.as_number(part), text.as_number(whole))
  end
  local percent = value:gsub("％", "%%"):match("^(.-)%%[ \t\r\n]*$")
  local number = text.as_number(percent or value)
  return number and clamp(number / (percent and 100 or unit))
end

local function as_fraction(value) return as_progress(value, 1) end

local function as_plain_percent(value) return as_progress(value, 100) end

local function as_percent(value, null)
  if type(value) ~= "table" then return as_plain_percent(value) end
  local percent = places.find_in(value, IN_PROGRESS, as_plain_percent, null)
  return percent or as_part(places.find_in(value, DONE, text.as_number, null),
    places.find_in(value, ALL, text.as_number, null))
end

--- How far a task is, as far as its service says.
---@param layers sora.layers
---@return number?  0..1
function M.of(layers)
  return places.find(layers, FRACTION, as_fraction) or places.find(layers, PERCENT, as_percent)
end

return M

--- What went wrong, from whatever a service has for it: a text, an object, a list of either, or
-- JSON (or what a Python program prints in its place) inside of a text, as deep as it goes.

local core = require "sora.core"
local places = require "sora.answers.places"
local text = require "sora.answers.text"

local M = {}

local MOST = 200          -- fields that are looked at, however they are nested
local ELEMENTS = 3        -- of a list of reasons
local TRIES = 4           -- at JSON inside of a text
local LONGEST = 64 * 1024 -- bytes of a text that is looked into

--- Fields of an error object, the preferred ones first.
local TEXTS = places.compile [[
  message msg error_message error_msg err_msg errmsg fail_reason fail_msg failure_reason reason
  status_msg status_message detail details description message_en message_zh message_cn msg_zh
  zh_message]]
local INNER = places.compile "error errors err inner_error cause data"
local CODES = places.compile "code error_code err_code errcode status_code fail_code"
local NAME, TYPE = places.compile "name", places.compile "type"

local read

local function as_code(value)
  if type(value) == "number" then return value == value and value or nil end
  return text.as_text(value)
end

--- What names an error that has no text: a name, a code, a type.
local function name_of(object, code, null)
  if type(code) == "number" then code = text.digits(code) end
  local name = places.find_in(object, NAME, text.as_text, null) or code
    or places.find_in(object, TYPE, text.as_text, null)
  return name and not text.is_polite(name) and name or nil
end

local function read_object(object, null, budget)
  local function read_field(value) return read(value, null, budget) end
  local own = places.find_in(object, CODES, as_code, null)
  local reason, code = places.find_in(object, TEXTS, read_field, null)
  if not reason then reason, code = places.find_in(object, INNER, read_field, null) end
  if not reason then return name_of(object, own, null), own end
  return reason, code == nil and own or code
end

local function read_list(list, null, budget)
  local reasons, seen, first = {}, {}, nil
  for i = 1, math.min(#list, ELEMENTS) do
    local reason, code = read(list[i], null, budget)
    first = first or code
    if reason and not seen[reason] then
      seen[reason] = true
      reasons[#reasons + 1] = reason
    end
  end
  return reasons[1] and table.concat(reasons, "; "), first
end

--- The value of a quoted field in what is no JSON: it was cut off, or printed by Python.
local function quoted(said, name)
  local _, value = said:match("[\"']" .. name .. "[\"'] *: *([\"'])(.-)%1")
  return value and text.trim(value)
end

--- What JSON inside of a text says.
local function read_json(said, budget)
  if #said > LONGEST then return nil end
  local from = 1
  for _ = 1, TRIES do
    local at = said:find("[{%[]", from)
    if not at then return nil end
    local json = said:match("^%b{}", at) or said:match("^%b[]", at)
    local value = json and core.decode(json)
    if type(value) == "table" then
      local reason, code = read(value, nil, budget)
      if reason or code then return reason, code end
    end
    from = at + 1
  end
  return nil
end

local function read_text(said, budget)
  if text.is_polite(said) then return nil end
  if not said:find("[{%[]") then return said end
  local reason, code = read_json(said, budget)
  if not reason and said:find("{", 1, true) and #said <= LONGEST then
    reason, code = quoted(said, "message") or quoted(said, "msg"), code or quoted(said, "code")
  end
  return reason or said, code
end

function read(value, null, budget)
  budget.left = budget.left - 1
  if budget.left < 0 then return nil end
  if type(value) == "string" then
    local said = text.trim(value)
    if said then return read_text(said, budget) end
  elseif text.is_list(value) then
    return read_list(value, null, budget)
  elseif type(value) == "table" then
    return read_object(value, null, budget)
  end
  return nil
end

--- Reads one field.
---@param value any
---@param null any  what nulls have become
---@return string? reason  trimmed
---@return string|number|nil code  the innermost
function M.read(value, null) return read(value, null, { left = MOST }) end

return M

--- What went wrong, from whatever a service has for it: a text, an object, a list of either, or
-- JSON (or what a Python program prints in its place) inside of a text, as deep as it goes.

local core = require "sora.core"
local text = require "sora.answers.text"

local M = {}

local MOST = 200          -- fields that are looked at, however they are nested
local ELEMENTS = 3        -- of a list of reasons
local TRIES = 4           -- at JSON inside of a text
local LONGEST = 64 * 1024 -- bytes of a text that is looked into

local function names(list)
  local all = {}
  for name in list:gmatch("%S+") do
    local camel = text.camel(name)
    all[#all + 1] = name
    if camel ~= name then all[#all + 1] = camel end
    all[#all + 1] = text.capital(camel)
  end
  return all
end

--- Fields of an error object, the preferred ones first.
local TEXTS = names [[
  message msg error_message error_msg err_msg errmsg fail_reason fail_msg failure_reason reason
  status_msg status_message detail details description message_en message_zh message_cn msg_zh
  zh_message]]
local INNER = names "error errors err inner_error cause data"
local CODES = names "code error_code err_code errcode status_code fail_code"

local read

--- The code beside a reason, as it stands there.
local function code_in(object, null)
  for _, name in ipairs(CODES) do
    local value = object[name]
    if null == nil or not rawequal(value, null) then
      local code = text.as_text(value) or (type(value) == "number" and value == value and value)
      if code then return code end
    end
  end
  return nil
end

local function read_fields(object, fields, null, budget)
  local code
  for _, name in ipairs(fields) do
    local value = object[name]
    if value ~= nil and (null == nil or not rawequal(value, null)) then
      local reason, inner = read(value, null, budget)
      if reason then return reason, inner end
      code = code or inner
    end
  end
  return nil, code
end

--- What names an error that has no text: a name, a code, a type.
local function name_of(object, code)
  local name = text.as_text(object.name)
  local kind = text.as_text(object.type) or text.as_text(object.Type)
  if type(code) == "number" then code = text.digits(code) end
  return name or code or kind
end

local function read_object(object, null, budget)
  local own = code_in(object, null)
  local reason, code = read_fields(object, TEXTS, null, budget)
  if not reason then
    local deeper
    reason, deeper = read_fields(object, INNER, null, budget)
    code = deeper or code
  end
  code = code or own
  local named = not reason and name_of(object, code)
  return reason or (named and not text.is_polite(named) and named) or nil, code
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
  local _, value = said:match("[\"']" .. name .. "[\"']%s*:%s*([\"'])(.-)%1")
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
  if not said:find("[{%[\\]") then return said end
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

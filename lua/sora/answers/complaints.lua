--- Errors of the service's own in an answer that tells of no task, with any status of HTTP.

local layers = require "sora.answers.layers"
local places = require "sora.answers.places"
local reasons = require "sora.answers.reasons"
local text = require "sora.answers.text"
local videos = require "sora.answers.videos"

local M = {}

--- What is said of an envelope with nothing in it.
M.NO_TASK = "the answer holds no task"

--- Nothing but an error is in these.
local ERRORS = places.compile [[
  error errors err error_info response_metadata.error response.error fault exception]]
local CODES = places.compile [[
  code err_code errcode error_code err_no errno ret base_resp.status_code result_code ret_code
  status_code]]
local ERROR_TEXTS = places.compile [[
  err_msg errmsg error_msg error_message base_resp.status_msg message msg]]
local ONLY_ERROR_TEXTS = places.compile "err_msg errmsg error_msg error_message"
local OTHER_TEXTS = places.compile [[
  detail[] detail title reason message_zh fail_reason description error_description status_msg
  info]]
local KINDS = places.compile "error.type"
local FLAGS = places.compile "success status ok"
local DATA = places.compile "data"
local LISTS = places.compile [[
  data items list tasks records data.items data.list data.tasks data.records data.data]]
local MESSAGES = places.compile "message msg base_resp.status_msg"
local DETAIL = places.compile "detail[] detail"

--- Codes that are as good as none. Others count as success beside a word of success.
local SUCCESS = { [0] = true, [200] = true, [201] = true, [202] = true, [10000] = true }

--- What a code holds after which asking again is of no use.
local FINAL = {
  "notexist", "notfound", "nosuch", "unknowntask", "failtofetchtask", "invalid", "unauthorized",
  "forbidden", "insufficient", "denied",
}

--- What a code holds that says that there is no such task.
local MISSING = { "notexist", "notfound", "nosuch", "failtofetchtask", "unknowntask" }

--- "No such task", in the languages in which it is said; ASCII is in lower case.
local NO_SUCH_TASK = {
  "not exist", "n't exist", "not found", "no such", "unknown task", "could not find",
  "couldn't find", "cannot find", "can't find", "task_not_exist", "task_not_found",
  "不存在", "未找到", "找不到", "没有找到", "沒有找到", "查无", "查無", "無此", "无此", "没有此", "无效的任务",
  "見つかりません", "存在しません", "찾을 수 없", "존재하지 않", "не найден", "не существует",
  "no encontrad", "no se encontr", "no existe", "não encontrad", "não existe", "introuvable",
  "n'existe pas", "nicht gefunden", "existiert nicht", "non trovat", "non esiste", "niet gevonden",
  "không tồn tại", "không tìm thấy", "tidak ditemukan", "bulunamadı", "nie znaleziono",
  "غير موجود", "ไม่พบ",
}

local function contains(said, parts)
  for _, part in ipairs(parts) do
    if said:find(part, 1, true) then return true end
  end
  return false
end

--- "TaskNotFound" and "task_not_found" as "tasknotfound".
local function bare(code) return (text.lower(code):gsub("[ _.-]", "")) end

local function is_missing_code(code)
  if text.as_number(code) == 404 then return true end
  return type(code) == "string" and contains(bare(code), MISSING)
end

local function says_missing(message)
  return message ~= nil and contains(text.lower(message), NO_SUCH_TASK)
end

local function is_final_code(code)
  local number = text.as_number(code)
  if number then
    return number >= 400 and number < 500 and number ~= 408 and number ~= 425 and number ~= 429
  end
  return type(code) == "string" and contains(bare(code), FINAL)
end

-- Values

local function as_code(value)
  if type(value) == "number" then return value == value and value or nil end
  return text.as_text(value)
end

local function is_success(code)
  local number = text.as_number(code)
  if number then return SUCCESS[number] or false end
  return text.is_polite(code)
end

--- `success: false`, a status that is false, or one of HTTP.
local function as_unhappy(value)
  if type(value) == "string" and text.lower(value) == "false" then return true end
  local number = text.as_number(value)
  return value == false or (number and number >= 400 and number < 600) or nil
end

local function as_status_of_http(value)
  local number = type(value) ~= "boolean" and text.as_number(value)
  return number and number >= 400 and number < 600 and number or nil
end

local function as_empty(value)
  return type(value) == "table" and next(value) == nil or nil
end

local function as_table(value) return type(value) == "table" and value or nil end

local function is_true(value) return value == true or nil end

local function as_detail(value, null)
  if type(value) == "table" and not text.is_list(value) then return nil end
  return reasons.read(value, null)
end

local function as_polite(value)
  local said = text.as_text(value)
  return said and text.is_polite(said) or nil
end

--- What the service says, and its innermost code.
---@param answer table
---@param null any
---@return string? message
---@return string|number|nil code
function M.text(answer, null)
  local message, code
  -- beside a status of HTTP, `error` is no more than its phrase
  local of_http = places.find_in(answer, FLAGS, as_status_of_http, null)
  if of_http then message, code = places.find_in(answer, ERROR_TEXTS, reasons.read, null) end
  if not message then message, code = places.find_in(answer, ERRORS, reasons.read, null) end
  if not message then message, code = places.find_in(answer, ERROR_TEXTS, reasons.read, null) end
  if not message then message, code = places.find_in(answer, OTHER_TEXTS, as_detail, null) end
  if code == nil then
    code = places.find_in(answer, ERRORS, function(value)
      local _, inner = reasons.read(value, null)
      return inner
    end, null)
  end
  if code == nil then code = places.find_in(answer, CODES, as_code, null) end
  return message, code == nil and of_http or code
end

--- Whether the answer, which has no word for a status, is an error.
local function is_complaint(answer, null, has_task)
  local message, code = places.find_in(answer, ERRORS, function(value)
    local said, number = reasons.read(value, null)
    local bad = number ~= nil and not is_success(number)
    return said or (bad and "" or nil), number
  end, null)
  if message or code then return true end
  if places.find_in(answer, FLAGS, as_unhappy, null) then return true end
  if places.find_in(answer, ERRORS, is_true, null) then return true end
  local task_in_data = has_task and places.find_in(answer, DATA, as_table, null)
  code = places.find_in(answer, CODES, as_code, null)
  if code and not is_success(code) and not task_in_data
      and not places.find_in(answer, MESSAGES, as_polite, null) then
    return true
  end
  if has_task then return false end
  return places.find_in(answer, ONLY_ERROR_TEXTS, reasons.read, null) ~= nil
    or places.find_in(answer, DETAIL, as_detail, null) ~= nil
    or says_missing((M.text(answer, null)))
end

--- Whether there is an envelope, and nothing in it.
local function is_empty(answer, null, has_task)
  if has_task then return false end
  if places.find_in(answer, LISTS, as_empty, null) then return true end
  local code = places.find_in(answer, CODES, as_code, null)
  return code ~= nil and is_success(code) and not places.find_in(answer, DATA, as_table, null)
end

---@class sora.complaint
---@field message string?  nil: nothing was said
---@field code string|number|nil
---@field final boolean  asking again is of no use
---@field missing boolean  the service says that it has no such task

--- What an answer says of an error, for one with a bad status of HTTP.
---@param answer table
---@param null any
---@return sora.complaint
function M.of(answer, null)
  if text.is_list(answer) then
    answer = type(answer[1]) == "table" and answer[1] or {}
  end
  local message, code = M.text(answer, null)
  local outer = places.find_in(answer, CODES, as_code, null)
  local kind = places.find_in(answer, KINDS, text.as_text, null)
  local missing = is_missing_code(code) or is_missing_code(outer) or says_missing(message)
  if code ~= nil and is_success(code) then code = nil end
  return {
    message = message, code = code, missing = missing,
    final = missing or is_final_code(code) or is_final_code(outer) or is_final_code(kind),
  }
end

--- The same for an answer with a good status of HTTP; nil: it does not complain.
---@param answer table
---@param null any
---@param view sora.layers
---@return sora.complaint?
function M.find(answer, null, view)
  local has_task = layers.own_id(view) ~= nil or videos.has(view)
  if is_complaint(answer, null, has_task) then return M.of(answer, null) end
  if is_empty(answer, null, has_task) then
    return { message = M.NO_TASK, final = false, missing = false }
  end
  return nil
end

return M

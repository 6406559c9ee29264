--- What is sent to make a task: checked, with the pictures in it, as JSON or as a form.
--
-- Whatever is wrong is found here, before anything is sent. The body that was given stays as it is.

local core = require "sora.core"

local M = {}

--- Bytes of a picture that becomes part of the JSON, and of a file that is streamed.
local MOST_PICTURE, MOST_FILE = 20 * 1024 * 1024, 512 * 1024 * 1024

--- The metatable of a list: without values it is encoded as [] all the same.
local ARRAY = { __jsontype = "array" }

--- A longer text is no path of a file: some services take bare base64.
local LONGEST_PATH = 4096

--- What is wrong: a kind of error and a message.
---@alias sora.fault { kind: string, message: string }

local function fault(kind, format, ...)
  return { kind = kind, message = format:format(...) }
end

-- Pictures

local function is_path(text)
  return #text <= LONGEST_PATH and not text:find "^[A-Za-z][A-Za-z0-9+.-]*://"
    and not text:find "^[Dd][Aa][Tt][Aa]:"
end

local function has_path(images)
  for _, image in ipairs(type(images) == "table" and images or { images }) do
    if type(image) == "string" and is_path(image) then return true end
  end
  return false
end

--- A picture, or where it is a path a data URI with what is in the file.
local function embed(image, name)
  if type(image) ~= "string" or not is_path(image) then return image end
  if image == "" or image:find "%z" then
    return nil, fault("io", "%s: path of a file expected", name)
  end
  local uri, kind, what = core.data_uri(image, MOST_PICTURE)
  if uri then return uri end
  if kind == "too_large" then
    what = ("is larger than %d MiB"):format(MOST_PICTURE / 1024 / 1024)
  end
  return nil, fault(kind, "%s: %s: %s", name, image, what)
end

--- The body with data URIs in the place of paths among its `images`.
---@param body table
---@return table? body
---@return sora.fault?
local function with_pictures(body)
  local images = body.images
  local empty = type(images) == "table" and next(images) == nil
  if not empty and not has_path(images) then return body end
  local copy = {}
  for name, value in pairs(body) do copy[name] = value end
  local list = type(images) == "table" and setmetatable({}, ARRAY) or nil
  for i, image in ipairs(list and images or { images }) do
    local uri, wrong = embed(image, list and ("images[%d]"):format(i) or "images")
    if wrong then return nil, wrong end
    if list then list[i] = uri else copy.images = uri end
  end
  copy.images = list or copy.images
  return copy
end

-- The body

--- A body as a table: one that is a text is decoded.
---@param body table|string
---@return table? body
---@return sora.fault?
local function as_table(body)
  if type(body) == "table" then return body end
  local decoded, err = core.decode(body, { null = core.null })
  if err then return nil, fault("decode", "body: %s", err.message) end
  if type(decoded) ~= "table" or not body:find "^[ \t\r\n]*{" then
    return nil, fault("decode", "body: a JSON object expected")
  end
  return decoded
end

local function is_filled(value)
  return type(value) == "string" and value:find "[^ \t\r\n]" ~= nil
end

local function encode(value, name)
  local text, err = core.encode(value)
  if text then return text end
  return nil, fault("decode", "%s: %s", name, err.message)
end

--- The fields of a form, in the order of their names: { name, text }.
---@param body table
---@return table[]? fields
---@return sora.fault?
local function fields_of(body)
  local fields = {}
  for name, value in pairs(body) do
    if type(name) ~= "string" then return nil, fault("decode", "body: names expected in a form") end
    if value ~= core.null then
      local text, wrong = value, nil
      if type(value) ~= "string" then text, wrong = encode(value, "body." .. name) end
      if wrong then return nil, wrong end
      fields[#fields + 1] = { name, text }
    end
  end
  table.sort(fields, function(a, b) return a[1] < b[1] end)
  return fields
end

--- The files of a form, in the order of their names: { name, path, most }.
local function files_of(files)
  local list = {}
  for name, path in pairs(files) do
    if type(name) ~= "string" or name == "" or name:find '[%z\1-\31\127"]' then
      return nil, fault("io", "files: a name of a field expected")
    elseif type(path) ~= "string" or path == "" or path:find "%z" then
      return nil, fault("io", "files.%s: path of a file expected", name)
    end
    list[#list + 1] = { name, path, MOST_FILE }
  end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return list
end

--- What is sent: `body`, a text of JSON, or `fields` and `files` of a form.
---@class sora.payload
---@field body string?
---@field fields table[]?
---@field files table[]?

--- Any body: a table becomes JSON, a text is sent as it is.
---@param body any  nil: none
---@param files table<string, string>?
---@return sora.payload? payload
---@return sora.fault?
function M.of(body, files)
  if not files or not next(files) then
    if body == nil or type(body) == "string" then return { body = body } end
    local text, wrong = encode(body, "body")
    return text and { body = text }, wrong
  end
  local given, wrong = as_table(body == nil and {} or body)
  if not given then return nil, wrong end
  local fields, list
  fields, wrong = fields_of(given)
  if not fields then return nil, wrong end
  list, wrong = files_of(files)
  if not list then return nil, wrong end
  return { fields = fields, files = list }
end

--- The body of a new task.
---@param body table|string
---@param files table<string, string>?
---@return sora.payload? payload
---@return sora.fault|string? model  of the task; nil and what is wrong
function M.of_task(body, files)
  local given, wrong = as_table(body)
  if not given then return nil, wrong end
  for _, name in ipairs { "model", "prompt" } do
    if not is_filled(given[name]) then
      return nil, fault("api", "body: the field '%s' is missing: a string expected", name)
    end
  end
  local whole
  whole, wrong = with_pictures(given)
  if not whole then return nil, wrong end
  local payload
  payload, wrong = M.of(whole == given and body or whole, files)
  if not payload then return nil, wrong end
  return payload, given.model
end

return M

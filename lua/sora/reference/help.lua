--- `sora.help`: pages for the REPL, made from the annotations.

local annotations = require "sora.reference.annotations"

local M = {}

local COLUMNS = 80

-- Pages -------------------------------------------------------------------------------------------

--- Breaks paragraphs into lines; `hang` is what the further ones begin with.
local function wrap(text, first, hang)
  local lines = {}
  for paragraph in (text .. "\n\n"):gmatch "(.-)\n\n" do
    local line = first
    for word in paragraph:gmatch "%S+" do
      if #line + #word > COLUMNS and line:find "%S" then
        lines[#lines + 1] = line:match "^(.-)%s*$"
        line = hang
      end
      line = line .. word .. " "
    end
    lines[#lines + 1] = line:match "^(.-)%s*$"
    first = hang
  end
  return table.concat(lines, "\n")
end

--- Lines of a name and what is said of it, the names being as wide as the widest.
local function columns(list)
  local width, lines = 0, {}
  for _, row in ipairs(list) do width = math.max(width, math.min(#row[1], 36)) end
  for _, row in ipairs(list) do
    local name = "  " .. row[1] .. (" "):rep(width - #row[1]) .. "  "
    lines[#lines + 1] = wrap(row[2], name, (" "):rep(width + 4))
  end
  return table.concat(lines, "\n")
end

local function rows_of(items)
  local rows = {}
  for _, row in ipairs(items) do
    local said = row.text ~= "" and row.type .. ": " .. row.text or row.type
    rows[#rows + 1] = { row.name or "", said }
  end
  return rows
end

--- What a class or an alias holds; with `inherited`, also what it has from others.
local function class_page(entry, inherited)
  local parts = { wrap(entry.text, "", "") }
  if entry.type and entry.type ~= "" then parts[#parts + 1] = wrap(entry.type, "  ", "    ") end
  local rows = rows_of(entry.fields)
  for _, value in ipairs(entry.values) do rows[#rows + 1] = { value.name, value.text } end
  if #rows > 0 then parts[#parts + 1] = columns(rows) end
  for i, parent in ipairs(annotations.lineage(entry.name)) do
    if i > 1 and inherited and #parent.fields > 0 then
      parts[#parts + 1] = class_page(parent)
    end
  end
  return table.concat(parts, "\n\n")
end

local function function_page(entry)
  local parts = { annotations.signature(entry), wrap(entry.text, "  ", "  ") }
  if #entry.params > 0 then parts[#parts + 1] = columns(rows_of(entry.params)) end
  if #entry.returns > 0 then parts[#parts + 1] = "Returns\n" .. columns(rows_of(entry.returns)) end
  for _, param in ipairs(entry.params) do
    if param.type:find "_options$" then
      parts[#parts + 1] = ('Options: sora.help "%s"'):format(param.type:match "[%w_]+$")
    end
  end
  return table.concat(parts, "\n\n")
end

--- Functions in a line each.
local function list_functions(pattern)
  local rows = {}
  for _, entry in ipairs(annotations.entries()) do
    if entry.kind == "function" and entry.name:find(pattern) then
      local call = entry.name .. "(" .. entry.arguments .. ")"
      rows[#rows + 1] = { call, annotations.summary(entry.text) }
    end
  end
  return columns(rows)
end

local function overview()
  return list_functions "^sora%." .. "\n\n" .. wrap([[More: sora.help "wait", or the name of any
    function, option or kind of error; sora.help "client", "options", "task", "info", "errors".]],
    "", "")
end

--- Pages about a field or a value: wherever one of that name is.
local function item_page(name)
  local parts = {}
  for _, entry in ipairs(annotations.entries()) do
    for _, list in ipairs { entry.fields, entry.values } do
      for _, found in ipairs(list) do
        if found.name == name then
          local kind = found.type and found.type .. ": " or ""
          parts[#parts + 1] = wrap(annotations.summary(entry.text), "", "")
            .. "\n" .. columns { { name, kind .. found.text } }
        end
      end
    end
  end
  return parts[1] and table.concat(parts, "\n\n")
end

local GROUPS = { options = "_options$", errors = "^sora%.error" }

local function group_page(pattern)
  local parts = {}
  for _, entry in ipairs(annotations.entries()) do
    if entry.kind ~= "function" and entry.name:find(pattern) then
      parts[#parts + 1] = class_page(entry)
    end
  end
  return table.concat(parts, "\n\n")
end

--- The page about a topic, or all topics in a line each.
---@param topic string?
---@return string? page  nil when there is no such topic
function M.page(topic)
  if not annotations.entries() then return "The reference is not installed beside the module." end
  if not topic then return overview() end
  local name = topic:gsub("^sora[.:]", ""):gsub("%(.*$", "")
  if GROUPS[name] then return group_page(GROUPS[name]) end
  local entry = annotations.entry("sora." .. name) or annotations.entry(name)
  if not entry then return item_page(name) end
  local page = entry.kind == "function" and function_page(entry) or class_page(entry, true)
  local methods = list_functions("^" .. name .. "[.:]")
  return methods == "" and page or page .. "\n\n" .. methods
end

--- sora.help(topic)
---@param topic string?
function M.help(topic)
  if topic ~= nil and type(topic) ~= "string" then
    error(("bad argument #1 to 'help' (string expected, got %s)"):format(type(topic)), 3)
  end
  print(M.page(topic) or ("Nothing is known of '%s'. sora.help() lists what is."):format(topic))
end

return M

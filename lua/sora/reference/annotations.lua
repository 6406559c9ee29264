--- The annotations in api.lua, types.lua, api_fleet.lua and api_hosts.lua, read as text: what
-- `sora.help` and `make docs` render.
--
-- Understands as much of LuaLS's annotations as these use, and knows nothing of what they say.

local sources = require "sora.hosts.sources"

local M = {}

local SOURCES = { "sora.reference.api", "sora.reference.types", "sora.reference.api_fleet",
  "sora.reference.api_hosts" }

--- "name type  text" of a @field or @param.
local function item(text)
  local name, rest = text:match "^(%S+) (.*)$"
  local kind, said = rest:match "^(.-)  (.*)$"
  return { name = (name:gsub("%?$", "")), optional = name:sub(-1) == "?", type = kind or rest,
    text = said or "" }
end

--- "type name  text" of a @return.
local function outcome(text)
  local head, said = text:match "^(.-)  (.*)$"
  head = head or text
  local kind, name = head:match "^(.+) ([%w_.]+)$"
  return { type = kind or head, name = name, text = said or "" }
end

local TAGS = {
  field = function(entry, text) table.insert(entry.fields, item(text)) end,
  param = function(entry, text) table.insert(entry.params, item(text)) end,
  ["return"] = function(entry, text) table.insert(entry.returns, outcome(text)) end,
  class = function(entry, text)
    entry.kind, entry.name = "class", text:match "^[%w_.]+"
    for parent in (text:match ":(.*)" or ""):gmatch "[%w_.]+" do
      table.insert(entry.parents, parent)
    end
  end,
  alias = function(entry, text)
    entry.kind = "alias"
    entry.name, entry.type = text:match "^(%S+) ?(.*)$"
  end,
}

local function new_entry()
  return { text = {}, fields = {}, params = {}, returns = {}, parents = {}, values = {} }
end

---@class sora.entry  what one block of annotations documents
---@field kind "function"|"class"|"alias"
---@field name string  such as sora.wait, client:wait, sora.error
---@field section string?  the heading above it
---@field text string  paragraphs, parted by "\n\n"
---@field arguments string?  of a function, such as "id [, opts]"
---@field params table[]  name, optional, type, text
---@field returns table[]  type, name, text
---@field fields table[]  name, optional, type, text
---@field parents string[]  the classes whose fields it has as well
---@field values table[]  of an alias: name, text
---@field type string?  of an alias: what it stands for, "" for the values

local function finish(entry, list, section, code)
  local name, arguments = code:match "^function ([%w_.:]+)%((.-)%)"
  if name then
    entry.kind, entry.name = "function", name
    entry.arguments = arguments
    for _, param in ipairs(entry.params) do
      if param.optional then
        local place = "(,? ?)%f[%w_]" .. param.name .. "%f[^%w_]"
        entry.arguments = entry.arguments:gsub(place, function(comma)
          return (comma == "" and "[%s]" or " [, %s]"):format(param.name)
        end)
      end
    end
  end
  if not entry.kind then return end
  entry.text = table.concat(entry.text, " "):gsub(" ?\n ?", "\n\n")
  entry.section = section
  list[#list + 1] = entry
end

--- Reads annotations.
---@param lines fun(): string?
---@param list sora.entry[]  what they are added to
function M.parse(lines, list)
  local section, entry = nil, new_entry()
  for line in lines do
    local said = line:match "^%-%-%-(.*)$"
    local tag, rest = (said or ""):match "^@(%S+) ?(.*)$"
    local value, meaning = (said or ""):match '^| "([^"]+)" # (.*)$'
    if tag then
      if TAGS[tag] then TAGS[tag](entry, rest) end
    elseif value then
      table.insert(entry.values, { name = value, text = meaning })
    elseif said then
      table.insert(entry.text, said == "" and "\n" or said)
    else
      finish(entry, list, section, line)
      entry = new_entry()
      section = line:match "^%-%- (.-) %-%-%-+$" or section
    end
  end
  finish(entry, list, section, "")
end

local entries

--- All entries, in their order; nil where the annotations are not installed.
---@return sora.entry[]?
function M.entries()
  if entries then return entries end
  local list = {}
  for _, name in ipairs(SOURCES) do
    local file = sources.open(name)
    if not file then return nil end
    M.parse(file:lines(), list)
    file:close()
  end
  entries = list
  return entries
end

--- The entry of a name.
---@param name string
---@param is_type boolean?  not a function: a class or an alias
---@return sora.entry?
function M.entry(name, is_type)
  for _, entry in ipairs(M.entries() or {}) do
    if entry.name == name and (entry.kind ~= "function" or not is_type) then return entry end
  end
end

--- The classes of options that a name builds on, itself first.
---@param name string
---@return sora.entry[]
function M.lineage(name)
  local list, seen = {}, {}
  local function add(class)
    local entry = not seen[class] and M.entry(class, true)
    seen[class] = true
    if not entry then return end
    list[#list + 1] = entry
    for _, parent in ipairs(entry.parents) do add(parent) end
  end
  add(name)
  return list
end

--- The first sentence.
---@param text string
---@return string
function M.summary(text) return text:match "^(.-%.)%s" or text end

--- `sora.wait(id [, opts]) → task, err`
---@param entry sora.entry
---@return string
function M.signature(entry)
  local names = {}
  for _, result in ipairs(entry.returns) do names[#names + 1] = result.name or result.type end
  local results = table.concat(names, ", ")
  return entry.name .. "(" .. entry.arguments .. ")" .. (results ~= "" and " → " .. results or "")
end

return M

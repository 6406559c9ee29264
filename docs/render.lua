-- Prepares the documentation for pandoc: the reference, from the annotations in lua/sora/, and
-- copies of the pages, whose links lead to what they become; and the links to all pages. For
-- `make docs`.
-- Usage: lua docs/render.lua FOLDER PAGE.md…

package.path = "lua/?.lua;" .. package.path

local annotations = require "sora.reference.annotations"

local folder = table.remove(arg, 1)

--- The text of a file; nil of a folder.
local function read(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(text)
  file:close()
end

-- The reference -----------------------------------------------------------------------------------

local function cell(text) return (text:gsub("|", "\\|")) end

--- A type, the classes in it being links.
local function linked(kind)
  local parts, last = {}, 1
  for from, name, to in kind:gmatch "()(sora%.[%w_]+)()" do
    if annotations.entry(name, true) then
      if from > last then parts[#parts + 1] = "`" .. kind:sub(last, from - 1) .. "`" end
      parts[#parts + 1] = ("[`%s`](#%s)"):format(name, name)
      last = to
    end
  end
  if last <= #kind then parts[#parts + 1] = "`" .. kind:sub(last) .. "`" end
  return cell(table.concat(parts))
end

local function rows(title, list)
  if #list == 0 then return "" end
  local lines = { ("\n| %s | type | |\n|---|---|---|"):format(title) }
  for _, item in ipairs(list) do
    local name = item.name and "`" .. item.name .. "`" or ""
    lines[#lines + 1] = ("| %s | %s | %s |"):format(name, linked(item.type), cell(item.text))
  end
  return table.concat(lines, "\n") .. "\n"
end

local function values(list)
  if #list == 0 then return "" end
  local lines = { "\n| value | |\n|---|---|" }
  for _, value in ipairs(list) do
    lines[#lines + 1] = ("| `%q` | %s |"):format(value.name, cell(value.text))
  end
  return table.concat(lines, "\n") .. "\n"
end

local function inherited(entry)
  local links = {}
  for _, parent in ipairs(entry.parents) do
    links[#links + 1] = ("[`%s`](#%s)"):format(parent, parent)
  end
  return #links > 0 and "\nAnd those of " .. table.concat(links, " and ") .. ".\n" or ""
end

local function section(entry)
  local title = entry.name
  if entry.kind == "function" then title = annotations.signature(entry) end
  local anchor = entry.kind == "function" and entry.name .. "()" or entry.name
  return ('\n<a id="%s"></a>\n\n### `%s`\n\n%s\n'):format(anchor, title, entry.text)
    .. (entry.type and entry.type ~= "" and "\n" .. linked(entry.type) .. "\n" or "")
    .. rows("argument", entry.params) .. rows("returns", entry.returns)
    .. rows("field", entry.fields) .. values(entry.values) .. inherited(entry)
end

local function reference()
  local parts, heading = { "# Reference\n" }, nil
  for _, entry in ipairs(annotations.entries()) do
    if entry.section ~= heading then
      heading = entry.section
      parts[#parts + 1] = "\n## " .. heading .. "\n"
    end
    parts[#parts + 1] = section(entry)
  end
  return table.concat(parts)
end

-- The pages ---------------------------------------------------------------------------------------

local function base(path) return path:match "[^/]+$" end

--- The name of a page when it is rendered. All are in one folder: those of docs/internals/ keep its
-- name in front.
local function rendered(path)
  if path == "README.md" then return "index.html" end
  return (path:gsub("^docs/internals/", "internals-"):match("[^/]+$"):gsub("%.md$", ".html"))
end

local function title(text) return (text:match "^# ([^\n]+)":gsub("`", "")) end

local pages, is_page = {}, {}
for _, path in ipairs(arg) do
  pages[#pages + 1] = { path = path, text = read(path) }
  is_page[path] = true
end
table.insert(pages, 2, { path = "reference.md", text = reference() })

local links = {}
for _, page in ipairs(pages) do
  if not page.path:find "^docs/internals/" then -- architecture.md leads to these
    links[#links + 1] = ('<a href="%s">%s</a>'):format(rendered(page.path), title(page.text))
  end
end
write("navigation.html", '<nav class="pages">\n' .. table.concat(links, " ·\n") .. "\n</nav>\n")

--- Leads links to pages to what they become, and others to a copy of the file; a link to a folder
-- becomes its text.
local function relink(page)
  local here = page.path:match "^.*/" or ""
  return page.text:gsub("(%b[])%(([^)#:]+)%)", function(text, target)
    local path = (here .. target):gsub("[^/]+/%.%./", "")
    if is_page[path] then return ("%s(%s)"):format(text, rendered(path)) end
    local content = read(path)
    if not content then return text:sub(2, -2) end
    write(base(target), content)
    return ("%s(%s)"):format(text, base(target))
  end)
end

for _, page in ipairs(pages) do
  write(rendered(page.path):gsub("html$", "md"), (relink(page)))
end

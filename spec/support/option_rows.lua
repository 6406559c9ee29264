-- The rows of the table of options in csrc/lua/options.c, for what is compared with it.

local files = require "spec.support.files"

local ROW = '{"([%w_]+)", TYPE_([%w_]+), ([^,]+), [^,]+, [^,]+, ([^,]+), %d+}'

---@return table<string, { kind: string, scopes: string, initial: string }>  by the option's name
return function()
  local rows = {}
  local text = files.read("csrc/lua/options.c"):gsub("\n *", " ")
  for name, kind, scopes, initial in text:gmatch(ROW) do
    rows[name] = { kind = kind, scopes = scopes, initial = initial }
  end
  return rows
end

--- Has `require` find lua-http, which is pure Lua: where it is installed for another Lua only
-- (Debian has it up to 5.3), its files serve as well.

if not pcall(require, "http.server") then
  for _, version in ipairs { "5.3", "5.2", "5.1" } do
    package.path = package.path .. (";/usr/share/lua/%s/?.lua"):format(version)
  end
end

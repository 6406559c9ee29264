--- Something whose finaliser calls a function, in every Lua: in 5.1 tables have none.

local newproxy = rawget(_G, "newproxy")

---@param fn function
---@return any  garbage as soon as the caller drops it
return function(fn)
  if not newproxy then return setmetatable({}, { __gc = fn }) end
  local proxy = newproxy(true)
  getmetatable(proxy).__gc = fn
  return proxy
end

--- Sets a parameter of the collector under the name that each Lua has for it.
---@param name string  "pause" or "stepmul"
---@param value integer
---@return integer former
return function(name, value)
  if _VERSION == "Lua 5.5" then return collectgarbage("param", name, value) end
  return collectgarbage("set" .. name, value)
end

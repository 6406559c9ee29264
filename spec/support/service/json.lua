-- JSON for the service: lua-cjson's where it is there, else dkjson's. Loaded when it is first
-- needed: a demonstration does without either.

local M = {}

local function library()
  local there, cjson = pcall(require, "cjson")
  return there and cjson or require "dkjson"
end

---@param value any
---@return string
function M.encode(value) return library().encode(value) end

---@param text string
---@return any value  nil for what is no JSON
function M.decode(text)
  local ok, value = pcall(library().decode, text)
  return ok and value or nil
end

return M

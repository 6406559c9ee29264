-- The bytes of the synthetic videos: they can be made at any offset, and checked anywhere.
--
-- 64 bytes of a valid MP4 opening (an ftyp box, then a free box as long as the rest), then
-- lines of 64 bytes that count themselves. Needs text.lua alone: specs use it under every Lua.

local big_endian = require("spec.support.service.text").big_endian

local M = {}

local LINE = 64

local function opening(size)
  return big_endian(32, 4) .. "ftypisom" .. big_endian(512, 4) .. "isomiso2avc1mp41"
    .. big_endian(1, 4) .. "free" .. big_endian(math.max(16, size - 32), 8) .. ("\n"):rep(16)
end

--- Bytes first to last (0-based, both included) of the synthetic video of that size.
---@param size integer
---@param first integer
---@param last integer
---@return string
function M.bytes(size, first, last)
  local lines = {}
  local from = math.floor(first / LINE)
  for line = from, math.floor(last / LINE) do
    lines[#lines + 1] = line == 0 and opening(size) or string.format("%063d\n", line)
  end
  return table.concat(lines):sub(first - from * LINE + 1, last - from * LINE + 1)
end

return M

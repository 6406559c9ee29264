-- gzip without a compression library: stored blocks for ordinary answers, and a bomb made by hand.

local bxor = require("http.bit").bxor

local M = {}

local HEAD = "\31\139\8\0\0\0\0\0\0\3"

-- Bytes are handled one by one because http.bit promises nothing above 31 bits on old Luas:
-- the checksum is kept as four bytes, least significant first.
local function crc_table()
  local polynomial = { 0x20, 0x83, 0xB8, 0xED }
  local entries = {}
  for index = 0, 255 do
    local crc = { index, 0, 0, 0 }
    for _ = 1, 8 do
      local odd = crc[1] % 2 == 1
      local value = crc[1] + crc[2] * 2 ^ 8 + crc[3] * 2 ^ 16 + crc[4] * 2 ^ 24
      value = math.floor(value / 2)
      for place = 1, 4 do
        crc[place] = math.floor(value / 2 ^ (8 * (place - 1))) % 256
        if odd then
          crc[place] = bxor(crc[place], polynomial[place])
        end
      end
    end
    entries[index] = crc
  end
  return entries
end

local entries

local function crc32(bytes)
  entries = entries or crc_table()
  local a, b, c, d = 255, 255, 255, 255
  for position = 1, #bytes do
    local entry = entries[bxor(a, bytes:byte(position))]
    a, b, c, d = bxor(b, entry[1]), bxor(c, entry[2]), bxor(d, entry[3]), entry[4]
  end
  return string.char(255 - a, 255 - b, 255 - c, 255 - d)
end

local function little_endian(value, bytes)
  local out = {}
  for place = 1, bytes do
    out[place] = string.char(math.floor(value / 2 ^ (8 * (place - 1))) % 256)
  end
  return table.concat(out)
end

--- A gzip member that holds the bytes uncompressed.
---@param bytes string
---@return string
function M.stored(bytes)
  local out = { HEAD }
  local from = 1
  repeat
    local block = bytes:sub(from, from + 65534)
    from = from + #block
    out[#out + 1] = from > #bytes and "\1" or "\0"
    out[#out + 1] = little_endian(#block, 2) .. little_endian(65535 - #block, 2) .. block
  until from > #bytes
  out[#out + 1] = crc32(bytes) .. little_endian(#bytes, 4)
  return table.concat(out)
end

-- Bits are written as deflate wants them: the first bit is the lowest of a byte.
local function pack_bits(bits)
  return (bits:gsub("........", function(byte)
    return string.char(tonumber(byte:reverse(), 2))
  end))
end

M.BOMB_BLOCK_SIZE = 1 + 258 * 4086

--- The pieces of a gzip bomb of spaces: the head, and a block that may be repeated without end.
--- One block is a fixed-Huffman deflate block: a space, then 4,086 copies of 258 bytes at
--- distance 1. That count makes it end on a byte.
---@return string head, string block  block: 6,642 bytes that unpack to M.BOMB_BLOCK_SIZE
function M.bomb()
  local space, match, finish = "01010000", "11000101" .. "00000", "0000000"
  return HEAD, pack_bits("010" .. space .. match:rep(4086) .. finish)
end

return M

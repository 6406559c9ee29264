-- Strings byte by byte: UTF-8, escapes and control characters at each offset of a vector.

local decode = require("sora.core").decode
local vectors = require "spec.support.json_vectors"

--- Lengths that put what follows on every place of a block of 32 bytes, at its end and behind it.
local LENGTHS = {}
for length = 0, 70 do
  LENGTHS[#LENGTHS + 1] = length
end
for _, length in ipairs { 511, 512, 513, 1000, 5000 } do
  LENGTHS[#LENGTHS + 1] = length
end

--- Text before the vector: ASCII, two, three and four bytes a letter, and escapes.
local FILLINGS = {
  { "x", "x" },
  { "\195\169", "\195\169" },
  { "\232\166\150", "\232\166\150" },
  { "a\240\159\142\172", "a\240\159\142\172" },
  { "\\n", "\n" },
  { "ab\\u00e9", "ab\195\169" },
}

describe("a string", function()
  it("is read whatever comes before and after it", function()
    for _, vector in ipairs(vectors.strings) do
      for _, filling in ipairs(FILLINGS) do
        for _, length in ipairs(LENGTHS) do
          local before, meaning = filling[1]:rep(length), filling[2]:rep(length)
          local inside = before .. vector[1]
          local expected = meaning .. vector[2]
          assert(decode('"' .. inside .. '"') == expected, inside)
          local result = decode('["' .. inside .. '","' .. vector[1] .. before .. '"  ,1]')
          assert(result[1] == expected and result[2] == vector[2] .. meaning, inside)
        end
      end
    end
  end)

  it("is a name as well", function()
    for _, vector in ipairs(vectors.strings) do
      for length = 0, 40 do
        local name = ("n"):rep(length)
        local result = decode('{"' .. name .. vector[1] .. '":7,"other":8}')
        assert(result[name .. vector[2]] == 7 and result.other == 8)
      end
    end
  end)

  it("with a fault is refused at that byte, wherever it is", function()
    for _, vector in ipairs(vectors.bad_strings) do
      for _, filling in ipairs(FILLINGS) do
        for _, length in ipairs(LENGTHS) do
          local before = filling[1]:rep(length)
          for _, after in ipairs { '"', '" ]' .. (" "):rep(40) } do
            local value, err = decode('["' .. before .. vector[1] .. after)
            local byte = err and tonumber(err.message:match "byte (%d+)")
            assert(value == nil and byte == 2 + #before + vector[2],
              ("%q: %s"):format(before .. vector[1], tostring(err)))
          end
        end
      end
    end
  end)

  it("never ends within a character", function()
    for _, letter in ipairs { "\195\169", "\232\166\150", "\240\159\142\172" } do
      for length = 0, 40 do
        for cut = 1, #letter - 1 do
          local text = '"' .. ("x"):rep(length) .. letter:sub(1, cut)
          for _, after in ipairs { "", '"', 'x"', (" "):rep(40) .. '"' } do
            local value, err = decode(text .. after)
            assert(value == nil)
            assert.are.equal(1 + length, tonumber(err.message:match "byte (%d+)"))
          end
        end
      end
    end
  end)

  it("keeps every Unicode character, escaped or not", function()
    local function utf8(code)
      if code < 0x80 then
        return string.char(code)
      end
      local bytes, count, lead = {}, 1, 0xc0
      if code >= 0x10000 then
        count, lead = 3, 0xf0
      elseif code >= 0x800 then
        count, lead = 2, 0xe0
      end
      for _ = 1, count do
        table.insert(bytes, 1, string.char(0x80 + code % 64))
        code = math.floor(code / 64)
      end
      return string.char(lead + code) .. table.concat(bytes)
    end
    for code = 0, 0x10ffff, 0x11 do
      local escaped = ("\\u%04x"):format(code % 0x10000)
      if code >= 0x10000 then
        local offset = code - 0x10000
        escaped = ("\\u%04X\\u%04x"):format(0xd800 + math.floor(offset / 0x400),
          0xdc00 + offset % 0x400)
      end
      if code < 0xd800 or code > 0xdfff then
        local bytes = utf8(code)
        assert(decode('"' .. escaped .. '"') == bytes, escaped)
        assert(code < 0x20 or code == 0x22 or code == 0x5c or decode('"' .. bytes .. '"') == bytes)
      else
        assert(decode('"' .. escaped .. '"') == nil, escaped)
      end
    end
  end)
end)

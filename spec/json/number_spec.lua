-- Numbers: integers of 64 bits, the nearest double for all others, in every locale.

-- luacheck: read globals math.type
local decode = require("sora.core").decode
local files = require "spec.support.files"
local shell = require "spec.support.shell"

local has_integers = math.type ~= nil

--- "integer", "float" or, where Lua does not tell them apart, "number".
local function type_of(value)
  return has_integers and math.type(value) or type(value)
end

local function assert_integer(text)
  local value = decode(text)
  if has_integers then
    assert.are.equal("integer", math.type(value))
    assert.are.equal(text, tostring(value))
  else
    assert.are.equal(tonumber(text), value)
  end
end

local function assert_float(text, expected)
  local value = decode(text)
  assert(type_of(value) == (has_integers and "float" or "number"), text)
  assert(value == (expected or tonumber(text)), text .. " is not " .. ("%.17g"):format(value))
end

describe("an integer", function()
  it("keeps every digit as long as Lua can hold them", function()
    for _, text in ipairs {
      "0", "1", "-1", "9", "10", "12345678", "123456789", "-1234567890123456", "1759763621142",
      "9007199254740993", "1000000000000000000", "-1000000000000000000", "9223372036854775806",
      "9223372036854775807", "-9223372036854775807", "-9223372036854775808",
    } do
      assert_integer(text)
    end
  end)

  it("is read whatever its length and what follows it", function()
    for digits = 1, 18 do
      local text = ("1234567890123456789"):sub(1, digits)
      local value = tonumber(text)
      assert.are.equal(value, decode(text))
      for _, after in ipairs { "", " ", ",7", "\n", (",123456789"):rep(3) } do
        assert.are.equal(value, decode("[" .. text .. after .. "]")[1])
      end
    end
  end)

  it("beyond Lua's integers becomes the nearest float, never another integer", function()
    assert_float("9223372036854775808", 2 ^ 63)
    assert_float("-9223372036854775809", -2 ^ 63)
    assert_float("9223372036854776832", 2 ^ 63) -- half way to the next one: even
    assert_float("9223372036854776833", 2 ^ 63 + 2048)
    assert_float("18446744073709551615", 2 ^ 64)
    assert_float("18446744073709551616", 2 ^ 64)
    assert_float("1" .. ("0"):rep(100), 1e100)
    assert_float(("9"):rep(400) .. "e-400", 1)
  end)
end)

describe("a float", function()
  it("is one by its fraction or its exponent", function()
    for _, text in ipairs {
      "1.0", "1e3", "1E3", "1e+3", "10e-1", "0.0", "0e0", "-0.5", "1.5E-7", "12345678.5", "1e22",
    } do
      assert_float(text)
    end
  end)

  it("may be negative zero, however it is written", function()
    for _, text in ipairs { "-0", "-0.0", "-0e5", "-0.000e-7", "-1e-400" } do
      local value = decode(text)
      assert.are.equal(0, value)
      assert.are.equal(-math.huge, 1 / value)
      assert.are_not.equal("integer", type_of(value))
    end
    assert.are.equal(math.huge, 1 / decode "0.0")
  end)

  it("that is too large is an error", function()
    for _, text in ipairs {
      "1e400", "-1e400", "1e309", "1e99999999999999999999",
      "179769313486231580794" .. ("0"):rep(288),
      "1.7976931348623158080e308",
    } do
      local value, err = decode("[" .. text .. "]")
      assert.is_nil(value)
      assert.is_truthy(err.message:find "expected a number that a double can hold", err.message)
      assert.is_truthy(err.message:find("byte 1)", 1, true))
    end
    assert_float("1.7976931348623157e308", (2 - 2 ^ -52) * 2 ^ 1023)
    assert_float("1.7976931348623158079e308", (2 - 2 ^ -52) * 2 ^ 1023)
  end)

  it("that is too small is zero, and the least are exact", function()
    local least = 2 ^ -1074
    assert_float("5e-324", least)
    assert_float("4.9406564584124654e-324", least)
    assert_float("2.4703282292062327208e-324", 0) -- below the half of it
    assert_float("2.4703282292062328e-324", least)
    assert_float("7.4109846876186981e-324", least)
    assert_float("7.4109846876186982e-324", 2 * least)
    assert_float("2.2250738585072011e-308", 2 ^ -1022 - least)
    assert_float("2.2250738585072014e-308", 2 ^ -1022)
    assert_float("1e-400", 0)
    assert_float("1e-99999999999999999999", 0)
    assert_float("0." .. ("0"):rep(1000) .. "1e1001", 1)
  end)

  it("half way between two goes to the even one, unless a digit however late decides", function()
    for _, zeros in ipairs { 0, 1, 20, 700, 800, 5000 } do
      local rest = ("0"):rep(zeros)
      assert_float("9007199254740993." .. rest .. "0", 2 ^ 53)
      assert_float("9007199254740993." .. rest .. "1", 2 ^ 53 + 2)
      assert_float("9007199254740995." .. rest .. "0", 2 ^ 53 + 4)
      assert_float("9007199254740992" .. ".9" .. rest .. "9", 2 ^ 53)
      assert_float("1.00000000000000011102230246251565404" .. rest .. "0", 1)
      assert_float("1.00000000000000011102230246251565404236316680908203125" .. rest .. "0", 1)
      assert_float("1.00000000000000011102230246251565404236316680908203125" .. rest .. "1",
        1 + 2 ^ -52)
    end
  end)

  it("comes back bit by bit from its shortest form", function()
    local seed = os.time()
    math.randomseed(seed)
    for _ = 1, 20000 do
      local mantissa = 2 ^ 52 + math.random(0, 2 ^ 26 - 1) * 2 ^ 26 + math.random(0, 2 ^ 26 - 1)
      local value = mantissa * 2 ^ math.random(-1000, 900) * (math.random(2) == 1 and 1 or -1)
      if math.random(20) == 1 then
        value = value * 2 ^ -1040 -- many of these are subnormal
      end
      for precision = 15, 17 do
        local text = ("%." .. precision .. "g"):format(value)
        if tonumber(text) == value then
          assert(decode(text) == value, ("seed %d: %s"):format(seed, text))
          break
        end
      end
      local long = ("%.25e"):format(value)
      assert(decode(long) == value, ("seed %d: %s"):format(seed, long))
    end
  end)

  it("with any number of digits is what strtod makes of it", function()
    local seed = os.time()
    math.randomseed(seed)
    for _ = 1, 20000 do
      local digits = {}
      for i = 1, math.random(1, 40) do
        digits[i] = math.random(0, 9)
      end
      local text = ("%d.%se%d"):format(math.random(0, 999), table.concat(digits),
        math.random(-330, 300))
      assert(decode(text) == tonumber(text), ("seed %d: %s"):format(seed, text))
    end
  end)
end)

describe("the locale", function()
  local CHILD = [[
    local decode = require("sora.core").decode
    assert(os.setlocale("de_DE.UTF-8", "numeric"), "no such locale")
    assert(jit or ("%.1f"):format(1.5) == "1,5", "no comma") -- LuaJIT formats by itself
    assert(decode "1.5" == 3 / 2 and decode "25e-1" == 5 / 2)
    assert(decode "0.3000000000000000444089209850062616169452667236328125" == 3 / 10 + 2 ^ -54)
    assert(decode "[1,5]"[2] == 5 and decode "1,5" == nil)
    io.write "fine"
  ]]

  it("does not change what a number means", function()
    local folder = files.folder()
    local made = shell.output_of(("localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 2>&1 && echo made")
      :format(folder))
    local output = shell.output_of(("LOCPATH=%s %s -e '%s' 2>&1"):format(folder, shell.LUA, CHILD))
    files.remove(folder)
    if not made:find "made" then
      return pending("no locale with a comma can be made: " .. made)
    end
    assert.are.equal("fine", output)
  end)
end)

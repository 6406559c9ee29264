-- How answers of services are read: what is repaired, and how much may be made of them.

local decode = require("sora.core").decode
local helpers = require "spec.support.helpers"

local FFFD = "\239\191\189"

local lenient

setup(function() lenient = helpers.load "lenient" end)

local function read(text)
  local value, message = lenient.decode(text)
  assert.is_nil(message)
  return value
end

describe("an answer of a service", function()
  it("may begin with a byte order mark", function()
    assert.are.same({ id = "t" }, read '\239\187\191{"id":"t"}')
    assert.are.same({ id = "t" }, read '\239\187\191\r\n {"id":"t"}')
  end)

  it("may have half an emoji: U+FFFD stands for each lone surrogate", function()
    for written, expected in pairs {
      ["cut \\ud83d"] = "cut " .. FFFD,
      ["\\ud83d\\ud83c\\udfac"] = FFFD .. "\240\159\142\172",
      ["\\udfac\\uD83C"] = FFFD .. FFFD,
      ["\\uDFFFx\\ud800\\n"] = FFFD .. "x" .. FFFD .. "\n",
      ["\\\\ud83d\\ud83d"] = "\\ud83d" .. FFFD,
      ["\\ud83d\\u0041"] = FFFD .. "A",
      ["\\uD83C\\uDFAC"] = "\240\159\142\172",
    } do
      assert.are.equal(expected, read('["' .. written .. '"]')[1], written)
    end
  end)

  -- The examples of the Unicode Standard, tables 3-8 to 3-11, which the WHATWG's decoder follows.
  it("may be ill-formed UTF-8: U+FFFD stands for each maximal subpart", function()
    local function replaced(bytes) return (read('["' .. bytes .. '"]')[1]:gsub(FFFD, "?")) end
    assert.are.equal("????????A", replaced "\192\175\224\128\191\240\129\130A")
    assert.are.equal("????????A", replaced "\237\160\128\237\191\191\237\175A")
    assert.are.equal("?????A??B", replaced "\244\145\146\147\255A\128\191B")
    assert.are.equal("????A", replaced "\225\128\226\240\145\146\241\191A")
    assert.are.equal("a cat ?", replaced "a cat \240\159")
    assert.are.equal("\195\169?", replaced "\195\169\233")
    assert.are.equal("?" .. ("x"):rep(40), replaced("\255" .. ("x"):rep(40)))
  end)

  it("may have such names, and control characters in its strings", function()
    assert.are.same({ ["a" .. FFFD] = 1 }, read '{"a\255":1}')
    assert.are.same({ "a\ncat\t\0" }, read '["a\ncat\t\0"]')
  end)

  it("is refused for everything else, at its own byte", function()
    for _, text in ipairs {
      "", " ", "{", '{"a":NaN}', '{"a":Infinity}', "{'a':1}", '{"a":1,}', '["a\\x"]', '["a\\u12"]',
      '["a\\ud8"]', '{"a":1}\0', "[\255]", "\255\254{\0}\0", '["\255', '["a\n', '["\\ud83d',
      "\239\187\191", "\239\187\191\239\187\191[]", "[1,2\n3]", "/* */[]", "<html>",
    } do
      local value, message, offset, too_large = lenient.decode(text)
      assert.is_nil(value, text)
      assert.is_truthy(message:find("^expected "), text)
      assert.is_true(offset >= 0 and offset <= #text, text)
      assert.is_false(too_large)
    end
    local _, message, offset = lenient.decode '\239\187\191["\255\255\\ud83d\n\1",tru]'
    assert.are.same({ "expected a value, got 'tru]'", 17 }, { message, offset })
    _, message, offset = lenient.decode '["\255\255'
    assert.are.same({ "expected a closing quote, got the end", 4 }, { message, offset })
  end)

  it("is not touched where it is well", function()
    for _, text in ipairs {
      '{"a":"\195\169\\n\\u0000\\ud83c\\udfac\\"","b":[1e5,null,true]}', '"\\\\"', "[]", "",
      '["\\', '"\127\\/"',
    } do
      assert.are.equal(text, lenient.repair(text))
    end
  end)

  it("that is refused as it is and when repaired leaves nothing on the stack", function()
    for _ = 1, 1000 do lenient.decode '{"a\255":tru}' end
    assert.are.same({ 1 }, read "[1]")
  end)
end)

describe("sora.decode", function()
  it("stays strict", function()
    for _, text in ipairs { '\239\187\191{}', '["\\ud83d"]', '["\255"]', '["\n"]' } do
      local value, err = decode(text)
      assert.is_nil(value)
      assert.are.equal("decode", err.kind)
    end
  end)
end)

describe("what is made of an answer", function()
  local function refused(text, most)
    local value, message, _, too_large = lenient.decode(text, most)
    assert.are.same({ nil, true }, { value, too_large })
    assert.is_truthy(message:find("too much memory", 1, true), message)
  end

  local MIB = 2 ^ 20

  local BOMBS = {
    ["empty arrays"] = function(n) return "[" .. ("[],"):rep(n) .. "[]]" end,
    ["empty objects"] = function(n) return "[" .. ("{},"):rep(n) .. "{}]" end,
    ["integers"] = function(n) return "[" .. ("1,"):rep(n) .. "1]" end,
    ["small objects"] = function(n) return "[" .. ('{"a":1},'):rep(n) .. "1]" end,
    ["small strings"] = function(n)
      local list = {}
      for i = 1, n do list[i] = ('"%d"'):format(i) end
      return "[" .. table.concat(list, ",") .. "]"
    end,
    ["members"] = function(n)
      local list = {}
      for i = 1, n do list[i] = ('"%d":1'):format(i) end
      return "{" .. table.concat(list, ",") .. "}"
    end,
    ["nested arrays"] = function(n)
      local nest = ("["):rep(400) .. ("]"):rep(400)
      return "[" .. (nest .. ","):rep(math.floor(n / 400)) .. "1]"
    end,
  }

  for name, write in pairs(BOMBS) do
    it("is bounded: " .. name, function()
      local text = write(200000)
      assert.is_table((lenient.decode(text)))
      assert.is_table((lenient.decode(text, 64 * MIB)))
      refused(text, MIB)
      collectgarbage()
      collectgarbage()
      collectgarbage "stop"
      local before = collectgarbage "count"
      refused(text, MIB)
      local made = (collectgarbage "count" - before) * 1024
      collectgarbage "restart"
      assert.is_true(made < 6 * MIB, made)
    end)
  end

  it("is bounded where the text was repaired", function()
    refused('["\255",' .. ("[],"):rep(100000) .. "[]]", MIB)
  end)

  it("may be four times what the text may be, and a mebibyte", function()
    assert.are.equal(MIB, lenient.most(1))
    assert.are.equal(MIB, lenient.most(MIB / 4))
    assert.are.equal(64 * MIB, lenient.most(16 * MIB))
  end)

  it("is less for a task as services send it", function()
    local task = require("spec.support.files").read "spec/support/fixtures/pending.json"
    assert.is_table((lenient.decode(task, 4 * #task)))
    local tasks = "[" .. (task .. ","):rep(99) .. task .. "]"
    assert.is_table((lenient.decode(tasks, 4 * #tasks)))
  end)
end)

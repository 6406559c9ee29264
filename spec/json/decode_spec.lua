-- The decoder: values, null, names that occur twice, empty arrays, large texts.

local core = require "sora.core"
local vectors = require "spec.support.json_vectors"

local decode = core.decode
local null = core.null

--- Decodes and returns the message of the error that this must give.
local function fault(text, options)
  local value, err = decode(text, options)
  assert.is_nil(value)
  assert.are.equal("decode", err.kind)
  return err.message
end

describe("decoding", function()
  it("gives nested tables", function()
    assert.are.same({ a = { { b = "c" }, 2, true }, d = { e = false } },
      decode ' { "a" : [ { "b" : "c" } , 2 , true ] , "d" : { "e" : false } } ')
  end)

  it("takes any value alone", function()
    assert.are.equal(1, decode "1")
    assert.are.equal("a", decode '"a"')
    assert.are.equal(true, decode "\t\r\n true ")
    assert.are.equal(false, decode "false")
  end)

  it("reads pretty-printed and dense text alike", function()
    for depth = 0, 40 do
      local space = "\n" .. (" "):rep(depth)
      local text = ('{@"a":@[@1,@2,@{@}@,@[@]@]@,@"b":@null@}@'):gsub("@", space)
      assert.are.same({ a = { 1, 2, {}, {} } }, decode(text))
    end
  end)

  it("finds a fault at its byte and tells what was expected", function()
    for _, vector in ipairs(vectors.bad_texts) do
      local text, offset, expected = vector[1], vector[2], vector[3]
      local message = fault(text)
      assert.are.equal(offset, tonumber(message:match "byte (%d+)"), text .. ": " .. message)
      assert.is_truthy(message:match("^expected (.-), got "):find(expected, 1, true), message)
    end
  end)

  it("refuses every text that was cut off", function()
    local text = '{"a":[1.5e3,{"b":"c\\n\\u00e9\\ud83c\\udfac"}],"d":null,"e":[true,false,[],{}]}'
    assert.is_table(decode(text))
    for length = 0, #text - 1 do
      local message = fault(text:sub(1, length))
      assert.is_true(tonumber(message:match "byte (%d+)") <= length)
    end
  end)

  it("counts lines and columns from one", function()
    assert.is_truthy(fault("[1,\n\n  x]"):find("(line 3, column 3, byte 7)", 1, true))
    assert.is_truthy(fault("x"):find("(line 1, column 1, byte 0)", 1, true))
  end)

  it("shows a few bytes at most, and none that cannot be printed", function()
    local message = fault("[secret\1\255" .. ("s"):rep(1000))
    assert.is_truthy(message:find([[got 'secret\x01\xff']], 1, true))
    assert.is_nil(message:find "[^\32-\126]")
    assert.is_true(#fault(("[\255"):rep(400)) < 160)
  end)
end)

describe("null", function()
  it("is absent in an object and keeps its place in an array", function()
    assert.are.same({ b = { null, 1, null } }, decode '{"a":null,"b":[null,1,null],"c":null}')
    assert.are.equal(null, decode "null")
  end)

  it("is whatever the option says, everywhere", function()
    for _, value in ipairs { null, false, "none", 0, {} } do
      local result = decode('{"a":null,"b":[null]}', { null = value })
      assert.are.equal(value, result.a)
      assert.are.equal(value, result.b[1])
      assert.are.equal(value, decode("null", { null = value }))
    end
  end)

  it("is lua-cjson's null", function()
    local found, cjson = pcall(require, "cjson")
    if not found then
      return pending "lua-cjson is not installed"
    end
    assert.are.equal(cjson.null, decode("[null]")[1])
  end)
end)

describe("a name that occurs twice", function()
  it("has its last value", function()
    assert.are.same({ a = 2 }, decode '{"a":1,"a":2}')
    assert.are.same({ a = 3, b = 2 }, decode '{"a":1,"b":2,"a":3}')
    assert.are.same({ a = {} }, decode '{"a":1,"\\u0061":{}}')
    assert.are.same({ [""] = 2 }, decode '{"":1,"":2}')
    local long = ("n"):rep(100)
    assert.are.same({ [long] = 2 }, decode(('{"%s":1,"%s":2}'):format(long, long)))
  end)

  it("is absent when the last is null, and only then", function()
    assert.are.same({}, decode '{"a":1,"a":null}')
    assert.are.same({ a = 1 }, decode '{"a":null,"a":1}')
    assert.are.same({ a = 2, b = 3 }, decode '{"a":1,"a":null,"b":3,"a":2}')
    assert.are.same({ a = null }, decode('{"a":1,"a":null}', { null = null }))
  end)

  it("may be in an object between", function()
    assert.are.same({ a = 2, b = { a = { a = 8 } } },
      decode '{"a":1,"b":{"a":9,"a":{"a":8}},"a":2}')
    assert.are.same({ { a = 1 }, { a = 2 } }, decode '[{"a":1},{"a":2}]')
  end)

  it("is found after thousands of other names", function()
    local members = { '"first":1' }
    for i = 1, 20000 do
      members[i + 1] = ('"n%d":%d'):format(i, i)
    end
    members[#members + 1] = '"first":2,"n77":null'
    local result = decode("{" .. table.concat(members, ",") .. "}")
    assert.are.equal(2, result.first)
    assert.is_nil(result.n77)
    for i = 1, 20000 do
      assert.are.equal(i ~= 77 and i or nil, result["n" .. i])
    end
  end)
end)

describe("an empty array", function()
  it("has a metatable, an empty object none", function()
    local result = decode '{"a":[],"b":{},"c":[ ],"d":[1]}'
    assert.is_table(getmetatable(result.a))
    assert.are.equal(getmetatable(result.a), getmetatable(result.c))
    assert.is_nil(getmetatable(result.b))
    assert.is_nil(getmetatable(result.d))
  end)

  it("is encoded as [] again by a lua-cjson that can", function()
    local found, cjson = pcall(require, "cjson")
    if not found or not cjson.empty_array_mt then
      return pending "this lua-cjson has no empty_array_mt"
    end
    assert.are.equal('{"a":[]}', cjson.encode(decode '{"a":[]}'))
    assert.are.equal('{"a":{}}', cjson.encode(decode '{"a":{}}'))
  end)
end)

describe("large texts", function()
  it("become long arrays and wide objects", function()
    local numbers, members = {}, {}
    for i = 1, 100000 do
      numbers[i] = i
      members[i] = ('"k%d":[%d,{"i":%d}]'):format(i, i, i)
    end
    local array = decode("[" .. table.concat(numbers, ",") .. ",[]]")
    local object = decode("{" .. table.concat(members, ",") .. "}")
    assert.are.equal(100001, #array)
    for i = 1, 100000 do
      assert(array[i] == i)
      assert(object["k" .. i][1] == i and object["k" .. i][2].i == i)
    end
  end)

  it("may nest large things in large things", function()
    local rows = {}
    for i = 1, 30 do
      rows[i] = '{"id":' .. i .. ',"row":[' .. ("[7],"):rep(4999) .. '[8]],"last":null}'
    end
    local result = decode('{"x":[' .. table.concat(rows, ",") .. '],"y":1}')
    assert.are.equal(1, result.y)
    for i = 1, 30 do
      assert.are.equal(i, result.x[i].id)
      assert.are.equal(5000, #result.x[i].row)
      assert.are.equal(8, result.x[i].row[5000][1])
    end
  end)

  it("decode within a coroutine as well", function()
    local text = "[" .. ('{"a":[1]},'):rep(20000) .. "0]"
    local result = coroutine.wrap(function()
      return decode(text)
    end)()
    assert.are.equal(20001, #result)
  end)
end)

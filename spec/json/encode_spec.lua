-- The encoder: what is written, what is refused, and that the decoder reads the same again.

local core = require "sora.core"
local files = require "spec.support.files"
local finalised = require "spec.support.finalised"
local helpers = require "spec.support.helpers"
local shell = require "spec.support.shell"
local random_json = require "spec.support.random_json"
local sora = require "sora"

local decode, encode, null = sora.decode, sora.encode, sora.null

local found, cjson = pcall(require, "cjson")

-- Whether integers can be told from floats, which tostring then does.
local WITH_INTEGERS = tostring(2 ^ 1) == "2.0"

--- Encodes and returns the message of the error that this must give.
local function fault(value, opts)
  local text, err = encode(value, opts)
  assert.is_nil(text)
  assert.are.equal("decode", err.kind)
  assert.is_false(err.retryable)
  return err.message
end

--- The same text, all nulls kept.
local function again(text)
  local value, err = decode(text, { null = null })
  assert.is_nil(err)
  return assert(encode(value))
end

describe("encoding", function()
  it("writes what the decoder reads", function()
    for _, text in ipairs {
      "{}", "[]", "null", "true", "false", '""', "0", "-1", '"a"', "[[],{},[{}],[[]]]",
      '{"":{"a":[1,null,true,{"b":""}]},"a":null,"aa":-0.5,"b":[]}', "[null,null]",
      '["\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\127\195\169\226\128\168\240\159\142\172"]',
    } do
      assert.are.equal(text, again(text))
    end
  end)

  it("keeps every digit of an integer", function()
    for _, text in ipairs {
      "9007199254740991", "-9007199254740991", "1759763621142", "1000000000000000000",
      WITH_INTEGERS and "9007199254740993" or "9007199254740992",
      WITH_INTEGERS and "9223372036854775807" or "4611686018427387904",
      WITH_INTEGERS and "-9223372036854775808" or "-4611686018427387904",
    } do
      assert.are.equal(text, again(text))
    end
  end)

  it("writes floats with the fewest digits, and as floats", function()
    for _, text in ipairs {
      "0.1", "-0.1", "0.9302178175176704", "1759763631.222531", "5e-324", "1.7976931348623157e+308",
      "2.2250738585072014e-308", "1e-7", "0.000001", "1.5", "1e+21", "1.2345678901234568e+22",
      "2.225073858507201e-308", "9.5367431640625e-7", "4.35", "123456789.5",
    } do
      assert.are.equal(text, again(text))
    end
    local whole = WITH_INTEGERS and ".0" or ""
    for text, expected in pairs {
      ["1.0"] = "1", ["-0.0"] = "-0", ["-0"] = "-0", ["1e3"] = "1000",
      ["1e20"] = "1" .. ("0"):rep(20),
      ["100e-2"] = "1", ["4611686018427387904.0"] = WITH_INTEGERS and "4611686018427388000"
        or "4611686018427387904", ["18446744073709551615"] = "18446744073709552000",
      ["9007199254740993.0"] = "9007199254740992",
    } do
      assert.are.equal(expected .. whole, again(text), text)
    end
  end)

  it("comes back as the same double, whatever it is", function()
    local seed = os.time()
    math.randomseed(seed)
    local function check(value)
      local text = encode(value)
      local good = decode(text) == value and tonumber(text) == value
      assert(good, ("seed %d: %s"):format(seed, text))
      local digits = text:gsub("e.*", ""):gsub("[-.]", ""):gsub("^0+", ""):gsub("0+$", "")
      local fewest = 1
      while tonumber(("%." .. fewest .. "g"):format(value)) ~= value do fewest = fewest + 1 end
      local integer = not WITH_INTEGERS and value % 1 == 0 and math.abs(value) < 2 ^ 63
      assert(integer or #digits <= fewest, ("seed %d: %s is longer"):format(seed, text))
    end
    for exponent = -1074, 1023 do
      local power = 2 ^ math.floor(exponent / 2) * 2 ^ math.ceil(exponent / 2)
      check(power)
      check(-power * (1 + 2 ^ -52))
      if exponent < 1023 then check(power * (2 - 2 ^ -52)) end
    end
    for exponent = -323, 308 do
      check(tonumber("1e" .. exponent))
      check(tonumber("-9.999999999999999e" .. (exponent - 1)))
    end
    for _ = 1, 5000 do
      check((math.random() + math.random(0, 2 ^ 30)) * 2 ^ math.random(-500, 400))
      check(math.random(1, 10 ^ 9) / 10 ^ math.random(0, 12))
    end
  end)

  it("sorts names by their bytes, so that equal values give equal texts", function()
    assert.are.equal('{"":0,"B":1,"a":2,"a b":4,"a\\n":3,"aa":5,"b":6,"é":7}',
      encode { b = 6, aa = 5, [""] = 0, ["a b"] = 4, B = 1, ["é"] = 7, a = 2, ["a\n"] = 3 })
    local names, value = {}, {}
    for i = 1, 1000 do
      names[i] = ("name %d"):format(i * 7919 % 1009)
      value[names[i]] = i
    end
    table.sort(names)
    local at = 0
    for name in encode(value):gmatch '"([^"]+)":' do
      at = at + 1
      assert.are.equal(names[at], name)
    end
    assert.are.equal(1000, at)
  end)

  it("indents", function()
    assert.are.equal([[
{
  "a": [
    1,
    {
      "b": "c: d, e"
    }
  ],
  "z": {},
  "zz": []
}]], encode({ zz = sora.empty_array, z = {}, a = { 1, { b = "c: d, e" } } }, { indent = 2 }))
    assert.are.equal("[\n 1\n]", encode({ 1 }, { indent = 1 }))
    assert.are.equal("[1]", encode({ 1 }, { indent = 0 }))
    assert.are.equal("7", encode(7, { indent = 4 }))
  end)

  it("knows all marks of arrays and all that is null", function()
    assert.are.equal("[]", encode(sora.empty_array))
    assert.are.equal("[[],{}]", encode { decode "[]", decode "{}" })
    assert.are.equal("[null,null]", encode { null, core.null })
    local list = decode "[]"
    list[1] = 1
    assert.are.equal("[1]", encode(list))
    assert.are.equal("[]", encode(setmetatable({}, { __jsontype = "array" })))
    assert.are.equal("{}", encode(setmetatable({}, { __jsontype = "object" })))
    if found then assert.are.equal("null", encode(cjson.null)) end
  end)

  -- Debian's has none of these; OpenResty's has them all.
  it("knows the marks of a lua-cjson that has some", function()
    local program = [[
      package.path = "./?.lua;" .. package.path
      local constant = require("spec.support.helpers").load("lenient").constant
      local marked = { empty_array = constant, empty_array_mt = {}, array_mt = {} }
      package.loaded.cjson = marked
      local core = require "sora.core"
      print(core.encode { marked.empty_array, setmetatable({}, marked.empty_array_mt),
        setmetatable({}, marked.array_mt), setmetatable({ 1 }, marked.array_mt),
        setmetatable({ 2 }, marked.empty_array_mt) })
      print(getmetatable(core.decode "[]") == marked.empty_array_mt)]]
    assert.are.equal("[[],[],[],[1],[2]]\ntrue",
      shell.output_of(shell.LUA .. " -e " .. shell.quote(program) .. " 2>&1"))
    assert.is_truthy(fault(helpers.load("lenient").constant):find("a light userdata", 1, true))
  end)

  it("has a constant for an empty array, which stays one", function()
    assert.has_error(function() sora.empty_array.a = 1 end, "sora.empty_array is a constant")
    assert.are.equal(0, #sora.empty_array)
    assert.are.equal('{"images":[]}', encode { images = sora.empty_array })
  end)

  it("reads tables without their metamethods", function()
    local function raise() error "called" end
    local table = setmetatable({ a = 1 }, {
      __index = raise, __pairs = raise, __len = raise, __ipairs = raise, __tostring = raise,
    })
    assert.are.equal('{"a":1}', encode(table))
  end)
end)

describe("what cannot be encoded", function()
  it("is named with its place", function()
    local a = {}
    a.b = { { c = a } }
    local deep = {}
    for _ = 1, 600 do deep = { deep } end
    for _, case in ipairs {
      { "a function at $.images[3].url", { images = { 1, 2, { url = print } } } },
      { "a nil at $", nil }, { "a thread at $[1]", { coroutine.create(function() end) } },
      { "a userdata at $.f", { f = io.stderr } },
      { "NaN at $.a", { a = 0 / 0 } }, { "an infinite number at $[2]", { 1, -1 / 0 } },
      { "ill-formed UTF-8 (byte 2) at $.prompt", { prompt = "\195\169\255" } },
      { "ill-formed UTF-8 (byte 0) at $", "\237\160\128" },
      { 'a name in ill-formed UTF-8 at $["a\\xff"]', { ["a\255"] = 1 } },
      { "a table within itself at $[1].b[1].c", { a } },
      { "a table within itself at $.b[1].c", a },
      { "an array with holes at $.x", { x = { 1, nil, 3 } } },
      { "an array with holes at $", { [2] = 1 } },
      { "a table with names beside indices at $.y", { y = { 1, 2, x = 1 } } },
      { "a table with an index that is no whole number from 1 on at $", { [0] = 1 } },
      { "a table with an index that is no whole number from 1 on at $[1]", { { [1.5] = 1 } } },
      { "a table with a key that is a boolean at $.z", { z = { [true] = 1 } } },
      { "a table with a key that is a table at $", { [{}] = 1 } },
      { 'a function at $["a b"]["1"]["\\x0a\\x22"]',
        { ["a b"] = { ["1"] = { ['\n"'] = print } } } },
    } do
      assert.are.equal("cannot encode " .. case[1], fault(case[2]))
    end
    local said = fault(deep)
    assert.is_truthy(said:find "^cannot encode deeper nesting %(max_depth is reached%) at %$%[1")
    assert.is_truthy(fault({ 1, 2, x = 1 }):find "beside")
    local long = fault { [("n"):rep(100)] = { [("m"):rep(1000)] = { x = print } } }
    assert.are.equal("cannot encode a function at $." .. ("n"):rep(40) .. "...." .. ("m"):rep(40)
      .. "....x", long)
    assert.is_true(#fault(deep, { max_depth = 599 }) < 256)
  end)

  it("keeps values out of the message", function()
    assert.is_nil(fault({ key = "sk-secret\255" }):find("secret", 1, true))
  end)

  it("may be nested as deeply as max_depth says", function()
    for _, depth in ipairs { 1, 2, 511, 512, 600 } do
      local value = "x"
      for i = 1, depth do value = i % 2 == 0 and { value } or { a = value } end
      assert.is_string(encode(value, { max_depth = depth }))
      if depth > 1 then assert.is_nil((encode(value, { max_depth = depth - 1 }))) end
    end
    local value = {}
    for _ = 1, 100000 do value = { value } end
    local text, err = encode(value, { max_depth = 200000 })
    if text then assert.are.equal(200002, #text) else assert.are.equal("decode", err.kind) end
  end)

  it("is raised where it is misuse", function()
    for message, call in pairs {
      ["bad argument #1"] = function() encode() end,
      ["unknown option 'indents' %(did you mean 'indent'%?%)"] = function()
        encode({}, { indents = 2 })
      end,
      ["option 'indent' must be a whole number from 0 to 16"] = function()
        encode({}, { indent = 17 })
      end,
      ["option 'indent' must be a whole number, not a string"] = function()
        encode({}, { indent = "2" })
      end,
      ["option 'null' has no meaning for this call"] = function() encode({}, { null = 1 }) end,
    } do
      local ok, err = pcall(call)
      assert.is_false(ok)
      assert.is_truthy(err:find(message), err)
    end
  end)
end)

describe("a round trip", function()
  it("keeps random values", function()
    local seed = os.time()
    math.randomseed(seed)
    for i = 1, 3000 do
      local value, text = random_json.document(math.random(1, 6), null)
      local once = again(text)
      assert(random_json.equal(value, decode(once, { null = null })),
        ("seed %d, document %d: %s"):format(seed, i, once))
      assert.are.equal(once, again(once))
      local indented = assert(encode(value, { indent = math.random(1, 4) }))
      assert(random_json.equal(value, decode(indented, { null = null })), indented)
    end
  end)

  it("keeps what lua-cjson reads", function()
    if not found then return pending "lua-cjson is not installed" end
    local seed = os.time()
    math.randomseed(seed)
    for i = 1, 3000 do
      local value = random_json.document(math.random(1, 6), null)
      local text = assert(encode(value))
      assert(random_json.equal(value, cjson.decode(text)),
        ("seed %d, document %d: %s"):format(seed, i, text))
    end
  end)

  it("keeps the task of the API page, in less than its bytes", function()
    local text = files.read "spec/support/fixtures/pending.json"
    local once = again(text)
    assert.are.equal(once, again(once))
    assert.is_true(#once < #text)
    assert(random_json.equal(decode(text, { null = null }), decode(once, { null = null })))
  end)
end)

describe("encoding within a finaliser", function()
  it("does not disturb the one that runs", function()
    local value = decode(files.read "spec/support/fixtures/pending.json", { null = null })
    local expected, inner = encode(value), 0
    local function collect()
      inner = inner + 1
      assert(encode { inner, value })
    end
    local rounds = 0
    while inner < 20 and rounds < 1000000 do
      rounds = rounds + 1
      finalised(collect)
      assert.are.equal(expected, encode(value))
    end
    assert.is_true(inner >= 20)
  end)
end)

describe("when memory runs out within encoding", function()
  local attempt

  setup(function() attempt = helpers.load "failing_allocator" end)

  local TEXTS = {
    ["a small value"] = '{"a":[1,2.5,"x",true,null],"b":{},"c":[]}',
    ["long strings and escapes"] = ('["%s","%s\\n%s"]')
      :format(("l"):rep(5000), ("m"):rep(700), ("n"):rep(3000)),
    ["deep nesting"] = ('[{"b":0,"a":'):rep(200) .. "1" .. ("}]"):rep(200),
  }

  for name, text in pairs(TEXTS) do
    it("raises, leaks nothing, and works again: " .. name, function()
      local outcome, count, again_, left = attempt(text, -1, package.cpath, "encode")
      if not outcome then return pending "this Lua takes no allocator" end
      assert.are.same({ "done", "done", 0 }, { outcome, again_, left })
      for n = 0, count - 1 do
        local failed, _, later, kept, refused = attempt(text, n, package.cpath, "encode")
        local expected = refused > 0 and "memory" or "done"
        assert.are.same({ n, expected, "done", 0 }, { n, failed, later, kept })
      end
    end)
  end
end)

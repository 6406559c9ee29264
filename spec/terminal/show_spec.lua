-- sora.show: a value as people read it, on a terminal and in a file.

local files = require "spec.support.files"
local shell = require "spec.support.shell"
local show = require "sora.terminal.show"
local sora = require "sora"

--- What is shown of a value, without and with colours.
local function shown(value, colours)
  local parts = {}
  show.write(value, function(...) parts[#parts + 1] = table.concat { ... } end, colours or false)
  return table.concat(parts)
end

describe("sora.show", function()
  it("has a line for each field, and tables indented below", function()
    local value = sora.decode [[{"zeta": {"b": true, "a": [1.5, {"x": "y"}]}, "status": "pending",
      "count": 9007199254740993, "progress": 50, "id": "t1"}]]
    assert.equal(([[
id: "t1"
status: "pending"
progress: 50
count: %s
zeta:
  b: true
  a:
    [1]: 1.5
    [2]:
      x: "y"
]]):format(tostring(value.count)), shown(value))
  end)

  it("tells empty objects from empty arrays, and nulls from what is not there", function()
    local value = sora.decode('{"a":[],"b":{},"c":null,"d":[null],"e":""}', { null = sora.null })
    assert.equal('a: []\nb: {}\nc: null\ne: ""\nd:\n  [1]: null\n', shown(value))
  end)

  it("cuts long strings, and the queries of URLs", function()
    local said = shown { video_url = "https://cdn.example/a.mp4?Signature=abc&Expires=1" }
    assert.equal('video_url: "https://cdn.example/a.mp4"\n', said)
    said = shown { prompt = ("ä"):rep(500) }
    assert.is_true(#said < 200)
    assert.matches('%.%.%."\n$', said)
  end)

  it("shows no key of a client's, and no control character", function()
    local client = sora.client { api_key = "Zq81-my-key" }
    local said = shown { error = "bad key Zq81-my-key\27[2J\nsecond \\ \"line\"" }
    client:close()
    assert.equal('error: "bad key *** [2J second \\\\ \\"line\\""\n', said)
  end)

  it("shows other values, and names that are none of Lua's", function()
    assert.equal("nil\n", shown(nil))
    assert.equal("17\n", shown(17))
    assert.equal('"text"\n', shown "text")
    assert.equal("null\n", shown(sora.null))
    assert.equal("[]\n", shown(sora.empty_array))
    assert.equal('[7]: 1\n["a b"]: 2\n', shown { ["a b"] = 2, [7] = 1 })
    assert.matches("^f: function", shown { f = print })
  end)

  it("comes to an end with what is in itself, deep, or long", function()
    local loop = { name = "a" }
    loop.loop = loop
    assert.equal('name: "a"\nloop: … itself\n', shown(loop))
    local deep = sora.decode(("["):rep(100) .. ("]"):rep(100))
    assert.is_true(#shown(deep) < 1000)
    local long = {}
    for i = 1, 1000 do long[i] = i end
    assert.matches("%[100%]: 100\n… 900 more\n$", shown(long))
  end)

  it("shows every sample of an answer", function()
    local task = sora.decode(files.read "spec/support/fixtures/pending.json")
    local said = shown(task)
    assert.matches('^id: "', said)
    assert.matches('\nstatus: "pending"\n', said)
    assert.matches('\n +prompt: "make animate"\n', said)
  end)

  it("paints where it may", function()
    assert.equal('\27[36mid\27[0m: \27[32m"a"\27[0m\n', shown({ id = "a" }, true))
  end)

  it("leaves a value as it is", function()
    local task = sora.decode '{"a":{"b":[1,2,{"c":null}]}}'
    local before = sora.encode(task)
    shown(task)
    assert.equal(before, sora.encode(task))
  end)
end)

describe("sora.show on a terminal", function()
  --- What a program prints that shows a table, on a pseudo-terminal that script(1) makes.
  local function printed(environment)
    local program = ([[%s -e 'require "sora".show { id = "a" }']]):format(shell.LUA)
    return (shell.output_of(("TERM=xterm %s script -qefc %s /dev/null </dev/null")
      :format(environment, shell.quote(program))):gsub("\r", ""))
  end

  it("has colours, unless NO_COLOR says no, or TERM is dumb", function()
    if shell.output_of "command -v script" == "" then return pending "there is no script(1)" end
    assert.equal('\27[36mid\27[0m: \27[32m"a"\27[0m', printed "NO_COLOR=")
    assert.equal('id: "a"', printed "NO_COLOR=1")
    assert.equal('id: "a"', printed "TERM=dumb")
  end)

  it("has none elsewhere", function()
    local program = ([[TERM=xterm NO_COLOR= %s -e 'require "sora".show { id = "a" }']])
    assert.equal('id: "a"', shell.output_of(program:format(shell.LUA)))
  end)
end)

describe("a module", function()
  it("says in a REPL what it is", function()
    local said = tostring(sora)
    assert.matches("^sora %d+%.%d+%.%d+, libcurl %d+%.%d+%.%d+ %(.+%): sora%.help%(%) says", said)
  end)
end)

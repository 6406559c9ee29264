-- How deep a text may be nested, and finalisers that decode in the midst of decoding.

local decode = require("sora.core").decode
local finalised = require "spec.support.finalised"
local set = require "spec.support.collector"

--- Kilobytes that Lua has allocated at most while f ran, over what it had before.
local function peak_of(f)
  collectgarbage()
  collectgarbage "stop"
  local before = collectgarbage "count"
  f()
  local after = collectgarbage "count"
  collectgarbage "restart"
  return after - before
end

describe("max_depth", function()
  it("is 512 unless given", function()
    assert.is_table(decode(("["):rep(512) .. ("]"):rep(512)))
    for _, open in ipairs { "[", '{"a":', "[[],{\"a\":" } do
      local value, err = decode(open:rep(513))
      assert.is_nil(value)
      assert.is_truthy(err.message:find("max_depth", 1, true))
    end
  end)

  it("counts empty arrays and objects, and nothing that has closed", function()
    assert.is_table(decode("[[],{},[]]", { max_depth = 2 }))
    assert.is_nil(decode("[[[]]]", { max_depth = 2 }))
    assert.is_nil(decode("[[{}]]", { max_depth = 2 }))
    assert.are.equal(1, decode("1", { max_depth = 1 }))
  end)

  it("stops a million brackets before they cost anything", function()
    local text = ("["):rep(1000000)
    local value, err
    local kilobytes = peak_of(function()
      value, err = decode(text)
    end)
    assert.is_nil(value)
    assert.is_truthy(err.message:find("byte 512", 1, true))
    assert.is_true(kilobytes < 256)
  end)

  it("may be a million, with brackets that never close", function()
    local _, err = decode(("["):rep(1000000), { max_depth = 1000000 })
    assert.is_truthy(err.message:find("byte 1000000", 1, true))
    local _, late = decode(('{"a":'):rep(1000000), { max_depth = 1000000 })
    assert.is_truthy(late.message:find("byte 5000000", 1, true))
  end)

  it("may be 100,000: arrays", function()
    local depth = 100000
    local value = decode(("[1,"):rep(depth) .. "2" .. (",3]"):rep(depth), { max_depth = depth })
    for _ = 1, depth - 1 do
      assert(value[1] == 1 and value[3] == 3 and #value == 3)
      value = value[2]
    end
    assert.are.same({ 1, 2, 3 }, value)
  end)

  it("may be 100,000: objects whose members come on both sides", function()
    local depth = 100000
    local text = ('{"a":1,"b":'):rep(depth) .. "[]" .. (',"c":2,"a":3}'):rep(depth)
    local value = decode(text, { max_depth = depth + 1 })
    for _ = 1, depth do
      assert(value.a == 3 and value.c == 2)
      value = value.b
    end
    assert.are.same({}, value)
  end)

  it("may be reached again and again", function()
    local branch = ('{"a":['):rep(3000) .. ("]}"):rep(3000)
    local value = decode("[" .. (branch .. ","):rep(20) .. "7]", { max_depth = 6001 })
    assert.are.equal(21, #value)
    for i = 1, 20 do
      local inner, depth = value[i], 0
      while inner do
        inner, depth = inner.a[1], depth + 1
      end
      assert.are.equal(3000, depth)
    end
  end)
end)

describe("a finaliser that decodes", function()
  it("does not disturb the decoding it interrupts", function()
    local runs, armed, decoding = 0, true, false
    local inner = ('{"id":"\\u0041%s","n":[1,{"id":2}],"x":null}'):format(("y"):rep(600))
    local function finaliser()
      assert(decode(inner).n[2].id == 2)
      if decoding then runs = runs + 1 end
      if armed then finalised(finaliser) end
    end
    finalised(finaliser)
    local members = {}
    for i = 1, 2000 do
      members[i] = ('"name%d":{"id":"\\n%s","n":%d,"n":[%d]}'):format(i, ("z"):rep(i % 700), i, i)
    end
    local text = "{" .. table.concat(members, ",") .. "}"
    -- A cycle begins at once after the former, runs the finaliser, and ends before as much has been
    -- allocated as was in use. Sixteen of them: one may end outside of decode, and beside `make
    -- test-gc`, which collects in between, most do.
    local kilobytes = math.max(#text / 1024, peak_of(function() decode(text) end))
    local pause = set("pause", 0)
    local rounds = 16 * math.ceil((collectgarbage "count" + kilobytes) / kilobytes)
    for _ = 1, rounds do
      decoding = true
      local value = decode(text)
      decoding = false
      for i = 1, 2000 do
        local member = value["name" .. i]
        assert(member.id == "\n" .. ("z"):rep(i % 700) and member.n[1] == i)
      end
      if runs > 3 then break end
    end
    armed = false
    set("pause", pause)
    assert.is_true(runs > 0, ("no run in %d rounds"):format(rounds))
  end)
end)

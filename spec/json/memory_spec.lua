-- Memory that runs out within decoding: an error of memory, and the next text is read well.

local helpers = require "spec.support.helpers"

local attempt

--- Texts whose decoding allocates in all the ways there are.
local TEXTS = {
  ["a small one"] = '{"a":[1,2.5,"x",true,null],"b":{},"c":[],"a":3}',
  ["long strings and escapes"] = ('["%s","\\u00e9%s\\n%s"]')
    :format(("l"):rep(5000), ("m"):rep(700), ("n"):rep(3000)),
  ["deep nesting"] = ('[{"a":'):rep(200) .. "1" .. ("}]"):rep(200),
  ["many names"] = (function()
    local members = {}
    for i = 1, 60 do
      members[i] = ('"name number %d":"value %d"'):format(i, i)
    end
    return "{" .. table.concat(members, ",") .. "}"
  end)(),
  ["more values than the window holds"] = '{"a":[' .. ("[0],"):rep(5000) .. "1]}",
  ["a fault"] = '{"a":["' .. ("x"):rep(100) .. '",{"b":tru}]}',
}

setup(function() attempt = helpers.load "failing_allocator" end)

--- The numbers to fail at: all, or where they are very many all at both ends and some between.
local function numbers(count)
  local n = -1
  return function()
    n = n + ((n > 150 and n < count - 150) and 97 or 1)
    if n < count then
      return n
    end
  end
end

for name, text in pairs(TEXTS) do
  describe("when memory runs out within " .. name .. ", decoding", function()
    local unlimited = name == "a fault" and "refused" or "done"

    it("raises Lua's memory error, leaks nothing, and works again", function()
      local outcome, count, again, left = attempt(text, -1, package.cpath, "decode")
      if not outcome then
        return pending "this Lua takes no allocator"
      end
      assert.are.same({ unlimited, unlimited, 0 }, { outcome, again, left })
      local fewest = count
      for n in numbers(count) do
        local failed, _, later, kept, refused = attempt(text, n, package.cpath, "decode")
        -- LuaJIT does not always need the same number
        local expected = refused > 0 and "memory" or unlimited
        assert.are.same({ n, expected, unlimited, 0 }, { n, failed, later, kept })
        fewest = refused == 0 and math.min(fewest, n) or fewest
      end
      assert.is_true(fewest > count - 8)
    end)
  end)
end

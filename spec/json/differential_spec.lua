-- Random documents, whole and damaged: the decoder and lua-cjson find the same in them.

local core = require "sora.core"
local random_json = require "spec.support.random_json"

local decode = core.decode
local found, cjson = pcall(require, "cjson")

local DOCUMENTS = 3000

--- Calls f that often with the null that both decoders have, and names the seed where it fails.
local function repeatedly(f)
  local seed = os.time()
  math.randomseed(seed)
  io.write(("[seed %d]"):format(seed))
  for i = 1, DOCUMENTS do
    local good, message = pcall(f, math.random(1, 6))
    assert(good, ("seed %d, document %d: %s"):format(seed, i, tostring(message)))
  end
end

describe("a random document", function()
  it("decodes to the value it was written from", function()
    repeatedly(function(depth)
      local value, text = random_json.document(depth, core.null)
      assert(random_json.equal(value, assert(decode(text, { null = core.null }))), text)
    end)
  end)

  it("decodes as lua-cjson decodes it", function()
    if not found then
      return pending "lua-cjson is not installed"
    end
    repeatedly(function(depth)
      local _, text = random_json.document(depth, cjson.null)
      assert(random_json.equal(cjson.decode(text), decode(text, { null = core.null })), text)
    end)
  end)

  it("comes back from lua-cjson's encoder", function()
    if not found then
      return pending "lua-cjson is not installed"
    end
    local encoder = cjson.new()
    encoder.encode_number_precision(14)
    repeatedly(function(depth)
      local text = encoder.encode((random_json.document(depth, cjson.null)))
      assert(random_json.equal(cjson.decode(text), decode(text, { null = core.null })), text)
    end)
  end)

  it("that was damaged is refused, or lua-cjson takes it too and finds the same", function()
    if not found then
      return pending "lua-cjson is not installed"
    end
    local refused = 0
    repeatedly(function(depth)
      local _, text = random_json.document(depth, cjson.null)
      for _ = 1, math.random(3) do
        local at = math.random(0, #text)
        local byte = ('{}[]",:\\u0e.-+ \255'):sub(math.random(18), -1):sub(1, math.random(0, 1))
        text = text:sub(1, at) .. byte .. text:sub(at + math.random(0, 2))
      end
      local value, err = decode(text, { null = core.null })
      if err then
        refused = refused + 1
        local offset = tonumber(err.message:match "byte (%d+)")
        assert(value == nil and offset >= 0 and offset <= #text)
      else
        local theirs = cjson.decode(text)
        local large = text:find(("%d"):rep(16)) -- where lua-cjson loses digits
        assert(large or random_json.equal(theirs, value), text)
      end
    end)
    assert.is_true(refused > DOCUMENTS / 4 and refused < DOCUMENTS)
  end)
end)

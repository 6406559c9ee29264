-- However a key is given, and however the service quotes it, nothing that the module says has it.

local keys = require "spec.support.keys"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"

local service = standin.shared()
local STEP = os.getenv "KEYS" == "all" and 1 or 16 -- the ways are tried with different ones

local function said_of(name, first)
  local ended = program.run(("%s spec/support/keys.lua %s %s %s %s %d %d"):format(shell.LUA,
    shell.quote(name), service.base_url, shell.quote(service.ca_file), service.proxy_url, first,
    STEP), { env = keys.WAYS[name].env })
  assert.are.equal("", ended.err)
  assert.are.equal(0, ended.code)
  return ended.out
end

local ways = {}
for name in pairs(keys.WAYS) do ways[#ways + 1] = name end
table.sort(ways)

describe("a key that is given as", function()
  setup(function() service:scripts(keys.scripts()) end)

  for number, name in ipairs(ways) do
    it(name .. " is in no error, task or progress bar, whatever the service says", function()
      local first = number % STEP + 1
      local said, ids, hidden = said_of(name, first), {}, 0
      for id, block in said:gsub("<<< ", "\0"):gmatch "%z([^\n]*)([^%z]*)" do
        ids[#ids + 1] = id
        for _, text in ipairs(keys.FORBIDDEN) do
          local from = block:find(text, 1, true)
          if from then error(id .. ": " .. block:sub(math.max(1, from - 40), from + 60)) end
        end
        if block:find("***", 1, true) then hidden = hidden + 1 end
      end
      assert.are.same(keys.ids(first, STEP), ids)
      assert.is_true(hidden > #ids * 0.9, hidden .. " of " .. #ids)
    end)
  end
end)

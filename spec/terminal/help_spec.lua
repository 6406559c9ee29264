-- sora.help: the reference as a REPL shows it.

local annotations = require "sora.reference.annotations"
local help = require "sora.reference.help"
local sora = require "sora"

-- What sora.help prints.
local function printed(topic)
  local lines, old = {}, print
  _G.print = function(text)
    lines[#lines + 1] = text
  end
  local ok, err = pcall(sora.help, topic)
  _G.print = old
  assert(ok, err)
  return table.concat(lines, "\n") .. "\n"
end

describe("sora.help", function()
  it("lists every function of the module in a line or two", function()
    local page = printed()
    for name, value in pairs(sora) do
      if type(value) == "function" then
        assert.is_truthy(page:find("\n?  sora%." .. name .. "%("), name)
      end
    end
    assert.is_truthy(page:find('sora.help "wait"', 1, true))
  end)

  it("prints what a function takes and returns, and where its options are", function()
    local page = printed("wait")
    assert.are.equal("sora.wait(id [, opts]) → task, err", page:match("^[^\n]+"))
    assert.is_truthy(page:find("\n  err   sora.error?: `failed`, `cancelled`", 1, true))
    assert.is_truthy(page:find('Options: sora.help "wait_options"', 1, true))
    assert.are.equal(page, printed("sora.wait"))
    assert.are.equal(page, printed("wait()"))
  end)

  it("prints options with those that they build on", function()
    local page = printed("wait_options")
    for _, name in ipairs { "max_interval", "timeout", "api_key" } do
      assert.is_truthy(page:find("\n  " .. name .. " ", 1, true), name)
    end
    assert.is_nil(page:find("\n  concurrency ", 1, true))
  end)

  it("finds single options, kinds of errors and fields", function()
    assert.is_truthy(printed("max_errors"):find("Options of `wait`", 1, true))
    assert.is_truthy(printed("no_video"):find("a URL did not come", 1, true))
    assert.is_truthy(printed("retry_after"):find("seconds that the service asked to wait", 1, true))
  end)

  it("prints all options, all that errors hold, and the methods of a client", function()
    assert.is_truthy(printed("options"):find("\n  concurrency ", 1, true))
    assert.is_truthy(printed("errors"):find("\n  too_large ", 1, true))
    assert.is_truthy(printed("client"):find("\n  client:stats()", 1, true))
  end)

  it("keeps lines within 80 columns", function()
    for _, topic in ipairs { "wait", "options", "errors", "client", "download", "info" } do
      for line in printed(topic):gsub("…", "."):gsub("→", ">"):gmatch("[^\n]+") do
        assert.is_true(#line <= 80, line)
      end
    end
  end)

  it("says when it knows nothing, and refuses what is no name", function()
    assert.is_truthy(printed("nothing"):find("Nothing is known of 'nothing'", 1, true))
    local ok, err = pcall(function()
      sora.help(7)
    end)
    assert.is_false(ok)
    assert.is_truthy(err:find("help_spec.lua:%d+: bad argument #1 to 'help'"))
  end)

  it("says when the annotations are not installed", function()
    local entries, path = annotations.entries, package.path
    annotations.entries = assert(loadfile("lua/sora/reference/annotations.lua"))().entries
    package.path = ""
    local page = help.page("wait")
    annotations.entries, package.path = entries, path
    assert.are.equal("The reference is not installed beside the module.", page)
  end)
end)

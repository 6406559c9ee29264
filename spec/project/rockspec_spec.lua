-- The rockspec: every Lua module has its row, and the C sources are the Makefile's.

local files = require "spec.support.files"
local shell = require "spec.support.shell"

local ROCKSPEC = "sora-scm-1.rockspec"

local function load_rockspec()
  local text = assert(files.read(ROCKSPEC))
  local rockspec = {}
  if setfenv then
    setfenv(assert(loadstring(text, ROCKSPEC)), rockspec)()
  else
    assert(load(text, ROCKSPEC, "t", rockspec))()
  end
  return rockspec
end

--- The module name of every file below lua/, mapped to its path.
local function modules_in_tree()
  local modules = {}
  for path in shell.output_of("find lua -name '*.lua'"):gmatch "[^\n]+" do
    local name = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
    modules[name] = path
  end
  return modules
end

describe("the rockspec", function()
  local rockspec = load_rockspec()

  it("installs every Lua file under the name that require knows it by", function()
    assert.are.same(modules_in_tree(), rockspec.build.install.lua)
  end)

  it("leaves the choice of the C files to the Makefile, which takes them all", function()
    assert.are.equal("make", rockspec.build.type)
    assert.are.equal(rockspec.build.build_variables.BUILD .. "/sora/core.so",
      rockspec.build.install.lib["sora.core"])
  end)

  it("depends on lua-cjson and on the Lua versions that are tested", function()
    assert.are.same({ "lua >= 5.1, < 5.6", "lua-cjson" }, rockspec.dependencies)
  end)
end)

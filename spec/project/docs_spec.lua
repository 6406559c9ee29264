-- The pages: what make docs makes of them, and that their tables name what there is.

local annotations = require "sora.reference.annotations"
local files = require "spec.support.files"
local program = require "spec.support.program"
local shell = require "spec.support.shell"

describe("what make docs gives to pandoc", function()
  local folder, result

  setup(function()
    folder = files.folder()
    local command = ("exec %s docs/render.lua %s README.md docs/*.md docs/internals/*.md "
      .. "examples/repl.md SECURITY.md CHANGELOG.md"):format(shell.quote(shell.LUA), folder)
    result = program.run("sh -c " .. shell.quote(command))
  end)

  teardown(function()
    files.remove(folder)
  end)

  it("has a place in the reference for every function, class and value", function()
    assert.are.same({ code = 0, out = "", err = "" }, result)
    local text = files.read(folder .. "/reference.md")
    for _, entry in ipairs(annotations.entries()) do
      local anchor = entry.kind == "function" and entry.name .. "()" or entry.name
      assert.is_truthy(text:find('<a id="' .. anchor .. '"></a>', 1, true), anchor)
      for _, list in ipairs { entry.fields, entry.params } do
        for _, item in ipairs(list) do
          assert.is_truthy(text:find("\n| `" .. item.name .. "` | ", 1, true), item.name)
        end
      end
      for _, value in ipairs(entry.values) do
        assert.is_truthy(text:find('\n| `"' .. value.name .. '"` | ', 1, true), value.name)
      end
    end
  end)

  it("has no link into nothing", function()
    for page in shell.output_of("cd " .. folder .. " && ls *.md"):gmatch "[^\n]+" do
      local text = files.read(folder .. "/" .. page)
      for target in text:gmatch("%]%(([^)]+)%)") do
        local file, anchor = target:match("^([^#]*)#?(.*)$")
        if anchor ~= "" then
          assert.is_truthy(text:find('<a id="' .. anchor .. '"></a>', 1, true), target)
        elseif not file:find("^https?:") then
          local name = folder .. "/" .. file
          assert.is_true(files.exists(name) or files.exists((name:gsub("html$", "md"))),
            page .. ": " .. target)
        end
      end
    end
  end)

  it("has links that end where their URLs end", function()
    local text = shell.output_of("cat " .. folder .. "/*.md"):gsub("\n```.-\n```", "")
      :gsub("`[^`\n]*`", "")
    for url in text:gmatch "https?://[^%s<>)]+" do
      assert.is_nil(url:find "[;:,]$", url) -- GitHub's and pandoc's links would take it in
    end
  end)

  it("keeps columns of tables apart", function()
    for row in files.read(folder .. "/reference.md"):gmatch("\n(|[^\n]*|)%f[\n]") do
      local columns = select(2, row:gsub("\\|", ""):gsub("|", ""))
      assert.is_truthy(columns == 4 or columns == 3, row)
    end
  end)
end)

describe("the types that docs/neovim.md names", function()
  it("are annotated", function()
    local known = {}
    for line in shell.output_of("grep -rhE '^---@(class|alias) ' lua"):gmatch "[^\n]+" do
      known[line:match "^%-%-%-@%l+ ([%w_.]+)"] = true
    end
    local section = files.read "docs/neovim.md":match "\n## Types\n(.-)\n## "
    local count = 0
    for row in section:gmatch "\n|([^|]*)|" do
      for name in row:gmatch "`(sora[%w_.]+)`" do
        assert.is_truthy(known[name], name)
        count = count + 1
      end
    end
    assert.is_true(count > 10, count)
  end)
end)

describe("the maps in docs/internals/", function()
  it("name every file, and no other", function()
    local expected, named = {}, {}
    local listing = shell.output_of
      "cd csrc && find * -name '*.c' -o -name compat.h; cd ../lua && find * -name '*.lua'"
    for file in listing:gmatch "[^\n]+" do expected[file] = true end
    for page in shell.output_of "ls docs/internals/*.md":gmatch "[^\n]+" do
      for row in files.read(page):gmatch("\n(| `[^|]*)|") do
        for file in row:gmatch("`([^`]+%.%l+)`") do named[file] = true end
      end
    end
    assert.are.same(expected, named)
  end)
end)

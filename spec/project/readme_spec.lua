-- Runs what the README and the guides show: the Lua of each page, as one program, against the
-- stand-in service; the shell lines as far as they change nothing on the machine.
--
-- A block whose fence says more than its language (```lua former) is not run. The page on Neovim
-- runs inside it, which loads the module of LuaJIT.

local files = require "spec.support.files"
local host = require "spec.support.host"
local neovim = require "spec.support.neovim"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"

-- Shell lines that are not run: they install, or run all the specs. Of those that build, make only
-- says what it would do.
local NOT_RUN = {
  "^make run", "^make test", "^make check", "^make .*install", "^luarocks ", "^%.ci/run",
}
local BUILD = "^make LUA="

local function pages()
  local names = { "README.md" }
  for name in shell.output_of("ls docs/*.md"):gmatch "[^\n]+" do names[#names + 1] = name end
  return names
end

-- What follows the blocks of NEOVIM: they have come to their end when the video is there.
local NEOVIM = "docs/neovim.md"
local AT_THE_END = [[
sora.spawn(function()
  while not vim.loop.fs_stat "video.mp4" do sora.sleep(0.02) end
  finish()
end)
]]

-- The blocks of a language, joined. Lines stay where they are on the page.
local function code(text, language)
  local lines, inside, any = {}, false, false
  for line in text:gmatch("([^\n]*)\n") do
    if inside and line == "```" then
      inside = false
    end
    lines[#lines + 1] = inside and line or ""
    if line == "```" .. language then
      inside, any = true, true
    end
  end
  return any and table.concat(lines, "\n") .. "\n" or nil
end

describe("the documentation", function()
  local service, folder, top

  setup(function()
    service = standin.start()
    folder, top = files.folder(), shell.output_of "pwd"
    os.execute("ln -s " .. shell.quote(top .. "/spec") .. " " .. folder)
  end)

  teardown(function()
    service:stop()
    files.remove(folder)
  end)

  -- Every id that a page speaks of is that of a finished task, and so is each that is made. Its
  -- video comes over plain http: the programs trust no certificate of the stand-in service.
  local function prepare(text)
    local made = ('{"id":"$ID","status":"completed","video_url":"%s/assets%%2F1%%2Fsrc.mp4?sig=x"}')
      :format(service.http_url)
    local scripts = { ["new tasks"] = { { step = "body", text = made } } }
    for id in text:gmatch('"([%w.-]+:[%w_.-]+)"') do
      local url = service.http_url .. "/assets%2F1%2Fsrc.mp4?sig=x"
      local body = ('{"id":"$ID","status":"completed","video_url":"%s"}'):format(url)
      scripts[id] = { { step = "body", text = body } }
    end
    service:scripts(scripts)
  end

  for _, page in ipairs(pages()) do
    local text = files.read(page)
    local lua = code(text, "lua")
    if lua and page == NEOVIM and rawget(_G, "jit") and neovim.found() then
      it("of " .. page .. " runs", function()
        prepare(lua)
        local result = neovim.run(("vim.cmd %q "):format("cd " .. folder) .. lua .. AT_THE_END, {
          env = { SORA_API_KEY = "sk-docs", SORA_BASE_URL = service.http_url },
        })
        -- without a screen, what is echoed goes to standard error, if Neovim has the time for it
        for _, complaint in ipairs { "Error", "E%d+:", "sora: %l+:" } do
          assert.is_nil(result.err:find(complaint), result.err)
        end
        assert.are.equal(0, result.code, result.out)
      end)
    elseif lua and page ~= NEOVIM then
      it("of " .. page .. " runs", function()
        local lacking = host.lacks(lua:match 'require "(cqueues)"')
        if lacking then return pending(lacking) end
        prepare(lua)
        local name = folder .. "/" .. page:match("[^/]+$")
        files.write(name, lua)
        local command = ("sh -c %s"):format(shell.quote(("cd %s && exec %s %s"):format(folder,
          shell.quote(shell.LUA), name)))
        local result = program.run(command, {
          env = { SORA_API_KEY = "sk-docs", SORA_BASE_URL = service.http_url },
        })
        local complaint = result.err:match("[^\n]*%.md:%d+:[^\n]*") or ""
        assert.are.equal("", complaint)
        assert.are.equal(0, result.code)
        local expected = lua:find("127.0.0.1:1\"", 1, true) and 1 or 0
        assert.are.equal(expected, select(2, result.out:gsub("sora: %l+:", "")), result.out)
      end)
    end
  end

  it("names commands that there are", function()
    for _, page in ipairs(pages()) do
      local lines = code(files.read(page), "sh") or ""
      local run = {}
      -- where any Lua will do, pages say lua5.4
      for line in lines:gsub("lua5%.4", shell.NAME):gmatch("[^\n]+") do
        local target = line:match("^make ([%l-]+) ")
        if target then
          assert.is_truthy(files.read("Makefile"):find("\n## " .. target .. ":", 1, true), line)
        end
        local lua = line:match "LUA=([%w.]+)"
        local skipped = lua and shell.output_of("command -v " .. lua) == ""
        for _, pattern in ipairs(NOT_RUN) do
          skipped = skipped or line:find(pattern) ~= nil
        end
        if not skipped then
          run[#run + 1] = line:find(BUILD) and line:gsub("^make", "make -n") or line
        end
      end
      local result = program.run(("sh -ec %s"):format(shell.quote(table.concat(run, "\n"))),
        { limit = 30 * (#run + 1) }) -- each command may take so long
      assert.are.equal(0, result.code, page .. ": " .. result.err)
    end
  end)

  it("has no link into nothing", function()
    for _, page in ipairs(pages()) do
      local here = page:match("^.*/") or ""
      for target in files.read(page):gmatch("%]%(([^)#]+)") do
        if not target:find("^https?:") then
          local path = (here .. target):gsub("[^/]+/%.%./", "")
          assert.is_true(files.exists(path), page .. ": " .. target)
        end
      end
    end
  end)

  it("names every kind of error and every option in the README", function()
    local annotations = require "sora.reference.annotations"
    local text = files.read("README.md")
    for _, value in ipairs(annotations.entry("sora.error_kind").values) do
      assert.is_truthy(text:find("[` ]" .. value.name .. "[` ]"), value.name)
    end
    for _, class in ipairs { "client", "wait_all", "download", "create", "call" } do
      for _, entry in ipairs(annotations.lineage("sora." .. class .. "_options")) do
        for _, field in ipairs(entry.fields) do
          assert.is_truthy(text:find("`" .. field.name .. "`", 1, true), field.name)
        end
      end
    end
  end)
end)

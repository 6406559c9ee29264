-- What is installed, and what a release is packed into.

local files = require "spec.support.files"
local shell = require "spec.support.shell"
local sora = require "sora"

local VERSION = sora._VERSION:match "%S+$"

describe("make install", function()
  local folder

  setup(function() folder = files.folder() end)
  teardown(function() files.remove(folder) end)

  local function install(variables)
    return shell.output_of(("make -s LUA=%s install %s 2>&1"):format(shell.NAME, variables))
  end

  it("puts modules, the command, its page and its completions below PREFIX", function()
    assert.are.equal("", install("PREFIX=" .. folder):gsub("install [^\n]*\n?", ""))
    for _, name in ipairs { "share/man/man1/sora.1", "share/bash-completion/completions/sora",
      "share/zsh/site-functions/_sora", "share/fish/vendor_completions.d/sora.fish" } do
      assert.is_true(#files.read(folder .. "/" .. name) > 1000, name)
    end
    local run = "cd / && env -i " .. folder .. "/bin/sora "
    assert.are.equal(sora._VERSION, shell.output_of(run .. "--version"))
    assert.are.equal("[1]", shell.output_of("echo '[1]' | (" .. run .. "decode --json)"))
  end)

  it("honours DESTDIR", function()
    install("PREFIX=/opt/sora DESTDIR=" .. folder .. "/root")
    local script = files.read(folder .. "/root/opt/sora/bin/sora")
    assert.is_truthy(script:find('package.path = "/opt/sora/share/lua/', 1, true), script)
    assert.is_true(files.exists(folder .. "/root/opt/sora/share/man/man1/sora.1"))
  end)
end)

describe("make dist", function()
  local folder

  setup(function() folder = files.folder() end)
  teardown(function() files.remove(folder) end)

  --- The sums of what is packed in a clone of its own.
  local function sums_of(name, before)
    local clone = folder .. "/" .. name
    return shell.output_of(([[%s; git clone -q . %s && cd %s && make -s dist >&2 &&
      cd build/dist && sha256sum sora-*]]):format(before, clone, clone))
  end

  it("gives the same bytes wherever, whenever and by whom it is called", function()
    if shell.output_of "git rev-parse HEAD 2>/dev/null" == "" then
      return pending "this is no repository of git"
    end
    local first = sums_of("a", "umask 022; export TZ=UTC LC_ALL=C")
    os.execute "sleep 1.1"
    local second = sums_of("deep/er/b", "umask 077; export TZ=Asia/Tokyo LC_ALL=C.UTF-8")
    assert.are.equal(first, second)
    assert.are.equal(2, select(2, (first .. "\n"):gsub("\n", "")))

    local rockspec = {}
    local text = files.read(folder .. "/a/build/dist/sora-" .. VERSION .. "-1.rockspec")
    local chunk = setfenv and setfenv(assert(loadstring(text)), rockspec)
      or load(text, "rockspec", "t", rockspec)
    chunk()
    assert.are.equal(VERSION .. "-1", rockspec.version)
    assert.are.equal("v" .. VERSION, rockspec.source.tag)
    assert.is_nil(rockspec.source.branch)
    assert.is_truthy(rockspec.source.url:find("/sora-" .. VERSION .. ".tar.gz", 1, true))
    assert.is_truthy(rockspec.description.homepage)
    assert.is_truthy(rockspec.description.issues_url)
  end)
end)

-- The completions, asked for in the shells themselves, and the manual page, by groff.

local command = require "spec.support.command"
local commands = require "sora.command.commands"
local files = require "spec.support.files"
local shell = require "spec.support.shell"

local function has(program) return shell.output_of("command -v " .. program) ~= "" end

local function sorted(text)
  local words = {}
  for word in text:gmatch "[^\n]+" do words[#words + 1] = word end
  table.sort(words)
  return words
end

describe("completion", function()
  local folder

  setup(function()
    folder = files.folder()
    for _, name in ipairs { "bash", "zsh", "fish" } do
      files.write(folder .. "/" .. name, command.run(nil, { "completion", name }).out)
    end
    files.write(folder .. "/cat a.mp4", "")
    files.write(folder .. "/dog.mp4", "")
  end)

  teardown(function() files.remove(folder) end)

  --- What bash offers for a line whose last word is to be completed.
  local function bash(...)
    local words = {}
    for i, word in ipairs { "sora", ... } do words[i] = shell.quote(word) end
    local script = ([[cd %s; . ./bash; COMP_WORDS=(%s) COMP_CWORD=%d
      compopt() { :; }; _sora; printf '%%s\n' "${COMPREPLY[@]}"]]):format(shell.quote(folder),
      table.concat(words, " "), #words - 1)
    return sorted(shell.output_of("bash -c " .. shell.quote(script)))
  end

  local function options_of(name)
    local list = {}
    for _, option in ipairs(commands.find(name).options) do list[#list + 1] = "--" .. option[1] end
    table.sort(list)
    return list
  end

  it("of bash knows commands, options, words and files", function()
    assert.are.same({ "call", "completion", "create" }, bash "c")
    for _, one in ipairs(commands.list) do
      assert.are.same(options_of(one.name), bash(one.name, "--"))
    end
    assert.are.same({ "--downloads" }, bash("wait", "id", "--d"))
    assert.are.same({ "zsh" }, bash("completion", "z"))
    assert.are.same({ "cat a.mp4" }, bash("create", "--out", "cat"))
    assert.are.same({ "dog.mp4" }, bash("download", "id", "d"))
    assert.are.same({}, bash("create", "--model", ""))
    assert.are.same({ "wait" }, bash("help", "w"))
  end)

  it("of zsh loads, and knows each command", function()
    if not has "zsh" then return pending "there is no zsh" end
    local script = ([[autoload -Uz compinit; compinit -u -D; source %s/zsh
      print -r -- ${_comps[sora]}; functions _sora]]):format(folder)
    local said = shell.output_of("zsh -fc " .. shell.quote(script))
    assert.is_truthy(said:find("^_sora\n"), said)
    for _, one in ipairs(commands.list) do
      assert.is_truthy(said:find(one.name .. ":", 1, true), one.name)
    end
  end)

  it("of fish knows commands and options", function()
    if not has "fish" then return pending "there is no fish" end
    local function fish(line)
      return shell.output_of(("fish --no-config -c %s"):format(shell.quote(
        ("source %s/fish; complete -C %s"):format(folder, shell.quote(line)))))
    end
    local said = fish "sora "
    for _, one in ipairs(commands.list) do
      assert.is_truthy(("\n" .. said):find("\n" .. one.name .. "\t", 1, true), said)
    end
    assert.is_truthy(fish "sora create --mo":find "^%-%-model\t")
  end)
end)

describe("the manual page", function()
  local page

  setup(function() page = command.run(nil, { "man" }).out end)

  it("has all that --help has", function()
    local plain = page:gsub("\\%-", "-")
    for _, one in ipairs(commands.list) do
      assert.is_truthy(plain:find("sora " .. one.name, 1, true))
      assert.is_truthy(plain:lower():find(one.summary:lower(), 1, true), one.summary)
      for _, option in ipairs(one.options) do
        assert.is_truthy(plain:find("--" .. option[1], 1, true))
      end
    end
  end)

  it("is roff that groff has nothing to say against", function()
    if not has "groff" then return pending "there is no groff" end
    local name = os.tmpname()
    files.write(name, page)
    local said = shell.output_of("groff -man -ww -z -Tutf8 " .. name .. " 2>&1")
    local shown = shell.output_of("groff -man -Tutf8 -P-cbou " .. name)
    os.remove(name)
    assert.are.equal("", said)
    assert.is_truthy(shown:find("\n +%-%-journal FILE\n"), shown)
    assert.is_nil(shown:find("\\f", 1, true))
  end)
end)

-- The command line: options, their values, and what is said of those that are wrong.

local command = require "spec.support.command"
local commands = require "sora.command.commands"
local lines = require "sora.command.line"

describe("the command line", function()
  local wait = commands.find "wait"

  local function read(...) return lines.read(wait, { ... }, 1) end

  local function refusal(...)
    local ok, err = pcall(lines.read, wait, { ... }, 1)
    assert.is_false(ok)
    assert.are.equal(64, err.exit)
    return err.message
  end

  it("takes options before, between and behind the arguments, in both forms", function()
    local options, words = read("--timeout=2.5", "a", "--downloads", "3", "b", "--json")
    assert.are.same({ timeout = 2.5, downloads = 3, json = true }, options)
    assert.are.same({ "a", "b" }, words)
    options, words = read("-", "--", "--json", "-x")
    assert.are.same({}, options)
    assert.are.same({ "-", "--json", "-x" }, words)
  end)

  it("says what is wrong", function()
    for text, line in pairs {
      ["unknown option --tiemout"] = { "--tiemout=3", "x" },
      ["unknown option -x"] = { "-xsecret", "x" },
      ["--timeout needs a number above 0"] = { "--timeout=0x10", "x" },
      ["--downloads needs a whole number above 0"] = { "--downloads=1.5", "x" },
      ["--out needs a value"] = { "x", "--out" },
      ["--json takes no value"] = { "--json=1", "x" },
      ["expected: sora wait ID…"] = {},
    } do
      local message = refusal((table.unpack or unpack)(line))
      assert.is_truthy(message:find(text, 1, true), message)
      assert.is_truthy(message:find("Try: sora help wait", 1, true))
      assert.is_nil(message:find("secret", 1, true))
    end
  end)

  it("takes no key, and does not repeat it", function()
    local message = refusal("--api-key=sk-123", "x")
    assert.is_truthy(message:find("SORA_API_KEY", 1, true))
    assert.is_nil(message:find("sk-123", 1, true))
  end)

  it("is written so that a shell reads it back", function()
    assert.are.equal("sora wait 'a b' x:1 --out 'it'\\''s' --timeout 5 --json",
      lines.write("wait", { "a b", "x:1" }, { out = "it's", timeout = 5, json = true },
        { "out", "timeout", "interval", "json" }))
  end)
end)

describe("the command by itself", function()
  it("ends with 64 on a mistake, and prints nothing on standard output", function()
    for _, line in ipairs { { "wiat" }, { "wait" }, { "help", "wiat" }, { "download", "x" },
      { "call", "get", "/x" }, { "completion", "csh" }, { "create", "x", "--set", "y" } } do
      local result = command.run(nil, line)
      assert.are.same({ 64, "" }, { result.code, result.out }, line[1])
      assert.is_truthy(result.err:find "^sora: ")
    end
  end)

  it("says what is wrong with an id, or with the path of a file", function()
    local function said(...)
      local result = command.run(nil, { ... })
      assert.are.equal(64, result.code)
      return result.err
    end
    assert.are.equal("sora: an empty id\n", said("query", ""))
    assert.are.equal("sora: an id with a control character in it\n", said("query", "a\tb"))
    assert.are.equal("sora: an id of more than 64 KiB\n", said("query", ("x"):rep(65537)))
    assert.are.equal("sora: spec/ is a folder, not a file\n", said("download", "x", "spec/"))
    assert.are.equal("sora: there is no folder spec/no\n", said("download", "x", "spec/no/a"))
  end)

  it("prints help on standard output when asked, and its version", function()
    local help = command.run(nil, { "help", "create" })
    assert.are.same({ 0, "" }, { help.code, help.err })
    assert.are.equal(help.out, command.run(nil, { "create", "--help" }).out)
    assert.are.equal(0, command.run(nil, { "--help" }).code)
    assert.are.equal(64, command.run(nil, {}).code)
    assert.are.equal(require "sora"._VERSION .. "\n", command.run(nil, { "--version" }).out)
  end)

  it("has a line, an example and a module for each command", function()
    for _, one in ipairs(commands.list) do
      assert.is_function(require("sora.command." .. one.name).run)
      assert.is_truthy(one.example:find("sora " .. one.name, 1, true))
      assert.is_true(#one.summary <= 66, one.summary)
      assert.are.equal(one, lines.command { one.name })
    end
  end)

  it("has its commands, codes and events in docs/command.md", function()
    local page = require("spec.support.files").read "docs/command.md"
    for _, one in ipairs(commands.list) do
      assert.is_truthy(page:find("`sora " .. one.name, 1, true), one.name)
    end
    for _, row in ipairs(require("sora.command.exits").list) do
      local text = row[2]:gsub("^create:", "`create`:")
      assert.is_truthy(page:find(("| %d | %s |"):format(row[1], text), 1, true), text)
    end
    for _, row in ipairs(commands.events) do
      assert.is_truthy(page:find("`" .. row[1] .. "`", 1, true), row[1])
    end
  end)

  it("reads its own examples", function()
    for _, one in ipairs(commands.list) do
      local words = {}
      local text = one.example:match "sora [^|<]*":gsub('"(.-)"', function(quoted)
        return (quoted:gsub(" ", "\1"))
      end)
      for word in text:gmatch "[^ )]+" do words[#words + 1] = (word:gsub("\1", " ")) end
      if one.name ~= "completion" then lines.read(one, words, 3) end
    end
  end)

  it("takes the key from a file, and says when there is none", function()
    local files = require "spec.support.files"
    local service = require("spec.support.standin").shared()
    local folder = files.folder()
    files.write(folder .. "/key", "  sk-from-file \n")
    local id = service:id "completed"
    assert.are.equal(0, command.run(service, { "query", id, "--key-file", folder .. "/key" }).code)
    assert.are.equal("Bearer sk-from-file", service:log(id)[1].headers.authorization)
    files.write(folder .. "/key", "\n")
    for _, name in ipairs { "/key", "/none" } do
      local result = command.run(service, { "query", id, "--key-file", folder .. name })
      assert.are.equal(4, result.code)
    end
    files.remove(folder)
  end)
end)

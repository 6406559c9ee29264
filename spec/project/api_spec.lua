-- The annotations in api.lua and the files beside it against what there is: nothing public is
-- undocumented, and nothing documented is gone.

local annotations = require "sora.reference.annotations"
local core = require "sora.core"
local files = require "spec.support.files"
local option_rows = require "spec.support.option_rows"
local poller = require "sora.waiting.poller"
local shell = require "spec.support.shell"
local sora = require "sora"

-- What CALLS stands for in options.c.
local ALL_CALLS = "SCOPE_QUERY | SCOPE_WAIT | SCOPE_MANY | SCOPE_DOWNLOAD | SCOPE_CREATE | "
  .. "SCOPE_CALL"

local unpack = table.unpack or unpack

local function set(list)
  local names = {}
  for _, name in ipairs(list) do
    names[name] = true
  end
  return names
end

local function keys(values)
  local names = {}
  for name in pairs(values) do
    names[name] = true
  end
  return names
end

local function names_of(items)
  local names = {}
  for _, entry in ipairs(items) do
    names[entry.name] = true
  end
  return names
end

-- The documented functions of a table, such as "sora." or "client:".
local function functions(prefix)
  local names = {}
  for _, entry in ipairs(annotations.entries()) do
    local name = entry.kind == "function" and entry.name:match("^" .. prefix .. "(.*)$")
    if name then
      names[name] = true
    end
  end
  return names
end

-- The documented options of a class, those that it has from others included.
local function options_of(class)
  local names = {}
  for _, entry in ipairs(annotations.lineage(class)) do
    for _, field in ipairs(entry.fields) do
      names[field.name] = field
    end
  end
  return names
end

describe("the annotations of the public interface", function()
  it("document every function and field of the module, and no other", function()
    local documented = functions("sora%.")
    for name in pairs(names_of(annotations.entry("sora").fields)) do
      documented[name] = true
    end
    assert.are.same(keys(sora), documented)
  end)

  it("document every method of a client, and no other", function()
    assert.are.same(keys(core.class.__index), functions("client:"))
  end)

  it("document the module of every host; what it has, driver_contract.lua compares", function()
    local made, documented = {}, {}
    for path in shell.output_of "grep -rlF 'host.module(' lua":gmatch "[^\n]+" do
      made[path:match "^lua/(.*)%.lua$":gsub("/", ".")] = true
    end
    made["sora.init"] = nil -- what the others have in common
    for _, entry in ipairs(annotations.entries()) do
      if entry.parents[1] == "sora" then
        documented[entry.text:match '^`require "([%w.]+)"`' or entry.name] = true
      end
    end
    assert.are.same(made, documented)
  end)

  it("are of functions and hosts that the README has, too", function()
    local text = files.read "README.md"
    for name in pairs(functions "sora%.") do
      assert.is_truthy(text:find("`sora." .. name .. "(", 1, true), name)
    end
    for path in shell.output_of "grep -rlF 'host.module(' lua":gmatch "[^\n]+" do
      local name = path:match "^lua/(.*)%.lua$":gsub("/", "."):gsub("%.init$", "")
      assert.is_truthy(text:find('| `require "' .. name .. '"` |', 1, true), name)
    end
  end)

  it("are of calls that every driver is tried with", function()
    local text = files.read "spec/support/driver_contract.lua"
    for name in pairs(functions "luv%.") do
      local tried = text:find("client[:.]" .. name .. "%f[^%w_]")
      assert.is_truthy(tried or name == "spawn" or name == "sleep", name)
    end
  end)

  it("document every call of sora.luv with a callback, which a watch does not take", function()
    local expected, of_module = { spawn = true, sleep = true }, functions("sora%.")
    for name in pairs(functions("client:")) do expected[name] = of_module[name] end
    expected.watch = nil
    assert.are.same(expected, functions("luv%."))
  end)

  it("document the handles of sora.luv", function()
    assert.are.same({ cancel = true }, functions("handle:"))
  end)

  it("document every option where it may be given, and no other", function()
    local calls = {
      CLIENT = { "client_options" }, QUERY = { "query_options" },
      DOWNLOAD = { "download_options", "generate_options" },
      WAIT = { "wait_options", "wait_all_options", "generate_options" },
      CREATE = { "create_options", "generate_options" }, CALL = { "call_options" },
      VIDEOS = { "wait_all_options" }, MANY = { "query_all_options", "wait_all_options" },
      DECODE = { "decode_options" }, ENCODE = { "encode_options" },
    }
    local expected = {}
    for name, row in pairs(option_rows()) do
      local calls_of_row = row.scopes:gsub("CALLS", ALL_CALLS)
      for scope in calls_of_row:gmatch("SCOPE_(%u+)") do
        for _, class in ipairs(assert(calls[scope], scope)) do
          expected[class] = expected[class] or {}
          expected[class][name] = true
        end
      end
    end
    local documented = {}
    for class in pairs(expected) do
      documented[class] = keys(options_of("sora." .. class))
    end
    assert.are.same(expected, documented)
  end)

  it("are of options whose rows are sorted by name, since they are looked up by halving", function()
    local names = {}
    for name in files.read("csrc/lua/options.c"):gmatch '\n    {"([%w_]+)", TYPE_' do
      names[#names + 1] = name
    end
    local sorted = { unpack(names) }
    table.sort(sorted)
    assert.are.same(sorted, names)
    assert.are.same(keys(option_rows()), set(names))
  end)

  it("name the defaults that the options have", function()
    local documented = options_of("sora.wait_all_options")
    documented.max_connections = options_of("sora.client_options").max_connections
    for name, row in pairs(option_rows()) do
      local initial = row.initial:gsub("^16 %* 1024 %* 1024$", "16777216")
      if row.kind == "SECONDS" or row.kind == "COUNT" and initial ~= "0" then
        local text = documented[name] and documented[name].text or ""
        assert.are.equal(initial, text:match("default (%d+)") or "0", name)
      end
    end
    assert.are.equal("1800", documented.timeout.text:match("of waits (%d+)"))
  end)

  it("document every kind of error, and no other", function()
    local kinds = {}
    for kind in files.read("csrc/transfer/kinds.h"):gmatch("X%(([%l_]+)%) +\\?") do
      kinds[kind] = true
    end
    kinds.memory, kinds.name = true, nil
    assert.are.same(kinds, names_of(annotations.entry("sora.error_kind").values))
  end)

  it("document every field that an error may have", function()
    local fields = names_of(annotations.entry("sora.error").fields)
    for _, file in ipairs { "csrc/lua/error.c", "csrc/lua/answer.c" } do
      local text = files.read(file):gsub("static int push_download.-\n}", "")
      for name in text:gmatch('lua_setfield%(L, %-2, "([%l_]+)"%)') do
        assert.is_truthy(fields[name] or name:find("^__"), name)
      end
    end
    for name in files.read("csrc/lua/error.c"):gmatch('set_text%(L, "([%l_]+)"') do
      assert.is_truthy(fields[name], name)
    end
    for _, file in ipairs { "waiting/poller", "waiting/wait", "waiting/many", "videos/download" } do
      for made in files.read("lua/sora/" .. file .. ".lua"):gmatch("[%w_.]+%.error ?(%b{})") do
        for name in made:gmatch("([%l_]+) = ") do
          assert.is_truthy(fields[name], name)
        end
      end
    end
  end)

  it("document what on_update is told, and what a client counts", function()
    local rules = poller.rules(core.options "wait")
    local waiting = poller.new("id", rules, require("sora.waiting.pace").new(), 0)
    waiting:answer(1, { status = "pending", progress = 10 })
    waiting:answer(2, { status = "pending", progress = 20 })
    assert.are.same(keys(waiting:info(2)), names_of(annotations.entry("sora.info").fields))
    local client = sora.client()
    assert.are.same(keys(client:stats()), names_of(annotations.entry("sora.stats").fields))
    client:close()
  end)

  it("document fleets, where they are built", function()
    if not pcall(require, "sora.redis") then return pending "sora.redis is not built" end
    local fleets = require "sora.fleet"
    local methods = functions("fleet:")
    for name in pairs(fleets.class) do
      assert.is_true(methods[name] or name:find "^_" ~= nil or name == "complain", name)
    end
    for name in pairs(methods) do assert.is_function(fleets.class[name], name) end
    for class, options in pairs(fleets.options) do
      assert.are.same(keys(options), keys(options_of("sora." .. class)))
      for name, field in pairs(options_of("sora." .. class)) do
        local default = options[name].default
        local text = default and ("%d"):format(default) or field.text:match "default (%d+)"
        assert.equal(text, field.text:match "default (%d+)", name)
      end
    end
  end)

  it("document progress bars", function()
    local bar = sora.progress_bar { quiet = true }
    assert.are.same(keys(bar), names_of(annotations.entry("sora.progress_bar", true).fields))
    local taken = { stream = io.stderr, width = 80, tasks = 2, label = "x", quiet = true,
      terminal = true }
    assert.are.same(keys(taken), keys(options_of("sora.progress_bar_options")))
    sora.progress_bar(taken) -- an option that there is not would be an error
  end)

  it("say something of everything", function()
    for _, entry in ipairs(annotations.entries()) do
      assert.is_truthy(entry.text ~= "" or #entry.fields > 0, entry.name)
      for _, param in ipairs(entry.params) do
        assert.is_truthy(param.type ~= "", entry.name)
      end
      local names = {}
      for i, param in ipairs(entry.params) do names[i] = param.name end
      local arguments = (entry.arguments or ""):gsub("[%[%] ]", "")
      assert.are.equal(table.concat(names, ","), arguments)
    end
  end)

  it("name only classes that are documented", function()
    local known = set { "sora.driver" }
    for _, entry in ipairs(annotations.entries()) do
      known[entry.name] = true
    end
    for _, list in ipairs { "params", "returns", "fields" } do
      for _, entry in ipairs(annotations.entries()) do
        for _, used in ipairs(entry[list]) do
          for name in used.type:gmatch("sora%.[%w_]+") do
            assert.is_true(known[name], name)
          end
        end
      end
    end
  end)
end)

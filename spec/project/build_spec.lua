-- The build: what the module exports and needs, and make on a bare machine.

local files = require "spec.support.files"
local shell = require "spec.support.shell"

local output_of = shell.output_of

local MAKE = os.getenv("MAKE") or "make"
local LUA = shell.NAME

--- The file that require "sora.NAME" loads, or nil.
local function path_of(name)
  for template in package.cpath:gmatch("[^;]+") do
    local path = template:gsub("?", "sora/" .. name)
    if files.exists(path) then return path end
  end
end

local function core_path() return path_of "core" or error("sora.core is not on package.cpath") end

--- Runs a script in a shell, away from the checkout, in which `make env` was evaluated.
local function output_in_env(before, script)
  local evaluate = ('eval "$(%s -s env LUA=%s)"'):format(MAKE, LUA)
  return output_of(table.concat({ before, evaluate, "cd /", script }, "; "))
end

describe("the built module", function()
  it("exports luaopen_sora_core and nothing else", function()
    local symbols = output_of("nm -D --defined-only '" .. core_path() .. "'")
    assert.are.same({ "luaopen_sora_core" }, { symbols:match("^%x+ %a ([^\n]+)$") })
  end)

  it("of a fleet exports luaopen_sora_redis and nothing else, and brings no Lua", function()
    local path = path_of "redis"
    if not path then return pending "sora.redis is not built: there is no hiredis" end
    local symbols = output_of("nm -D --defined-only '" .. path .. "'")
    assert.are.same({ "luaopen_sora_redis" }, { symbols:match("^%x+ %a ([^\n]+)$") })
    assert.is_nil(output_of("ldd '" .. path .. "'"):match("liblua%S*"))
  end)

  it("says so when another Lua loads it", function()
    local script = ("print(pcall(package.loadlib('%s', 'luaopen_sora_core') or error))")
      :format(core_path())
    local loaders = 0
    for _, other in ipairs { "lua5.1", "lua5.3", "lua5.4", "lua5.5" } do
      local abi = output_of(other .. [[ -e 'io.write(_VERSION)' 2>/dev/null]])
      if abi ~= "" and abi ~= _VERSION then
        loaders = loaders + 1
        local said = output_of(('cd / && %s -e "%s" 2>&1'):format(other, script))
        assert.matches("^false\t.*version", said)
        assert.is_nil(said:find("symbol", 1, true))
      end
    end
    if loaders == 0 then pending("no other Lua is installed") end
  end)

  it("is not linked with a Lua of its own", function()
    assert.is_nil(output_of("ldd '" .. core_path() .. "'"):match("liblua%S*"))
  end)
end)

describe("make run on a bare machine", function()
  it("begins with what it installs, not with complaints", function()
    local said = output_of(MAKE .. " -n --no-print-directory PKG_CONFIG=no-such-program run 2>&1")
    assert.matches("^sh spec/support/setup.sh run ", said)
    assert.is_nil(said:find("no-such-program", 1, true))
  end)
end)

describe("make env", function()
  it("lets the module be required from anywhere", function()
    local print_version = LUA .. [[ -e 'print(require("sora")._VERSION)']]
    assert.are.equal("sora 0.1.0", output_in_env("unset LUA_PATH LUA_CPATH", print_version))
  end)

  it("keeps what was on the paths, behind its own", function()
    local print_paths = [[printf '%s\n' "$LUA_PATH" "$LUA_CPATH"]]
    local paths = output_in_env("export LUA_PATH='/a/?.lua;;' LUA_CPATH='/b/?.so'", print_paths)
    assert.is_truthy(paths:match("^/[^\n]+/lua/%?%.lua;[^\n]+;/a/%?%.lua;;\n/[^\n]+;/b/%?%.so$"))
  end)

  it("keeps the default paths where none were set", function()
    local print_paths = [[printf '%s\n' "$LUA_PATH" "$LUA_CPATH"]]
    local paths = output_in_env("unset LUA_PATH LUA_CPATH", print_paths)
    assert.is_truthy(paths:match("^[^\n]+;;\n[^\n]+;;$"))
  end)
end)

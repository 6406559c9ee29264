-- A checkout as a plugin for Neovim: what `make nvim` builds, and what vim.pack makes of it. It
-- builds the module for LuaJIT, so this runs with that one alone.

local files = require "spec.support.files"
local neovim = require "spec.support.neovim"
local program = require "spec.support.program"
local shell = require "spec.support.shell"

if not jit then return end

local LIMIT = 120 -- seconds: it compiles

--- What a git repository has to say to an outsider, whoever and wherever that is.
local GIT = "git -c user.name=spec -c user.email=spec@localhost -c init.defaultBranch=main "

local function run(command)
  local ended = program.run("sh -c " .. shell.quote(command), {
    limit = LIMIT, env = { MAKEFLAGS = "CFLAGS=-O0" },
  })
  assert.are.equal(0, ended.code, ended.out .. ended.err)
  return ended.out
end

--- This checkout as it is, as a repository.
local function repository()
  local folder = files.folder() .. "/sora"
  run(("mkdir %s && cp -R Makefile .gitignore csrc lua plugin doc *.rockspec %s && cd %s && "
    .. "rm -f lua/sora/core.so && %s init -q && %s add . && %s commit -qm all")
    :format(folder, folder, folder, GIT, GIT, GIT))
  return folder
end

--- What `code` says in a Neovim that has nothing of this checkout but what a plugin brings.
local function said(code, env)
  local all = { LUA_PATH = ";;", LUA_CPATH = ";;", MAKEFLAGS = "CFLAGS=-O0" }
  for name, value in pairs(env or {}) do all[name] = value end
  local ended = neovim.run(code, { env = all, limit = LIMIT })
  assert.are.equal(0, ended.code, ended.out .. ended.err)
  return ended.out
end

local USE = [[
  say(vim.fn.exists ":Sora", (pcall(require, "sora.luv")))
  say(vim.api.nvim_get_runtime_file("lua/sora/core.so", true)[1])
  require "sora.luv".query("id", { base_url = "http://127.0.0.1:1", retries = 0 }, function(err)
    say(err.kind)
    finish()
  end)
]]

describe("a checkout as a plugin for Neovim", function()
  if not neovim.found() or program.run("git --version").code ~= 0 then
    pending "there is no nvim, or no git"
    return
  end

  local folder

  setup(function() folder = repository() end)
  teardown(function() files.remove((folder:gsub("/sora$", ""))) end)

  it("has all that it needs after make nvim, and nothing else was left in it", function()
    run("make -s -C " .. folder .. " nvim")
    assert.are.equal("!! lua/sora/core.so\n",
      run("cd " .. folder .. " && git status --porcelain --ignored"))
    local out = said([[
      vim.opt.runtimepath:prepend(os.getenv "PLUGIN")
      vim.cmd "runtime plugin/sora.lua"
    ]] .. USE, { PLUGIN = folder })
    assert.are.equal("2\ttrue\n" .. folder .. "/lua/sora/core.so\nconnect\n", out)
  end)

  it("is installed and built by vim.pack, as docs/neovim.md has it", function()
    if not neovim.has "0.12" then
      pending "this Neovim has no vim.pack"
      return
    end
    local lines = files.read "docs/neovim.md":match "%-%- with vim%.pack[^\n]*\n(.-)```"
    lines = lines:gsub("vim.pack.add (%b{})", "vim.pack.add(%1, { confirm = false })")
      :gsub("https://[^\"]*", "file://" .. folder)
    local out = said(lines .. USE, { GIT_CONFIG_NOSYSTEM = "1" })
    assert.matches("2\ttrue\n[^\n]*/site/pack/core/opt/sora/lua/sora/core%.so\nconnect\n$", out)
  end)
end)

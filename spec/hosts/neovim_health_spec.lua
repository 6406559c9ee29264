-- :checkhealth sora. It loads the module of LuaJIT, so this runs with that one alone.

local neovim = require "spec.support.neovim"
local plugins = require "spec.support.neovim_plugin"
local standin = require "spec.support.standin"

if not jit then return end

describe(":checkhealth sora", function()
  if not neovim.found() then
    pending "there is no nvim"
    return
  end

  local service = standin.shared()
  local plugin = plugins.new(service)

  local CHECK = [[
    vim.cmd "silent checkhealth sora"
    say(table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), "\n"))
    finish()
  ]]

  it("tells what is built, linked and configured, and never the key", function()
    local out = plugin.said(CHECK, { SORA_API_KEY = "sk-very-secret" })
    assert.matches("sora %d+%.%d+%.%d+, built against libcurl %d", out)
    assert.matches("loaded from [^\n]*/sora/core%.so", out)
    assert.matches("linked with libcurl %d.*TLS by %a", out)
    assert.matches("setup%(%) was not called", out)
    assert.matches("asks " .. service.base_url:gsub("%p", "%%%0"), out)
    assert.matches("SORA_API_KEY is set", out)
    assert.is_nil(out:find("very-secret", 1, true))
    assert.is_nil(out:find "ERROR")
    out = plugin.said(CHECK, { SORA_API_KEY = "" })
    assert.matches("there is no key", out)
  end)

  it("knows what setup() was given, and hides what is secret in it", function()
    local out = plugin.said([[
      require "sora_nvim".setup {
        client = { base_url = "https://relay.example/sk-very-secret",
          api_key = "sk-very-secret", retries = 7 },
        wait = { interval = 3 }, body = { model = "veo3", images = { "cat.png" } }, view = "window",
      }
    ]] .. CHECK, { SORA_API_KEY = "" })
    assert.matches("setup%(%) was given body.images, body.model = veo3, client.api_key, "
      .. "client.base_url, client.retries = 7, view = window, "
      .. "wait.interval = 3", (out:gsub("\n%s*", " ")))
    assert.matches("asks https://[^\n]*relay%.example", out)
    assert.matches("setup%(%) was given a key", out)
    assert.matches("progress is shown in windows", out)
    assert.is_nil(out:find("very-secret", 1, true))
    assert.is_nil(out:find "ERROR")
  end)

  it("names options that there are not", function()
    local out = plugin.said('require "sora_nvim".setup { client = { retry = 7 } }' .. CHECK)
    assert.matches("ERROR.*setup%(%) was given a wrong option.*'retry'", out)
    out = plugin.said('require "sora_nvim".setup { wait = { intervall = 7 } }' .. CHECK)
    assert.matches("ERROR.*setup%(%) was given a wrong option.*'intervall'", out)
  end)

  it("says what is missing where the module was not built, as the command does", function()
    local out = plugin.said('package.path, package.cpath = "", ""\n' .. [[
      say(select(2, pcall(vim.cmd, "Sora some-id"))) -- from Lua, an error message is an error
    ]] .. CHECK, nil, "")
    assert.matches("module 'sora[%w.]*' not found: See :checkhealth sora\n", out)
    assert.matches("make %-C [^\n]* nvim\n", out)
    assert.matches("luarocks %-%-lua%-version=5.1 make", (out:gsub("\n%s*", " ")))
  end)

  it("says what opens videos, or that nothing does", function()
    assert.matches("videos are opened by vim.ui.open", plugin.said([[
      vim.ui.open = function() end
    ]] .. CHECK))
    assert.matches("videos are opened by %S*open\n", plugin.said([[
      local folder = os.getenv "HOME"
      for _, name in ipairs { "/open", "/xdg-open" } do
        vim.fn.writefile({}, folder .. name)
        vim.fn.setfperm(folder .. name, "rwx------")
      end
      vim.env.PATH = folder
    ]] .. CHECK))
    assert.matches("open is not installed", plugin.said([[
      vim.env.PATH = "/nowhere"
    ]] .. CHECK))
  end)
end)

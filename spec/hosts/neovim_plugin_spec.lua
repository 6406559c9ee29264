-- examples/neovim inside Neovim. It loads the module of LuaJIT, so this runs with that one alone.

local neovim = require "spec.support.neovim"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"

if not jit then return end

local service

--- Runs code with the plugin loaded; `text()` is what its windows show. Returns what was said.
-- `echoed`: a pattern of what goes to the messages, which are standard error without a screen.
local function said(code, env, echoed)
  env = env or {}
  env.SORA_BASE_URL = env.SORA_BASE_URL or service.base_url
  env.SORA_API_KEY = env.SORA_API_KEY or "sk-plugin"
  env.CA_FILE = service.ca_file
  local ended = neovim.run([[
    vim.opt.runtimepath:prepend "examples/neovim"
    vim.cmd "runtime plugin/sora.lua"
    vim.o.lines, vim.o.columns = 40, 120
    local function windows()
      return vim.tbl_filter(function(win)
        return vim.api.nvim_win_get_config(win).relative ~= ""
      end, vim.api.nvim_list_wins())
    end
    local function text()
      local lines = {}
      for _, win in ipairs(windows()) do
        local buf = vim.api.nvim_win_get_buf(win)
        vim.list_extend(lines, vim.api.nvim_buf_get_lines(buf, 0, -1, true))
      end
      return table.concat(lines, "\n")
    end
    local function setup(wait)
      require "sora_nvim".setup { client = { ca_file = os.getenv "CA_FILE" }, wait = wait }
    end
    local function when(condition, fn)
      if not vim.wait(20000, condition, 10) then say("in vain", text()) return finish(1) end
      fn()
    end
  ]] .. code, { env = env })
  assert.matches(echoed or "^$", ended.err)
  assert.are.equal(0, ended.code, ended.out)
  return ended.out
end

describe("the plugin for Neovim", function()
  if not neovim.found() then
    pending "there is no nvim"
    return
  end

  service = standin.shared()

  it("loads nothing before its command is used", function()
    assert.are.equal("2 false false\n", said [[
      say(vim.fn.exists ":Sora", package.loaded.sora_nvim ~= nil, package.loaded["sora.luv"] ~= nil)
      finish()
    ]]:gsub("\t", " "), nil)
  end)

  it("follows a task in a window and opens the video at the end", function()
    local out = said([[
      setup { interval = 0.3 }
      require "sora_nvim".open = function(url) say("open", url) return true end
      vim.cmd("Sora " .. os.getenv "ID")
      assert(vim.api.nvim_get_current_win() ~= windows()[1])
      when(function() return text():find "50 %%" end, function()
        say(text())
        when(function() return text():find "done" end, function()
          say(text())
          finish()
        end)
      end)
    ]], { ID = service:id("queued", "pending;progress=0.5*2", "completed") })
    assert.matches(" sora%-2:task_queued.*\n ▕█.- ▏  50 %%\n pending · 0:0", out)
    assert.matches("open\thttps://localhost:%d+/[^\n]*sig=", out)
    assert.matches("▕█.-█▏ 100 %%\n done", out)
    assert.is_nil(out:match "100 %%.*(sig=)")
  end)

  it("downloads the video into a file", function()
    local out = said([[
      setup { interval = 0.1 }
      local path = os.getenv "HOME" .. "/a video.mp4"
      vim.cmd("Sora " .. os.getenv "ID" .. " " .. vim.fn.fnameescape(path))
      when(function() return text():find "MB" and text():find "100 %%" end, function()
        say(text())
        when(function() return vim.loop.fs_stat(path) end, function()
          say(vim.loop.fs_stat(path).size)
          finish()
        end)
      end)
    ]], { ID = service:id("queued", "completed;video=size=300000") })
    assert.matches("\n300000\n$", out)
  end)

  it("creates a task of a prompt, and follows it", function()
    service:reset()
    local out = said([[
      require "sora_nvim".setup {
        client = { ca_file = os.getenv "CA_FILE" }, wait = { interval = 0.1 },
        body = { model = "veo3", aspect_ratio = "16:9" },
      }
      require "sora_nvim".open = function(url) say("open", url) return true end
      vim.cmd "Sora create a cat script:queued,completed"
      say(text())
      when(function() return text():find "done" end, function()
        say(text())
        finish()
      end)
    ]], nil, "^sora: created veo3:task_%w+$")
    local made = service:created()
    assert.are.equal(1, #made)
    assert.are.equal('{"aspect_ratio":"16:9","model":"veo3",'
      .. '"prompt":"a cat script:queued,completed"}', made[1].body)
    assert.matches("^ a cat script:queued,completed\n no progress known\n creating", out)
    assert.matches("open\thttps://localhost:%d+/[^\n]*sig=", out)
    assert.matches(" " .. made[1].id .. "\n", out)
  end)

  it("says when a task may have been made", function()
    service:script("/v1/video/create", { "502" })
    said([[
      setup {}
      vim.cmd "Sora create a cat"
      when(function() return text():find "upstream" end, finish)
    ]], nil, "^sora: a task may have been made: upstream error")
    service:reset()
  end)

  it("shows an error, whole, and stays", function()
    local out = said([[
      setup { interval = 0.1 }
      vim.cmd("Sora " .. os.getenv "ID")
      when(function() return text():find "failed:" end, function()
        local window = windows()[1]
        say(text(), vim.api.nvim_win_get_height(window))
        vim.api.nvim_set_current_win(window)
        vim.api.nvim_feedkeys("q", "x", false)
        say(#windows())
        finish()
      end)
    ]], { ID = service:id("queued", "failed") })
    assert.matches("failed: content policy\t4\n0\n$", out)
  end)

  it("stacks its windows, and fills the gap that one leaves", function()
    local out = said([[
      setup { interval = 10 }
      local function rows()
        local list = {}
        for i, win in ipairs(windows()) do
          local row = vim.api.nvim_win_get_config(win).row
          list[i] = type(row) == "table" and row[false] or row -- a number since Neovim 0.10
        end
        table.sort(list)
        return table.concat(list, " ")
      end
      vim.cmd("Sora " .. os.getenv "ID")
      vim.cmd("Sora " .. os.getenv "ID" .. "2")
      say(rows())
      for _, win in ipairs(windows()) do
        local buf = vim.api.nvim_win_get_buf(win)
        local id = vim.fn.getbufline(buf, 1)[1]:match "%S+"
        if id == os.getenv "ID" then vim.api.nvim_win_close(win, true) end -- the lower one
      end
      vim.schedule(function()
        say(rows())
        finish()
      end)
    ]], { ID = service:id "queued" })
    assert.are.equal("33 38\n38\n", out)
  end)

  it("ends the call when its window is closed", function()
    local id = service:id "never"
    said([[
      setup {}
      vim.cmd("Sora " .. os.getenv "ID")
      vim.wait(300)
      vim.api.nvim_win_close(windows()[1], true)
      vim.wait(100)
      say(vim.fn.execute "messages")
      finish()
    ]], { ID = id })
    assert.are.equal(1, #service:log(id))
  end)

  it("says what is missing where the module is not installed", function()
    local ended = neovim.run([[
      package.path, package.cpath = "", ""
      vim.opt.runtimepath:prepend "examples/neovim"
      vim.cmd "runtime plugin/sora.lua"
      say(select(2, pcall(vim.cmd, "Sora some-id"))) -- from Lua, an error message is an error
      vim.cmd "silent checkhealth sora"
      say(table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), "\n"))
      finish()
    ]])
    assert.are.equal(0, ended.code)
    assert.matches("module 'sora.luv' not found: See :checkhealth sora\n", ended.out)
    assert.matches("luarocks %-%-lua%-version=5.1 install sora", ended.out)
  end)

  it("tells in checkhealth what is built, linked and configured, and never the key", function()
    local code = [[
      vim.cmd "silent checkhealth sora"
      say(table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, true), "\n"))
      finish()
    ]]
    local out = said(code, { SORA_API_KEY = "sk-very-secret" })
    assert.matches("sora %d+%.%d+%.%d+, built against libcurl %d", out)
    assert.matches("linked with libcurl %d.*TLS by %a", out)
    assert.matches("asks " .. service.base_url:gsub("%p", "%%%0"), out)
    assert.matches("SORA_API_KEY is set", out)
    assert.is_nil(out:find("very-secret", 1, true))
    assert.is_nil(out:find "ERROR")
    out = said(code, { SORA_API_KEY = "" })
    assert.matches("SORA_API_KEY is not set", out)
  end)

  it("has a page of help", function()
    local folder = os.tmpname()
    os.remove(folder)
    os.execute("cp -R examples/neovim " .. shell.quote(folder))
    local out = said([[
      vim.opt.runtimepath:prepend(os.getenv "FOLDER")
      vim.cmd("helptags " .. os.getenv "FOLDER" .. "/doc")
      for _, tag in ipairs { "sora", ":Sora", "sora_nvim.setup()" } do
        vim.cmd("help " .. tag)
        say(vim.fn.expand "%:t", vim.fn.getline "." ~= "")
      end
      finish()
    ]], { FOLDER = folder })
    os.execute("rm -rf " .. shell.quote(folder))
    assert.are.equal(("sora.txt\ttrue\n"):rep(3), out)
  end)
end)

-- The plugin inside Neovim, shown in windows. It loads the module of LuaJIT, so this runs with that
-- one alone.

local neovim = require "spec.support.neovim"
local plugins = require "spec.support.neovim_plugin"
local standin = require "spec.support.standin"

if not jit then return end

describe("the plugin for Neovim", function()
  if not neovim.found() then
    pending "there is no nvim"
    return
  end

  local service = standin.shared()
  local plugin = plugins.new(service)
  local said = plugin.said

  --- What the code says that follows a program which stands for the system's opener of URLs. It
  -- leaves what it is given in $HOME/opened, there once all of it is written, and ends with the
  -- status.
  local function said_with_opener(status, code, env)
    return said(([[
      local folder = os.getenv "HOME"
      local opener = io.open(folder .. "/xdg-open", "w")
      opener:write('#!/bin/sh\ncd\nprintf %%s "$1" >opening\nmv opening opened\nexit %d\n')
      opener:close()
      vim.fn.setfperm(folder .. "/xdg-open", "rwx------")
      vim.env.PATH = folder .. ":" .. vim.env.PATH
      function opened() return vim.fn.filereadable(folder .. "/opened") == 1 end
    ]]):format(status) .. code, env)
  end

  it("loads nothing before its command is used", function()
    assert.are.equal("2\tfalse\tfalse\n", said [[
      say(vim.fn.exists ":Sora", package.loaded.sora_nvim ~= nil, package.loaded["sora.luv"] ~= nil)
      finish()
    ]])
  end)

  it("follows a task in a window and opens the video at the end", function()
    local out = said_with_opener(0, [[
      setup { interval = 0.3 }
      vim.cmd("Sora " .. os.getenv "ID")
      assert(vim.api.nvim_get_current_win() ~= windows()[1])
      when(function() return text():find "50 %%" end, function()
        say(text())
        when(opened, function()
          say(text())
          say(vim.fn.readfile(os.getenv "HOME" .. "/opened")[1])
          finish()
        end)
      end)
    ]], { ID = service:id("queued", "pending;progress=0.5*2", "completed") })
    assert.matches(" sora%-2:task_queued.*\n ▕█.- ▏  50 %%\n pending · 0:0", out)
    assert.matches("▕█.-█▏ 100 %%\n done", out)
    assert.matches("\nhttps://localhost:%d+/[^\n]*sig=[^\n]*\n$", out)
    assert.is_nil(out:match "(sig=).*\nhttps")
  end)

  it("shows the address of the video where nothing opens it", function()
    local out = said_with_opener(4, [[
      setup { interval = 0.1 }
      vim.cmd("Sora " .. os.getenv "ID")
      when(function() return text():find "https" end, function()
        local buffer = vim.api.nvim_win_get_buf(windows()[1])
        local address = vim.api.nvim_buf_get_lines(buffer, -2, -1, true)[1]
        say(address == vim.fn.readfile(os.getenv "HOME" .. "/opened")[1])
        local rows = math.ceil(#address / vim.api.nvim_win_get_width(windows()[1]))
        local lines = vim.api.nvim_buf_line_count(buffer)
        say(vim.api.nvim_win_get_height(windows()[1]) == lines - 1 + rows)
        say(text())
        say(vim.fn.execute "messages")
        finish()
      end)
    ]], { ID = service:id "completed" })
    assert.matches("^true\ntrue\n.* ended with%s+status 4%. The video:\nhttps[^\n]*\n\n$", out)
    out = said([[
      setup { interval = 0.1 }
      vim.env.PATH = "/nowhere"
      vim.cmd("Sora " .. os.getenv "ID")
      when(function() return text():find "https" end, function()
        say(text())
        finish()
      end)
    ]], { ID = service:id "completed" })
    assert.matches("xdg%-open.* The video:\nhttps", out)
  end)

  it("downloads the video into a file, and tells small sizes in KiB", function()
    local out = said([[
      setup { interval = 0.1 }
      local path = os.getenv "HOME" .. "/a video.mp4"
      vim.cmd("Sora " .. os.getenv "ID" .. " " .. vim.fn.fnameescape(path))
      when(function() return text():find "KiB" and text():find "100 %%" end, function()
        when(function() return vim.loop.fs_stat(path) end, function()
          say(text())
          say(vim.loop.fs_stat(path).size)
          finish()
        end)
      end)
    ]], { ID = service:id("queued", "completed;video=size=300000") })
    assert.matches("293.0 KiB\n300000\n$", out)
  end)

  it("creates a task of a prompt, and follows it", function()
    service:reset()
    local out = said([[
      setup({ interval = 0.1 }, { body = { model = "veo3", aspect_ratio = "16:9" } })
      require "sora_nvim.opener".open = function(url) say("open", url) end
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
    for _, fault in ipairs { "502", "redirect", "web_ui" } do
      service:script("/v1/video/create", { fault })
      said([[
        setup()
        vim.cmd "Sora create a cat"
        when(function() return #require("sora_nvim.job").running == 0 end, finish)
      ]], nil, "^sora: a task may have been made: ")
      service:reset()
    end
  end)

  it("says nothing of the kind when the service has refused it", function()
    service:script("/v1/video/create", { "400" })
    said([[
      setup()
      vim.cmd "Sora create a cat"
      when(function() return #require("sora_nvim.job").running == 0 end, finish)
    ]])
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

  it("breaks lines between words, and a word only where none could hold it", function()
    assert.are.same("a video of|cats||supercalif|ragilistic|cat||猫猫猫猫|猫||a video o…||a b\n", said [[
      local text = require "sora_nvim.text"
      local lines = {}
      for _, words in ipairs { "a  video\nof cats", "supercalifragilistic cat", "猫猫猫猫猫" } do
        local columns = words:find "猫" and 9 or 10
        lines[#lines + 1] = table.concat(text.wrap(words, columns), "|")
      end
      lines[#lines + 1] = text.cut("a video of cats", 10)
      lines[#lines + 1] = text.cut("a\nb", 10)
      say(table.concat(lines, "||"))
      finish()
    ]])
  end)

  it("shows a mistake in the options as an error of the task", function()
    local out = said([[
      setup { intervall = 1 }
      vim.cmd "Sora some-id"
      say(text())
      say(pcall(setup, nil, { vew = "window" }))
      say(pcall(setup, nil, { view = "tab" }))
      say(pcall(setup, nil, { client = "x" }))
      finish()
    ]])
    assert.matches("\n unknown option 'intervall'", out)
    assert.matches("false\t[^\n]*unknown option 'vew'\n", out)
    assert.matches("false\t[^\n]*option 'view': \"window\" or \"message\" expected\n", out)
    assert.matches("false\t[^\n]*option 'client': table expected, got string\n", out)
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
        vim.o.columns = 30
        vim.cmd "doautocmd VimResized"
        say(vim.api.nvim_win_get_width(windows()[1]))
        finish()
      end)
    ]], { ID = service:id "queued" })
    assert.are.equal("33 38\n38\n28\n", out)
  end)

  it("ends the call when its window is closed, or with :Sora cancel", function()
    for _, ending in ipairs {
      "vim.api.nvim_win_close(windows()[1], true)", 'vim.cmd "Sora cancel"',
      'vim.cmd("Sora cancel " .. os.getenv "ID")',
    } do
      local id = service:id "never"
      local out = said([[
        setup()
        vim.cmd("Sora " .. os.getenv "ID")
        vim.wait(300)
      ]] .. ending .. [[

        vim.wait(100)
        say(#windows(), #require "sora_nvim.job".running)
        say(vim.fn.execute "messages")
        finish()
      ]], { ID = id })
      assert.are.equal("0\t0\n\n", out)
      assert.are.equal(1, #service:log(id))
    end
    said([[
      vim.cmd "Sora cancel some-id"
      finish()
    ]], nil, "^sora: some%-id is not followed$")
  end)

  it("shows no message when the editor quits in the middle of it all", function()
    service:reset()
    local ended = plugin.run([[
      setup { interval = 0.05 }
      for i = 1, 20 do vim.cmd("Sora " .. os.getenv "ID" .. i) end
      vim.cmd("Sora " .. os.getenv "VIDEO" .. " " .. os.getenv "HOME" .. "/video.mp4")
      vim.cmd "Sora create a cat"
      when(function() return text():find "KiB" end, function() vim.cmd "qall!" end)
    ]], { ID = service:id "queued", VIDEO = service:id "completed;video=size=3000000&rate=100000" })
    assert.are.equal(0, ended.code)
    assert.are.equal("", ended.out)
    assert.matches("^sora: created sora%-2:task_%w+$", ended.err)
  end)

  it("lets the editor go on while the service hangs", function()
    assert.are.equal("100\n", said([[
      setup()
      for i = 1, 20 do vim.cmd("Sora " .. os.getenv "ID" .. i) end
      local ticks, timer = 0, vim.loop.new_timer()
      timer:start(0, 1, function()
        ticks = ticks + 1
        if ticks < 100 then return end
        timer:close()
        vim.schedule(function() say(ticks) finish() end)
      end)
    ]], { ID = service:id "never" }))
  end)

  it("has a component for the statusline, which is empty when nothing is followed", function()
    local out = said([[
      setup { interval = 0.3 }
      require "sora_nvim.opener".open = function() end
      local statusline = require "sora_nvim".statusline
      local function evaluate(format) return vim.api.nvim_eval_statusline(format, {}).str end
      say(("[%s]"):format(statusline()))
      vim.cmd("Sora " .. os.getenv "ID")
      when(function() return statusline():find "▌" end, function()
        say(statusline())
        say(evaluate "%{v:lua.require'sora_nvim'.statusline()}" == statusline())
        say(evaluate "%!v:lua.require'sora_nvim'.statusline()" ~= "")
        vim.cmd("Sora " .. os.getenv "OTHER")
        say(statusline())
        vim.cmd("Sora cancel " .. os.getenv "OTHER")
        when(function() return statusline() == "" end, function() say "ended" finish() end)
      end)
    ]], { ID = service:id("pending;progress=0.75*3", "completed"), OTHER = service:id "never" })
    assert.are.equal("[]\nsora ▕████▌ ▏\ntrue\ntrue\nsora 2 ▕██▎   ▏\nended\n", out)
  end)

  it("completes subcommands, ids seen before, and files", function()
    local shada = os.tmpname()
    os.remove(shada)
    local function run(code)
      local ended = plugin.run(code, { ID = "sora-2:task_known" }, { shada = shada })
      assert.are.equal("", ended.err)
      return ended.out
    end
    run [[
      setup()
      vim.cmd("Sora " .. os.getenv "ID")
      vim.cmd "Sora other-id"
      say(table.concat(vim.fn.getcompletion("Sora cancel ", "cmdline"), " "))
      vim.cmd "Sora cancel"
      finish()
    ]]
    local out = run [[
      for _, line in ipairs { "Sora ", "Sora c", "Sora sora-2:t", "Sora cancel ", "Sora create a ",
        "Sora some-id READ" } do
        say(line, table.concat(vim.fn.getcompletion(line, "cmdline"), " "))
      end
      finish()
    ]]
    os.remove(shada)
    assert.are.equal(table.concat({
      "Sora \tcancel create other-id sora-2:task_known", "Sora c\tcancel create",
      "Sora sora-2:t\tsora-2:task_known", "Sora cancel \t", "Sora create a \t",
      "Sora some-id READ\tREADME.md", "",
    }, "\n"), out)
  end)

  it("has a page of help", function()
    local out = said([[
      vim.cmd("helptags " .. os.getenv "PLUGIN" .. "/doc")
      for _, tag in ipairs { "sora", ":Sora", "sora_nvim.setup()", "sora_nvim.statusline()" } do
        vim.cmd("help " .. tag)
        say(vim.fn.expand "%:t", vim.fn.getline "." ~= "")
      end
      finish()
    ]])
    assert.are.equal(("sora.txt\ttrue\n"):rep(4), out)
  end)
end)

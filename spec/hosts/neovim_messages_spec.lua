-- The plugin inside a Neovim that has progress messages: 0.12 and later. It loads the module of
-- LuaJIT, so this runs with that one alone.

local neovim = require "spec.support.neovim"
local plugins = require "spec.support.neovim_plugin"
local standin = require "spec.support.standin"

if not jit then return end

describe("progress messages", function()
  if not neovim.has "0.12" then
    pending "there is no Neovim that has them"
    return
  end

  local service = standin.shared()
  local plugin = plugins.new(service)

  --- What the code said. `messages` are those of the plugin until now, without repetitions. Where
  -- there is no screen each is written to standard error as well.
  local function said(code, env, echoed)
    return plugin.said([[
      require "sora_nvim.opener".open = function() end
      messages = {}
      vim.api.nvim_create_autocmd("Progress", {
        pattern = "sora",
        callback = function(event)
          local data = event.data
          ids = ids or {}
          ids[data.id] = true
          local line = ("%s %d %s %s"):format(data.status, data.percent, data.title,
            table.concat(data.text or {}))
          if messages[#messages] ~= line then messages[#messages + 1] = line end
        end,
      })
      setup({ interval = 0.1 }, { view = "message" })
    ]] .. code, env, echoed or ".")
  end

  it("are how a task is followed unless setup says otherwise", function()
    assert.are.equal("message\nwindow\nmessage\n", said([[
      local sora_nvim = require "sora_nvim"
      for _, view in ipairs { "default", "window", "message" } do
        sora_nvim.setup { view = view ~= "default" and view or nil }
        say(sora_nvim.view())
      end
      finish()
    ]], nil, "^$"))
  end)

  it("tell state and percentage of a task, in one message that ends as it does", function()
    local id = service:id("queued", "pending;progress=0.5*2", "completed")
    local out = said([[
      vim.cmd("Sora " .. os.getenv "ID")
      when(function() return messages[#messages]:find "^success" end, function()
        say(table.concat(messages, "\n"))
        say(#vim.tbl_keys(ids), #windows(), vim.ui.progress_status())
        finish()
      end)
    ]], { ID = id })
    assert.matches("^running 0 sora asking: " .. id:sub(1, 40):gsub("%p", "%%%0"), out)
    assert.matches("\nrunning 50 sora pending[^\n]*: sora%-2:task_", out)
    assert.matches("\nsuccess 100 sora sora%-2:task_[^\n]*: done, the video is being opened\n", out)
    assert.matches("\n1\t0\t\n$", out)
  end)

  it("fit into a line; what does not is shown in a window", function()
    local out = said([[
      vim.o.columns = 60
      vim.cmd("Sora " .. os.getenv "ID")
      when(function() return #windows() == 1 end, function()
        say(messages[#messages])
        say(text())
        finish()
      end)
    ]], { ID = service:id("queued", "failed") })
    assert.matches("^failed 0 sora sora%-2:task_[^\n]*…\n", out)
    assert.matches("\n failed: content policy\n$", out)
  end)

  it("show the address of a video that nothing opens in a window", function()
    local out = said([[
      require "sora_nvim.opener".open = function(_, on_failure) on_failure "no opener" end
      vim.cmd("Sora " .. os.getenv "ID")
      when(function() return #windows() == 1 end, function()
        say(table.concat(messages, "\n"))
        say(text())
        finish()
      end)
    ]], { ID = service:id "completed" })
    assert.matches("failed 100 sora [^\n]*: no opener", out)
    assert.matches("\n no opener%. The video:\nhttps://[^\n]*sig=", out)
    assert.is_nil(out:match "(sig=).*\n no opener")
  end)

  it("are cancelled by the command, and by whoever sends them again as cancelled", function()
    local out = said([[
      for _, cancel in ipairs {
        function() vim.cmd "Sora cancel" end,
        function()
          vim.api.nvim_echo({ { "stop" } }, false, {
            kind = "progress", id = next(ids), source = "sora", title = "sora", status = "cancel",
            percent = 0,
          })
        end,
      } do
        ids = nil
        vim.cmd("Sora " .. os.getenv "ID")
        vim.wait(200)
        cancel()
        vim.wait(100)
        say(#require "sora_nvim.job".running, messages[#messages])
      end
      finish()
    ]], { ID = service:id "never" })
    assert.matches("^0\tcancel 0 sora [^\n]*: no longer followed\n0\tcancel 0 sora ", out)
  end)

  it("end with an editor that quits in the middle of it all", function()
    local ended = plugin.run([[
      setup({ interval = 0.05 }, { view = "message" })
      for i = 1, 20 do vim.cmd("Sora " .. os.getenv "ID" .. i) end
      vim.wait(200)
      vim.cmd "qall!"
    ]], { ID = service:id "queued" })
    assert.are.equal(0, ended.code)
    assert.are.equal("", ended.out)
    assert.is_nil(ended.err:find "E%d+:" or ended.err:find "[Ee]rror")
  end)

  it("say that a task was created, and go on with its id", function()
    service:reset()
    local out = said [[
      vim.cmd "Sora create a cat script:queued,completed"
      when(function() return messages[#messages]:find "^success" end, function()
        say(table.concat(messages, "\n"))
        finish()
      end)
    ]]
    assert.matches("^running 0 sora creating: a cat script:queued,completed\n", out)
    assert.matches("\nsuccess 100 sora sora%-2:task_%w+: done", out)
  end)
end)

-- Runs Lua code in a Neovim that has the plugin of this checkout, for specs.
--
--   local plugin = require("spec.support.neovim_plugin").new(service)
--   local out = plugin.said([[ vim.cmd("Sora " .. os.getenv "ID") … finish() ]], { ID = id })
--
-- The C module is what is built for the specs, not a lua/sora/core.so of the checkout.
-- Beside what neovim.lua offers, the code has
--   setup(wait, opts)     the plugin's setup, with the stand-in's authority; shown in windows
--   windows(), text()     the floating windows, and what stands in them
--   when(condition, fn)   calls fn once that is true

local files = require "spec.support.files"
local luassert = require "luassert"
local neovim = require "spec.support.neovim"

local M = {}

local PRELUDE = [[
  vim.opt.runtimepath:prepend(os.getenv "PLUGIN")
  vim.cmd "runtime plugin/sora.lua"
  vim.o.lines, vim.o.columns = 40, 120
  function windows()
    return vim.tbl_filter(function(win)
      return vim.api.nvim_win_get_config(win).relative ~= ""
    end, vim.api.nvim_list_wins())
  end
  function text()
    local lines = {}
    for _, win in ipairs(windows()) do
      local buf = vim.api.nvim_win_get_buf(win)
      vim.list_extend(lines, vim.api.nvim_buf_get_lines(buf, 0, -1, true))
    end
    return table.concat(lines, "\n")
  end
  function setup(wait, opts)
    require "sora_nvim".setup(vim.tbl_extend("force", {
      client = { ca_file = os.getenv "CA_FILE" }, wait = wait, view = "window",
    }, opts or {}))
  end
  function when(condition, fn)
    if not vim.wait(20000, condition, 10) then say("in vain", text()) return finish(1) end
    fn()
  end
]]

--- A folder as a plugin manager would make it, without the C module.
---@return string folder  to be removed
function M.folder()
  local folder = files.folder()
  os.execute(("cp -R plugin doc lua %s && rm -f %s/lua/sora/core.so"):format(folder, folder))
  return folder
end

--- The plugin for one stand-in service.
---@param service table
---@return table plugin  `run`, `said`
function M.new(service)
  local plugin = {}

  --- Runs code with the plugin loaded.
  ---@param env table?  of variables
  ---@param options table?  of neovim.run
  ---@return table  as of neovim.run
  function plugin.run(code, env, options)
    local folder = M.folder()
    local all = {
      SORA_BASE_URL = service.base_url, SORA_API_KEY = "sk-plugin", CA_FILE = service.ca_file,
      PLUGIN = folder,
    }
    for name, value in pairs(env or {}) do all[name] = value end
    options = options or {}
    options.env = all
    local ended = neovim.run(PRELUDE .. code, options)
    files.remove(folder)
    return ended
  end

  --- What the code said; it ended well.
  ---@param echoed string?  pattern of what goes to the messages: without a screen that is standard
  ---   error; nothing by default
  function plugin.said(code, env, echoed)
    local ended = plugin.run(code, env)
    luassert.matches(echoed or "^$", ended.err)
    luassert.are.equal(0, ended.code, ended.out)
    return ended.out
  end

  return plugin
end

return M

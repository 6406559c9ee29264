--- Follows tasks in floating windows, and opens or downloads their videos.

local windows = require "sora_nvim.window"

local M = {}

local CLOSE_AFTER = 5000 -- milliseconds that a window stays when all went well

local options = { client = nil, wait = {} }
local client

--- Options, each optional. Without a call the service and the key come from the environment.
---@param opts { client: table?, wait: table? }  `client`: of sora.client; `wait`: of client:wait
function M.setup(opts)
  options.client, options.wait = opts.client, opts.wait or {}
  if client then client:close() end
  client = nil
end

--- Opens a URL in the program that the system has for it.
function M.open(url)
  if vim.ui.open then return vim.ui.open(url) end -- since Neovim 0.10
  local opener = vim.fn.has "mac" == 1 and "open" or "xdg-open"
  if vim.fn.executable(opener) == 0 then return nil, opener .. " is not installed" end
  return vim.fn.jobstart({ opener, url }, { detach = true })
end

local function finish(window, text)
  window:finish(text)
  vim.defer_fn(function() window:close() end, CLOSE_AFTER)
end

local function fail(window, err)
  if window.closed then return end -- by the user: that is what cancelled the call
  window:fail(type(err) == "table" and err.message or tostring(err))
end

local function download(window, task, path)
  local opts = { on_progress = function(bytes, total) window:transfer(bytes, total) end }
  window.handle = client:download(task, path, opts, function(err, bytes)
    if err then return fail(window, err) end
    finish(window, ("%s, %.1f MB"):format(vim.fn.fnamemodify(path, ":~:."), bytes / 1e6))
  end)
end

--- Follows a task. Closing its window ends that.
---@param id string
---@param path string?  of the file for the video; without it the video is opened
function M.follow(id, path)
  local found, sora = pcall(require, "sora.luv")
  if not found then
    local why = tostring(sora):match "^[^\n]*"
    return vim.notify(why .. " See :checkhealth sora", vim.log.levels.ERROR)
  end
  client = client or sora.client(options.client)
  path = path and vim.fn.fnamemodify(vim.fn.expand(path), ":p")
  local window = windows.new(id)
  local opts = vim.tbl_extend("force", options.wait, {
    on_update = function(task, info)
      window:show(task.status, sora.progress(task), info.eta)
    end,
  })
  window.handle = client:wait(id, opts, function(err, task)
    if err then return fail(window, err) end
    if path then return download(window, task, path) end
    local opened, why = M.open(sora.video_url(task))
    if not opened then return fail(window, why) end
    finish(window, "done, the video is being opened")
  end)
end

return M

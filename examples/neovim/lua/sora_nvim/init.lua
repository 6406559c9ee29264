--- Starts and follows tasks in floating windows, and opens or downloads their videos.

local windows = require "sora_nvim.window"

local M = {}

local CLOSE_AFTER = 5000 -- milliseconds that a window stays when all went well

local options = { client = nil, wait = {}, body = {} }
local client

--- Options, each optional. Without a call the service and the key come from the environment.
---@param opts { client: table?, wait: table?, body: table? }  `client`: of sora.client; `wait`: of
---   client:wait; `body`: fields of a new task beside its prompt
function M.setup(opts)
  options.client, options.wait, options.body = opts.client, opts.wait or {}, opts.body or {}
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

--- The module, with a client for it; nil where it is not installed, which is said.
local function load()
  local found, sora = pcall(require, "sora.luv")
  if not found then
    local why = tostring(sora):match "^[^\n]*"
    vim.notify(why .. " See :checkhealth sora", vim.log.levels.ERROR)
    return nil
  end
  client = client or sora.client(options.client)
  return sora
end

local function wait(sora, window, id, path)
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

--- Follows a task. Closing its window ends that.
---@param id string
---@param path string?  of the file for the video; without it the video is opened
function M.follow(id, path)
  local sora = load()
  if not sora then return end
  path = path and vim.fn.fnamemodify(vim.fn.expand(path), ":p")
  wait(sora, windows.new(id), id, path)
end

--- Starts a task, which costs money, and follows it. Its id goes to the messages: closing the
-- window ends the following, not the task.
---@param prompt string
function M.create(prompt)
  local sora = load()
  if not sora then return end
  local window = windows.new(prompt)
  local body = vim.tbl_extend("keep", { prompt = prompt }, options.body, { model = "sora-2" })
  window:show "creating"
  window.handle = client:create(body, function(err, task)
    if err then
      if err.sent and not (err.status and err.status < 500) then
        vim.notify("sora: a task may have been made: " .. err.message, vim.log.levels.WARN)
      end
      return fail(window, err)
    end
    local id = sora.id(task)
    vim.api.nvim_echo({ { "sora: created " .. id } }, true, {})
    if window.closed then return end
    window.id = id
    wait(sora, window, id)
  end)
end

return M

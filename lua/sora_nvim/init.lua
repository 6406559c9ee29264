--- The plugin for Neovim: starts and follows tasks, and opens or downloads their videos.
--
-- Here is what it does with sora.luv. What it shows is in job.lua and the two views, window.lua and
-- message.lua; :Sora is in command.lua, :checkhealth sora in lua/sora/health.lua.

local command = require "sora_nvim.command"
local display = require "sora.terminal.display"
local jobs = require "sora_nvim.job"
local message = require "sora_nvim.message"
local opener = require "sora_nvim.opener"
local window = require "sora_nvim.window"

local M = {}

---@class sora_nvim.options
---@field client? sora.client_options
---@field wait? sora.wait_options
---@field body? sora.body  fields of new tasks, beside the prompt
---@field view? "window"|"message"  how progress is shown; default "message" where Neovim has
---  progress messages (0.12), "window" elsewhere

local FIELDS = { client = "table", wait = "table", body = "table", view = "string" }

local options = {} ---@type sora_nvim.options
local client

--- Options, each optional. Without a call the service and the key come from the environment.
---@param opts sora_nvim.options?
function M.setup(opts)
  opts = opts or {}
  for name, value in pairs(opts) do
    if type(value) ~= FIELDS[name] then
      local expected = FIELDS[name]
      if not expected then error(("unknown option '%s'"):format(name), 2) end
      error(("option '%s': %s expected, got %s"):format(name, expected, type(value)), 2)
    end
  end
  if opts.view and opts.view ~= "window" and opts.view ~= "message" then
    error("option 'view': \"window\" or \"message\" expected", 2)
  end
  options = opts
  M.given = opts -- for :checkhealth
  if client then client:close() end
  client = nil
end

--- How jobs are shown.
---@return "window"|"message"
function M.view()
  if not message.available() then return "window" end
  return options.view or "message"
end

local function new_job(title, state)
  return jobs.new(title, state, M.view() == "message" and message.new or window.new)
end

local function complain(raised)
  local why = tostring(raised):match "^[^\n]*":gsub("^.-:%d+: ", "")
  vim.notify("sora: " .. why .. " See :checkhealth sora", vim.log.levels.ERROR)
end

--- The module sora.luv, once there is a client; nil where one of the two cannot be had, after the
-- user was told.
local function load()
  local found, sora = pcall(require, "sora.luv")
  if not found then return complain(sora) end
  if not client then
    local made, result = pcall(sora.client, options.client)
    if not made then return complain(result) end
    client = result
  end
  return sora
end

local function reason(err) return type(err) == "table" and err.message or tostring(err) end

--- Whether the service may have made a task, all the same: docs/creating.md has the table.
local function may_have_made(err)
  return err.sent and not (err.status and err.status >= 400 and err.status < 500)
end

local function download(job, task, path)
  local opts = { on_progress = function(bytes, total) job:transfer(bytes, total) end }
  job:start(client.download, client, task, path, opts, function(err, bytes)
    if err then return job:fail(reason(err)) end
    job:succeed(vim.fn.fnamemodify(path, ":~:.") .. ", " .. display.size(bytes))
  end)
end

local function open(job, url)
  if not url then return job:fail "done, but the answer names no video to open" end
  job:succeed "done, the video is being opened"
  opener.open(url, function(why) job:hand_over(why .. ". The video:", url) end)
end

local function wait(sora, job, id, path)
  local opts = vim.tbl_extend("force", options.wait or {}, {
    on_update = function(task, info)
      local word = type(task.status) == "string" and task.status or sora.status(task)
      job:update(word, sora.progress(task), info.eta)
    end,
  })
  job:start(client.wait, client, id, opts, function(err, task)
    if err then return job:fail(reason(err)) end
    if path then return download(job, task, path) end
    open(job, sora.video_url(task))
  end)
end

--- Follows a task to its end.
---@param id string
---@param path string?  of the file for the video; without it the video is opened
function M.follow(id, path)
  local sora = load()
  if not sora then return end
  command.remember(id)
  path = path and vim.fn.fnamemodify(vim.fn.expand(path), ":p")
  wait(sora, new_job(id, "asking"), id, path)
end

--- Starts a task, which costs money, and follows it. Its id goes to the messages: to stop following
-- ends nothing else.
---@param prompt string
function M.create(prompt)
  local sora = load()
  if not sora then return end
  local job = new_job(prompt, "creating")
  local body = vim.tbl_extend("keep", { prompt = prompt }, options.body or {}, { model = "sora-2" })
  job:start(client.create, client, body, function(err, task)
    if err then
      if may_have_made(err) then
        vim.notify("sora: a task may have been made: " .. reason(err), vim.log.levels.WARN)
      end
      return job:fail(reason(err))
    end
    local id = sora.id(task)
    command.remember(id)
    vim.api.nvim_echo({ { "sora: created " .. id } }, true, {})
    if job.outcome then return end
    job.title = id
    wait(sora, job, id)
  end)
end

--- Stops following a task, or all. The tasks themselves go on.
---@param id string?  or the prompt of one that has no id yet
function M.cancel(id)
  local cancelled = vim.tbl_filter(function(job) return not id or job.title == id end, jobs.running)
  for _, job in ipairs(cancelled) do job:cancel() end
  if #cancelled == 0 then
    vim.notify("sora: " .. (id and id .. " is not" or "nothing is") .. " followed",
      vim.log.levels.WARN)
  end
end

--- A component for 'statusline'.
M.statusline = jobs.statusline

return M

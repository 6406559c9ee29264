--- A progress message for one job, as Neovim 0.12 has them (|progress-message|): the message area,
-- the terminal's own progress bar and vim.ui.progress_status() show it, or whatever listens to the
-- event Progress. What does not fit into a line is shown in a window.

local display = require "sora.terminal.display"
local jobs = require "sora_nvim.job"
local text = require "sora_nvim.text"

local M = {}

local api = vim.api
local TITLE = "sora"
local PREFIX = #"sora: 100% " -- what Neovim puts before the text
local STATUS = { succeeded = "success", failed = "failed", cancelled = "cancel" }

--- Whether this Neovim has such messages.
---@return boolean
function M.available() return vim.fn.has "nvim-0.12" == 1 end

---@class sora_nvim.message: sora_nvim.view
---@field id integer|string|nil  of the message
local Message = {}
Message.__index = Message

---@return sora_nvim.message
function M.new() return setmetatable({}, Message) end

local function line_of(job)
  if job.outcome then return job.title .. ": " .. job.state end
  local left = job:left()
  return job.state .. (left and ", about " .. display.duration(left) .. " left" or "")
    .. ": " .. job.title
end

function Message:show(job)
  local line, room = line_of(job), math.max(20, vim.v.echospace - PREFIX)
  self.id = api.nvim_echo({ { text.cut(line, room) } }, job.outcome ~= nil, {
    kind = "progress", id = self.id, source = "sora", title = TITLE,
    status = STATUS[job.outcome] or "running",
    percent = math.floor((job.fraction or 0) * 100), -- without one the terminal's bar is an error
  })
  if job.url or job.outcome == "failed" and vim.fn.strdisplaywidth(line) > room then
    job.view = require("sora_nvim.window").new(job)
  end
end

function Message.close() end -- the last message has said it

--- A plugin that shows progress cancels a job by sending its message again with the status
-- "cancel".
if M.available() then
  api.nvim_create_autocmd("Progress", {
    pattern = "sora",
    callback = function(event)
      if event.data.status ~= "cancel" then return end
      for _, job in ipairs(jobs.running) do
        if job.view.id == event.data.id then return job:cancel() end
      end
    end,
  })
end

return M

--- What the plugin does for its user: each job is one task that is created, followed, downloaded or
-- opened, from the command to its end. A job knows what is to be told of it and tells its view
-- (window.lua, message.lua); it knows nothing of requests but the handle that cancels them.

local display = require "sora.terminal.display"

local M = {}

local uv = vim.uv or vim.loop
local STATUSLINE_BAR = 8 -- columns

---@type sora_nvim.job[]  those that have not ended, the oldest first
M.running = {}

local function now() return uv.hrtime() / 1e9 end

local in_statusline = false -- whether statusline() was ever asked

---@class sora_nvim.view  shows a job whenever something about it is new
---@field show fun(self: sora_nvim.view, job: sora_nvim.job)
---@field close fun(self: sora_nvim.view)

---@class sora_nvim.job
---@field title string  the task's id; the prompt as long as there is none
---@field state string  what goes on, or how it ended
---@field fraction number?  0..1
---@field outcome "succeeded"|"failed"|"cancelled"|nil  nil: it runs
---@field url string?  what the user has to open himself
---@field view sora_nvim.view
---@field handle sora.handle?  of the call that it waits for
---@field started number  on the loop's clock, in seconds
---@field due number?  when the task will end, as far as that can be known
local Job = {}
Job.__index = Job

---@param title string
---@param state string
---@param new_view fun(job: sora_nvim.job): sora_nvim.view
---@return sora_nvim.job
function M.new(title, state, new_view)
  local job = setmetatable({ title = title, state = state, started = now() }, Job)
  M.running[#M.running + 1] = job
  job.view = new_view(job)
  job:tell()
  return job
end

function Job:tell()
  self.view:show(self)
  if in_statusline then vim.cmd "redrawstatus!" end
end

---@return number seconds  since it began
function Job:elapsed() return now() - self.started end

---@return number? seconds  until the task ends; nil where that is not known, or has proved wrong
function Job:left()
  local left = self.due and self.due - now()
  return left and left > 0 and left or nil
end

--- Starts a call and keeps its handle. A mistake in the options that the user gave fails the job.
---@param call fun(...): sora.handle
function Job:start(call, ...)
  local ok, handle = pcall(call, ...)
  if not ok then return self:fail((tostring(handle):gsub("^.-:%d+: ", ""))) end
  self.handle = handle
end

--- How the task is doing.
---@param state string
---@param fraction number?  0..1; nil: as before
---@param eta number?  seconds until it ends
function Job:update(state, fraction, eta)
  if self.outcome then return end
  self.state, self.fraction, self.due = state, fraction or self.fraction, eta and now() + eta
  self:tell()
end

--- How the download is doing.
---@param bytes number
---@param total number?
function Job:transfer(bytes, total)
  if self.outcome then return end
  self.state, self.fraction, self.due = display.size(bytes), nil, nil
  if total and total > 0 then
    self.state = self.state .. " of " .. display.size(total)
    self.fraction = math.min(bytes / total, 1)
  end
  self:tell()
end

function Job:finish(outcome, state)
  if self.outcome then return end
  self.outcome, self.state, self.handle, self.due = outcome, state, nil, nil
  for i, job in ipairs(M.running) do
    if job == self then table.remove(M.running, i) break end
  end
  self:tell()
end

---@param text string
function Job:succeed(text)
  self.fraction = 1
  self:finish("succeeded", text)
end

---@param reason string
function Job:fail(reason) self:finish("failed", reason) end

--- The video is there, but the user has to open it himself.
---@param why string
---@param url string
function Job:hand_over(why, url)
  self.url, self.outcome = url, nil
  self:fail(why)
end

--- Ends the following, not the task. What it waits for comes to nothing.
function Job:cancel()
  if self.outcome then return end
  local handle = self.handle
  self:finish("cancelled", "no longer followed")
  self.view:close()
  if handle then handle:cancel() end
end

--- A component for 'statusline': how many tasks are followed and how far they are on average, or
-- nothing where there is none. There is no "%" in it: it may stand in `%{…}` and in `%!…`.
---@return string
function M.statusline()
  in_statusline = true
  if #M.running == 0 then return "" end
  local sum = 0
  for _, job in ipairs(M.running) do sum = sum + (job.fraction or 0) end
  local count = #M.running > 1 and #M.running .. " " or ""
  return "sora " .. count .. display.bar(sum / #M.running, STATUSLINE_BAR, true)
end

return M

--- A floating window for one job: its id, a progress bar, and what is going on. Closing it while
-- the job runs ends the job; it closes itself when all went well.

local display = require "sora.terminal.display"
local text = require "sora_nvim.text"

local M = {}

local WIDTH = 46 -- columns inside the border
local BORDER = 2
local CLOSE_AFTER = 5000 -- milliseconds that a window stays when all went well

local api, uv = vim.api, vim.uv or vim.loop
local namespace = api.nvim_create_namespace "sora"
local open = {} -- list of the windows on the screen, from the bottom upwards

for name, link in pairs { SoraId = "Title", SoraBar = "Function", SoraState = "Comment" } do
  api.nvim_set_hl(0, name, { link = link, default = true })
end

---@class sora_nvim.window: sora_nvim.view
local Window = {}
Window.__index = Window

local function columns() return math.max(10, math.min(WIDTH, vim.o.columns - BORDER)) end

--- Where a window belongs, above so many rows of others.
local function place(height, rows)
  return {
    relative = "editor", anchor = "SE", width = columns(), height = height, col = vim.o.columns,
    row = math.max(height + BORDER, vim.o.lines - vim.o.cmdheight - 1 - rows),
  }
end

--- Puts every window in its place: when there is one more or less, or one has grown, or the screen.
local function place_all()
  local rows = 0
  for _, window in ipairs(open) do
    api.nvim_win_set_config(window.win, place(window.height, rows))
    rows = rows + window.height + BORDER
  end
end

api.nvim_create_autocmd("VimResized", {
  callback = function()
    for _, window in ipairs(open) do window:draw() end
    place_all()
  end,
})

--- Opens a window; the cursor stays where it is.
---@param job sora_nvim.job
---@return sora_nvim.window
function M.new(job)
  local self = setmetatable({ job = job, height = 3 }, Window)
  self.buf = api.nvim_create_buf(false, true)
  vim.bo[self.buf].bufhidden = "wipe"
  self.win = api.nvim_open_win(self.buf, false, vim.tbl_extend("error", place(self.height, 0), {
    style = "minimal", border = "rounded", noautocmd = true,
  }))
  if vim.fn.has "nvim-0.10" == 0 then -- the default colours were magenta on magenta
    vim.wo[self.win].winhighlight = "NormalFloat:Normal,FloatBorder:Normal"
  end
  open[#open + 1] = self
  vim.keymap.set("n", "q", function() self:close() end, { buffer = self.buf, nowait = true })
  api.nvim_create_autocmd("BufWipeout", {
    buffer = self.buf, once = true, callback = function() self:on_close() end,
  })
  self.timer = uv.new_timer()
  self.timer:start(1000, 1000, vim.schedule_wrap(function() self:draw() end))
  self:draw()
  place_all()
  return self
end

function Window:on_close()
  if self.closed then return end
  self.closed = true
  self.timer:close()
  for i, window in ipairs(open) do
    if window == self then table.remove(open, i) break end
  end
  self.job:cancel() -- without effect on one that has ended
  vim.schedule(place_all)
end

function Window:close()
  if not self.closed then api.nvim_win_close(self.win, true) end
end

--- Shows what the job says now. The window of one that ended well closes after a while; one that
-- failed when its window was closed already gets a new one, for its reason has to be read.
function Window:show(job)
  if self.closed then
    if job.outcome == "failed" then job.view = M.new(job) end
    return
  end
  self:draw()
  if job.outcome == "succeeded" then
    vim.defer_fn(function()
      if job.outcome == "succeeded" then self:close() end
    end, CLOSE_AFTER)
  end
end

--- The state, how long it has taken, and how long it may take.
local function footer(job, room)
  if job.outcome == "failed" then return text.wrap(job.state, room) end
  local parts, left = { job.state }, job:left()
  if not job.outcome then parts[2] = display.duration(job:elapsed()) end
  if left then parts[3] = "about " .. display.duration(left) .. " left" end
  return { text.cut(table.concat(parts, " · "), room) }
end

--- Shows what lines there are. Only the address is longer than the window is wide: it is one line,
-- so that it can be yanked, which the window shows on several.
function Window:draw()
  if self.closed then return end
  local job, room = self.job, columns() - 2
  local middle = "no progress known"
  if job.fraction then
    middle = ("%s %3d %%"):format(display.bar(job.fraction, room - 6, true),
      math.floor(job.fraction * 100 + 1e-6))
  end
  local lines = { " " .. text.cut(job.title, room), " " .. middle }
  for _, line in ipairs(footer(job, room)) do lines[#lines + 1] = " " .. line end
  local height = #lines
  if job.url then
    lines[#lines + 1] = job.url
    height = height + math.ceil(vim.fn.strdisplaywidth(job.url) / columns())
  end
  self:put(lines, job.outcome == "failed" and "ErrorMsg" or "SoraState")
  if height ~= self.height then
    self.height = height
    place_all()
  end
end

function Window:put(lines, state_group)
  vim.bo[self.buf].modifiable = true
  api.nvim_buf_set_lines(self.buf, 0, -1, true, lines)
  vim.bo[self.buf].modifiable = false
  for i, line in ipairs(lines) do
    local group = ({ "SoraId", "SoraBar" })[i] or state_group
    api.nvim_buf_set_extmark(self.buf, namespace, i - 1, #line:match "^ *", {
      end_col = #line, hl_group = group,
    })
  end
end

return M

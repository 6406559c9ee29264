--- A floating window for one task: its id, a progress bar, and what is going on.

local M = {}

local WIDTH = 46 -- columns inside the border
local HEIGHT = 3
local BORDER = 2

local api, uv = vim.api, vim.uv or vim.loop
local namespace = api.nvim_create_namespace "sora"
local open = {} -- list of the windows on the screen, from the bottom upwards

for name, link in pairs { SoraId = "Title", SoraBar = "Function", SoraState = "Comment" } do
  api.nvim_set_hl(0, name, { link = link, default = true })
end

---@class sora_nvim.window
---@field handle table?  of the call that the window shows; cancelled when it is closed
---@field closed boolean?
local Window = {}
Window.__index = Window

local function cut(text, columns)
  text = text:gsub("%s+", " ")
  if vim.fn.strdisplaywidth(text) <= columns then return text end
  return vim.fn.strcharpart(text, 0, columns - 1) .. "…"
end

local function duration(seconds)
  seconds = math.floor(seconds + 0.5)
  return ("%d:%02d"):format(math.floor(seconds / 60), seconds % 60)
end

local function bar(fraction, columns)
  local full = math.floor(fraction * columns)
  return "▕" .. ("█"):rep(full) .. (" "):rep(columns - full) .. "▏"
end

--- Where a window belongs, above so many rows of others.
local function place(height, rows)
  return {
    relative = "editor", anchor = "SE", width = WIDTH, height = height, col = vim.o.columns,
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

local function now() return uv.hrtime() / 1e9 end

--- Opens a window; the cursor stays where it is.
---@param id string
---@return sora_nvim.window
function M.new(id)
  local self = setmetatable({
    id = id, height = HEIGHT, started = now(), state = "asking",
  }, Window)
  self.buf = api.nvim_create_buf(false, true)
  vim.bo[self.buf].bufhidden = "wipe"
  local config = vim.tbl_extend("error", place(HEIGHT, 0), {
    style = "minimal", border = "rounded", noautocmd = true,
  })
  self.win = api.nvim_open_win(self.buf, false, config)
  vim.wo[self.win].wrap = true
  open[#open + 1] = self
  place_all()
  vim.keymap.set("n", "q", function() self:close() end, { buffer = self.buf, nowait = true })
  api.nvim_create_autocmd("BufWipeout", {
    buffer = self.buf, once = true, callback = function() self:on_close() end,
  })
  self.timer = uv.new_timer()
  self.timer:start(1000, 1000, vim.schedule_wrap(function() self:draw() end))
  self:draw()
  return self
end

api.nvim_create_autocmd("VimResized", { callback = place_all })

function Window:on_close()
  if self.closed then return end
  self.closed = true
  self.timer:close()
  for i, window in ipairs(open) do
    if window == self then table.remove(open, i) end
  end
  if self.handle then self.handle:cancel() end
  vim.schedule(place_all)
end

function Window:close()
  if not self.closed then api.nvim_win_close(self.win, true) end
end

--- The last line: the state, how long it has taken, and how long it may take.
function Window:footer()
  if self.failed then return self.state end -- wrapped, it is the whole of the error
  if self.final then return cut(self.state, WIDTH - 2) end
  local parts = { self.state, duration(now() - self.started) }
  if self.eta then parts[3] = "about " .. duration(self.eta) .. " left" end
  return cut(table.concat(parts, " · "), WIDTH - 2)
end

function Window:draw()
  if self.closed then return end
  local fraction, middle = self.fraction, "no progress known"
  if fraction then middle = ("%s %3d %%"):format(bar(fraction, WIDTH - 10), fraction * 100) end
  local lines = { " " .. cut(self.id, WIDTH - 2), " " .. middle, " " .. self:footer() }
  vim.bo[self.buf].modifiable = true
  api.nvim_buf_set_lines(self.buf, 0, -1, true, lines)
  vim.bo[self.buf].modifiable = false
  for i, group in ipairs { "SoraId", "SoraBar", self.failed and "ErrorMsg" or "SoraState" } do
    api.nvim_buf_add_highlight(self.buf, namespace, group, i - 1, 1, -1)
  end
end

--- A running task.
---@param state string
---@param fraction number?  0..1
---@param eta number?  seconds until it ends, as far as that can be known
function Window:show(state, fraction, eta)
  self.state, self.fraction, self.eta = state or "running", fraction or self.fraction, eta
  self:draw()
end

--- A download.
function Window:transfer(bytes, total)
  self.state, self.eta = ("%.1f MB"):format(bytes / 1e6), nil
  self.fraction = total and total > 0 and bytes / total or nil
  self:draw()
end

function Window:finish(text)
  self.state, self.final, self.fraction, self.handle = text, true, 1, nil
  self:draw()
end

--- The window stays and grows by what the message takes.
---@param message string
function Window:fail(message)
  self.state, self.failed, self.handle = message:gsub("%s+", " "), true, nil
  self.height = HEIGHT - 1 + math.ceil((vim.fn.strdisplaywidth(self.state) + 1) / WIDTH)
  place_all()
  self:draw()
end

return M

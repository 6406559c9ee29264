--- Opens a URL in the program that the system has for it.

local M = {}

local PATIENCE = 2000 -- milliseconds: a program that has failed by then has opened nothing

--- Whether vim.ui.open, which Neovim has since 0.10, is a function of the user's own.
local function is_replaced()
  return vim.ui.open and not debug.getinfo(vim.ui.open, "S").source:find "vim/ui%.lua$"
end

--- What opens URLs here; nil and the reason where nothing does.
---@return string? name
---@return string? why
function M.found()
  if is_replaced() then return "vim.ui.open" end
  local usual = vim.fn.has "mac" == 1 and "open" or "xdg-open"
  local others = vim.ui.open and { "wslview", "explorer.exe", "lemonade" } or {}
  for _, program in ipairs { usual, unpack(others) } do
    if vim.fn.executable(program) == 1 then return program end
  end
  return nil, usual .. " is not installed"
end

--- Watches a program that vim.ui.open has started.
local function watch(process, on_failure)
  vim.defer_fn(function()
    if not process:is_closing() then return end -- it runs: that is the player
    local code = process:wait().code -- at once, for it has ended
    if code ~= 0 then on_failure("the program that opens URLs ended with status " .. code) end
  end, PATIENCE)
end

---@param url string
---@param on_failure fun(why: string)  called soon, or while a program starts
function M.open(url, on_failure)
  if not vim.ui.open then
    local found, why = M.found()
    if not found then return on_failure(why) end
    vim.fn.jobstart({ found, url }, {
      detach = true,
      on_exit = function(_, code)
        if code ~= 0 then on_failure(found .. " ended with status " .. code) end
      end,
    })
    return
  end
  local process, reason = vim.ui.open(url)
  if reason then return on_failure(reason) end
  if type(process) == "table" and process.is_closing then watch(process, on_failure) end
end

return M

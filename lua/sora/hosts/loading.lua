--- When modules are loaded: each when it is first needed, out of a text that was read with the
-- first call. To compile all that calls need would take longer than a query; to look for a file in
-- the middle of a wait may be too late, since descriptors are short, or the folder or the user of
-- the process has changed.

local M = {}

--- `return pass(fn(...))` is no tail call: fn finds its caller at the level that it counts on.
local function pass(...) return ... end
M.pass = pass

local texts -- sora.hosts.texts, once it is loaded

--- `require`. Lua 5.1 and LuaJIT take a module whose loading has failed (memory was short, or
-- Ctrl-C came) for one that is being loaded, for the rest of the process.
function M.module(name)
  local ok, module = pcall(texts and texts.require or require, name)
  if ok then return module end
  for other, value in pairs(package.loaded) do
    if type(value) ~= "table" and tostring(other):find "^sora%." then
      package.loaded[other] = nil
    end
  end
  error(module, 0)
end

--- Reads all that calls need, as far as it can be read and is not there: what is wrong is told by
-- the function that needs it, but Ctrl-C at once. The first call does so; a process that will not
-- be able to read the files when that comes (another user, another root) does it before.
function M.load()
  local ok, message = pcall(function()
    texts = texts or M.module "sora.hosts.texts"
    texts.read()
  end)
  if not ok and tostring(message):find "interrupted!$" then error(message, 0) end
end

local queried

--- For a query, which needs nothing of it, but may be the first call.
function M.load_early()
  if queried then return end
  queried = true
  M.load()
end

--- A module that calls need.
function M.for_call(name)
  M.load()
  return M.module(name)
end

--- A function of another module, which is loaded when the first of its functions is called. A
-- function behind it that raises misuse at its caller has this one in between.
---@param name string
---@param work string
---@return function
function M.in_module(name, work)
  local fn
  return function(...)
    fn = fn or M.for_call(name)[work]
    return pass(fn(...))
  end
end

return M

--- When modules are loaded: with the first call, all of them that calls need.

local M = {}

--- `return pass(fn(...))` is no tail call: fn finds its caller at the level that it counts on.
local function pass(...) return ... end
M.pass = pass

--- `require`. Lua 5.1 and LuaJIT take a module whose loading has failed (memory was short, or
-- Ctrl-C came) for one that is being loaded, for the rest of the process.
function M.module(name)
  local ok, module = pcall(require, name)
  if ok then return module end
  for other, value in pairs(package.loaded) do
    if type(value) ~= "table" and tostring(other):find "^sora%." then
      package.loaded[other] = nil
    end
  end
  error(module, 0)
end

local deferred = {} -- functions, each of which loads a module

--- Loads all that calls need, as far as it can be loaded and is not there: what is wrong is told by
-- the function that needs it, but Ctrl-C at once. The first call does so; a process that will not
-- be able to read the files when that comes (another user, another root) does it before.
function M.load()
  for i = #deferred, 1, -1 do
    local ok, message = pcall(deferred[i])
    if ok then
      table.remove(deferred, i)
    elseif tostring(message):find "interrupted!$" then
      error(message, 0)
    end
  end
end

local queried

--- For a query, which needs nothing of it, but may be the first call.
function M.load_early()
  if queried then return end
  queried = true
  M.load()
end

--- A function of another module, which is loaded when the first of these functions is called: to
-- compile what a program that makes no call does not need would take longer than all the rest of
-- `require`. All of them are loaded then: in the middle of a wait it may be too late, since
-- descriptors are short, or the folder or the user of the process has changed. A function behind it
-- that raises misuse at its caller has this one in between.
---@param name string
---@param work string
---@return function
function M.in_module(name, work)
  local fn
  deferred[#deferred + 1] = function() fn = M.module(name)[work] end
  return function(...)
    if not fn then
      M.load()
      fn = fn or M.module(name)[work]
    end
    return pass(fn(...))
  end
end

return M

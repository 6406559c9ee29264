--- The modules that calls need, as texts: read at once, and compiled one by one when they are
-- required. Once they are read no call needs a file.

local sources = require "sora.hosts.sources"

local M = {}

local NAMES = {
  "sora.answers.complaints", "sora.answers.failures", "sora.answers.layers", "sora.answers.origin",
  "sora.answers.places", "sora.answers.progress", "sora.answers.reading", "sora.answers.reasons",
  "sora.answers.task", "sora.answers.text", "sora.answers.urls", "sora.answers.videos",
  "sora.answers.words", "sora.creating.body", "sora.creating.call", "sora.creating.create",
  "sora.creating.generate", "sora.creating.ids", "sora.hosts.arguments", "sora.hosts.call",
  "sora.hosts.calls", "sora.hosts.guard", "sora.hosts.inbox", "sora.hosts.plain",
  "sora.videos.deliveries", "sora.videos.download", "sora.videos.quote", "sora.videos.transfer",
  "sora.waiting.many", "sora.waiting.pace", "sora.waiting.poller", "sora.waiting.state",
  "sora.waiting.trouble", "sora.waiting.wait",
}

local compile = loadstring or load -- luacheck: ignore

local kept = {} -- name -> what loads it, as package.preload has it

local function keep(name, text, path)
  kept[name] = function(...)
    local module = assert(compile(text, "@" .. path))(...)
    kept[name], package.preload[name] = nil, nil
    return module
  end
end

--- Reads all that are not there. Those that are no files where Lua looks may be found by somebody's
-- own searcher, and are loaded at once. Where some are not found at all, raises that of the first
-- when all others are there.
function M.read()
  local elsewhere = {}
  for _, name in ipairs(NAMES) do
    if not (kept[name] or package.loaded[name] or package.preload[name]) then
      local file, path = sources.open(name)
      local text = file and file:read "*a"
      if file then file:close() end
      if text then keep(name, text, path) else elsewhere[#elsewhere + 1] = name end
    end
  end
  local first
  for _, name in ipairs(elsewhere) do
    local ok, message = pcall(M.require, name)
    if not ok and tostring(message):find "interrupted!$" then error(message, 0) end
    first = first or not ok and message
  end
  if first then error(first, 0) end
end

--- `require`, which finds what was read. Nobody else's does: who makes `require` forget modules, to
-- load them anew, gets the files of then.
---@param name string
---@return any module
function M.require(name)
  local lent = {}
  for other, load_it in pairs(kept) do
    if not package.preload[other] then lent[other], package.preload[other] = true, load_it end
  end
  local ok, module = pcall(require, name)
  for other in pairs(lent) do package.preload[other] = nil end
  if not ok then error(module, 0) end
  return module
end

return M

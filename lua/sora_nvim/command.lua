--- The command :Sora: what its words mean, and how they are completed.
--
-- Ids that were seen are kept in a variable that Neovim writes to its ShaDa file, as it does with
-- every one in capitals ('shada' contains "!" by default): they are known to the next session too.

local jobs = require "sora_nvim.job"

local M = {}

local MOST = 50 -- ids that are remembered

local function seen()
  local ids = vim.g.SORA_IDS
  return type(ids) == "table" and ids or {}
end

--- Remembers an id, as the first that is offered.
---@param id string
function M.remember(id)
  local ids = { id }
  for _, other in ipairs(seen()) do
    if other ~= id and #ids < MOST then ids[#ids + 1] = other end
  end
  vim.g.SORA_IDS = ids
end

---@param line string  what follows :Sora
---@param words string[]  the same, as Neovim splits it: a backslash keeps a space
function M.run(line, words)
  local sora_nvim = require "sora_nvim"
  local prompt = line:match "^create%s+(.*)$"
  if prompt then return sora_nvim.create(prompt) end
  if words[1] == "cancel" then return sora_nvim.cancel(words[2]) end
  sora_nvim.follow(words[1], words[2])
end

local function running()
  return vim.tbl_map(function(job) return job.title end, jobs.running)
end

--- What may stand where the cursor is: a word of the command or an id, and after an id a file.
---@param lead string  what is there of it
---@param line string  the command line up to the cursor
---@return string[]
function M.complete(lead, line)
  local before = line:match "Sora!?%s+(.*)$" or ""
  local first = before:match "^(%S+)%s"
  local offered
  if not first then
    offered = vim.list_extend({ "cancel", "create" }, seen())
  elseif first == "cancel" then
    offered = running()
  elseif first == "create" then
    return {}
  else
    return vim.fn.getcompletion(lead, "file")
  end
  return vim.tbl_filter(function(word) return vim.startswith(word, lead) end, offered)
end

return M

-- What is asked of a server, and what came of it.

local sites = require "spec.support.servers.site"
local sora = require "sora"

local M = {}

local Tally = {}
Tally.__index = Tally

--- "2000 asked, 1815 good, 185 network (sora: network: …)"
function Tally:__tostring()
  local words = { ("%d asked, %d good"):format(self.asked, self.good) }
  for kind, count in pairs(self.kinds) do
    words[#words + 1] = ("%d %s (%s)"):format(count, kind, self.first[kind])
  end
  for _, name in ipairs { "broken", "lost", "twice" } do
    if self[name] > 0 then words[#words + 1] = self[name] .. " " .. name end
  end
  return table.concat(words, ", ")
end

local function new_tally(asked)
  return setmetatable({
    asked = asked, good = 0, failed = 0, broken = 0, lost = 0, twice = 0, kinds = {}, first = {},
  }, Tally)
end

--- Counts an answer or an error.
---@param size integer?  KiB that the answer should have
function Tally:count(task, err, size)
  if not task then
    self.failed = self.failed + 1
    self.kinds[err.kind] = (self.kinds[err.kind] or 0) + 1
    self.first[err.kind] = self.first[err.kind] or tostring(err)
  elseif size and #task.detail.pad ~= sites.pad(size) then
    self.broken = self.broken + 1
  else
    self.good = self.good + 1
  end
end

--- Asks one question after the other.
---@param client table
---@param count integer
---@param size integer?  KiB that each answer should have
---@param before function|nil  called before each
---@return table tally  asked = good + failed (kinds, first: by kind) + broken (of another size) +
---   lost; twice: told more than once
function M.sequence(client, count, size, before)
  local tally = new_tally(count)
  for i = 1, count do
    if before then before() end
    local task, err = client:query("task-" .. i)
    tally:count(task, err, size)
  end
  return tally
end

--- Asks six times over one kept connection, five seconds each, and never again.
---@param server table
---@param protocol string
---@param folder string  of its answers: "s12", "h8"
---@return table tally
---@return integer connections  that it took
function M.six(server, protocol, folder)
  local client = sora.client(server:options(protocol, "/" .. folder, {
    retries = 0, request_timeout = 5,
  }))
  local tally = M.sequence(client, 6, tonumber(folder:match "^s(%d+)$"))
  local connections = client:stats().connections
  client:close()
  return tally, connections
end

local function many(call, client, count, options)
  local tally, ids, told = new_tally(count), {}, {}
  for i = 1, count do ids[i] = "task-" .. i end
  function options.on_result(id)
    if told[id] then tally.twice = tally.twice + 1 end
    told[id] = true
  end
  local tasks, errs = client[call](client, ids, options)
  for _, id in ipairs(ids) do
    if not told[id] or not (tasks[id] or errs[id]) then
      tally.lost = tally.lost + 1
    else
      if tasks[id] and errs[id] then tally.twice = tally.twice + 1 end
      tally:count(tasks[id], errs[id])
    end
  end
  return tally
end

--- query_all of that many tasks.
---@param client table
---@param count integer
---@param concurrency integer
---@return table tally
function M.burst(client, count, concurrency)
  return many("query_all", client, count, { concurrency = concurrency })
end

--- wait_all of that many tasks, all of them in flight.
---@param client table
---@param count integer
---@param options table
---@return table tally
function M.wait(client, count, options)
  options.concurrency = count
  return many("wait_all", client, count, options)
end

return M

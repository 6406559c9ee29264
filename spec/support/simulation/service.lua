--- The service of a simulation: what becomes of each task, and what is answered when, good and bad,
-- all of it drawn from the run's seed.

local chances = require "spec.support.chance"

--- Methods of a run (run.lua).
local M = {}

local ERRORS = {
  { kind = "connect", message = "refused", retryable = true },
  { kind = "network", message = "reset", retryable = true },
  { kind = "http", message = "HTTP 502", status = 502, retryable = true },
  { kind = "decode", message = "no JSON", retryable = true },
  { kind = "http", message = "HTTP 429", status = 429, retryable = true },
  { kind = "http", message = "HTTP 429", status = 429, retryable = true, retry_after = 0 },
  { kind = "http", message = "HTTP 429", status = 429, retryable = true, retry_after = 7 },
  { kind = "http", message = "HTTP 503", status = 503, retryable = true, retry_after = 40 },
  { kind = "http", message = "HTTP 429", status = 429, retryable = true, retry_after = 4000 },
  { kind = "api", message = "the key is wrong", status = 401, retryable = false },
  { kind = "http", message = "HTTP 404", status = 404, retryable = false }, -- may come back
}

local function error_of(chance)
  local copy = {}
  for name, value in pairs(chance:of(ERRORS)) do copy[name] = value end
  return copy
end

local ENDS = { "completed", "completed", "completed", "failed", "cancelled", "no_url" }

--- What becomes of a task, by chance of its own.
function M:new_task(id, number)
  local chance = chances.new(self.seed, 1000 + number)
  self.tasks[id] = {
    chance = chance, ends_as = chance:of(ENDS), lasts = chance:scale(0.1, 2000),
    late_url = chance:is(0.2) and chance:scale(0.1, 30) or 0,
  }
end

local function answer_of(task, id, time)
  local since = time - task.first
  if since < task.lasts then
    local steps = math.floor(10 * since / task.lasts)
    return { id = id, status = steps < 2 and "queued" or "pending", progress = 10 * steps }
  end
  local status = task.ends_as == "no_url" and "completed" or task.ends_as
  local url = status == "completed" and task.ends_as ~= "no_url"
    and since - task.lasts >= task.late_url and "https://cdn.example/v.mp4" or nil
  return { id = id, status = status, video_url = url }
end

function M:answer(id, time)
  local task, weather = self.tasks[id], self.weather
  local chance = task.chance
  task.first = task.first or time
  local seconds = chance:scale(0.005, 0.5)
  for _, outage in ipairs(weather.outages) do
    if time >= outage.from and time < outage.to then
      if outage.silent then return math.huge end
      return seconds, nil, { kind = "connect", message = "an outage", retryable = true }
    end
  end
  if chance:is(weather.lost) then return math.huge end
  if chance:is(weather.late) then seconds = chance:scale(1, 60) end
  if chance:is(weather.bad) then return seconds, nil, error_of(chance) end
  return seconds, answer_of(task, id, time + seconds)
end

--- How a run's network is: outages, lost and late answers, how often callbacks act.
---@param chance spec.chance
---@param calm boolean  nothing of that
---@return table
function M.weather_of(chance, calm)
  local outages = {}
  for i = 1, calm and 0 or chance:between(0, 2) do
    local from = 1000 + chance:scale(1, 1000)
    outages[i] = { from = from, to = from + chance:scale(1, 200), silent = chance:is(0.5) }
  end
  local function often(p) return not calm and chance:is(0.5) and chance:scale(p / 20, p) or 0 end
  return {
    outages = outages, lost = often(0.1), late = often(0.2), bad = often(0.5), acts = often(0.5),
    cancels = often(0.6), jumps = often(0.01),
  }
end

return M

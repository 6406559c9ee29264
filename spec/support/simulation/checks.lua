--- What must hold at each step of a simulation. What does not is raised as a fault.
--
--   * each id ends once, as a task or as an error, and with the service's last word on it
--   * nobody waits on when his deadline has passed or his call was cancelled, whatever callbacks
--     and jumps of the clock have cost; no query's timeout passes the deadline of its call
--   * never more than `concurrency` queries of one call are in flight; none is when it has ended
--   * a task is asked no sooner than its interval allows, and never while its client is silenced
--   * of those that are due the one is asked first that was due first
--   * no busy loop, no wait without an end
--   * what has ended is not kept in memory

--- Methods of a run (run.lua).
local M = {}

local EPSILON = 1e-6

local function fault(what, ...) error("fault: " .. what:format(...), 0) end

M.fault = fault

function M:call_of(id) return self.calls[tonumber(id:match "^c(%d+)")] end

function M:check_time(next_time)
  self.looks = self.looks + 1
  if self.alive > 200 and self.looks % 64 ~= 0 then return end
  for _, call in ipairs(self.calls) do
    if call.started and not call.over and call.busy == 0 then
      if call.deadline < next_time - EPSILON then
        fault("%s %d waits beyond its deadline, %.3f s", call.name, call.number,
          next_time - call.deadline)
      elseif call.cancelled then
        fault("%s %d was cancelled, and goes on", call.name, call.number)
      end
    end
  end
end

--- The least pause between an answer and the next question, as the rules of waiting have it.
local function least_pause(opts)
  return 0.8 * math.min(opts.interval, math.max(1, opts.interval / 5))
end

--- Whether it is the turn of that one, of all that its call asks: who is due the longest is first.
function M:check_order(call, id)
  if #call.ids > 200 then return end
  local pollers = self.world.pollers
  local due, again = pollers[id].next_at, self.answered[id]
  for _, other in ipairs(call.ids) do
    local poller = pollers[other]
    if again and not poller then fault("%s is asked again before %s was asked", id, other) end
    if poller and other ~= id and self.answered[other] and not self.flying[other]
        and not self.done[other] and not call.told[other] and poller.next_at < due - EPSILON then
      fault("%s, due at %.4f, is asked before %s, due at %.4f", id, due, other, poller.next_at)
    end
  end
end

--- Whether a task that is waited for may be asked so soon.
function M:check_pause(call, id, now)
  local last, silent_until = self.answered[id], call.client.silent_until
  if last and now - last < least_pause(call.opts) - EPSILON then
    fault("%s is asked again after %.4f s", id, now - last)
  elseif now < silent_until - EPSILON then
    fault("%s is asked while its client is silenced for %.3f s", id, silent_until - now)
  end
end

function M:check_request(request)
  local id, now = request.id, self.world.time
  local call = self:call_of(id)
  self.steps = self.steps + 1
  if call.over then fault("%s is asked, and its call is over", id) end
  if self.done[id] then fault("%s is asked, and it has ended", id) end
  if now + request.timeout > call.deadline + EPSILON then
    fault("the query of %s may take %.3f s beyond the deadline", id,
      now + request.timeout - call.deadline)
  end
  call.flying, self.flying[id] = call.flying + 1, true
  if call.flying > (call.opts.concurrency or 1) then fault("%d queries in flight", call.flying) end
  if call.name:find "^wait" or call.name == "watch" then self:check_pause(call, id, now) end
  if self.refused[id] then fault("%s is asked, and on_update has ended its wait", id) end
  if call.name == "wait_all" then self:check_order(call, id) end
  if self.steps % 16 == 0 and type(request.owner) == "table" then
    local known = 0
    for _ in pairs(request.owner.pending) do known = known + 1 end
    if known >= call.flying + 1 then fault("%d requests kept, %d in flight", known, call.flying) end
  end
end

--- All calls on a client are to end.
function M:end_all(client, how)
  for _, call in ipairs(self.calls) do
    if call.started and not call.over and call.client == client then call.cancelled = true end
  end
  client[how](client)
end

local FINAL = { failed = true, cancelled = true }

function M:check_result(request, task, err)
  local call, id = self:call_of(request.id), request.id
  call.flying, self.flying[id] = call.flying - 1, nil
  self.answered[id], self.last[id] = self.world.time, task or err
  local waits = call.name:find "^wait" or call.name == "watch"
  if waits and err and err.status == 429 and err.retry_after then
    call.client.silent_until = math.max(call.client.silent_until,
      self.world.time + math.min(600, err.retry_after))
  end
  if waits and err and err.retryable then
    self.bad[id] = (self.bad[id] or 0) + 1
    if self.bad[id] > call.opts.max_errors then fault("%s: %d bad answers", id, self.bad[id]) end
  elseif task then
    self.bad[id] = nil
  end
  if not waits or task and (FINAL[task.status] or task.video_url)
      or err and err.retryable == false and err.status ~= 404 then
    self.done[id] = true
  end
end

--- The result of a call for one id.
function M:check_end(call, id, task, err)
  if (task == nil) == (err == nil) then
    fault("%s ended with task %s and error %s", id, tostring(task), tostring(err))
  end
  if task and task ~= self.last[id] then fault("%s ended with an old answer", id) end
  if task and call.name ~= "query" and call.name ~= "query_all" and not task.video_url then
    fault("%s ended without a video", id)
  end
  if err and (type(err) ~= "table" or not err.kind) then fault("%s: %s", id, tostring(err)) end
  self.ends = self.ends + 1
  self.kinds[err and err.kind or "task"] = (self.kinds[err and err.kind or "task"] or 0) + 1
end

function M:check_all(call, tasks, errs)
  local seen = 0
  for _, id in ipairs(call.ids) do self:check_end(call, id, tasks[id], errs[id]) end
  for _ in pairs(tasks) do seen = seen + 1 end
  for _ in pairs(errs) do seen = seen + 1 end
  if seen ~= #call.ids then fault("%d results of %d ids", seen, #call.ids) end
  if call.opts.on_result then
    for _, id in ipairs(call.ids) do
      if call.told[id] ~= 1 then fault("on_result was told %s times of %s", call.told[id], id) end
    end
  end
end

--- A call has ended, whatever way: nothing of it is in flight any more.
function M:finish(call)
  call.over = true
  self.alive = self.alive - 1
  for request in pairs(call.client.running) do
    if self:call_of(request.id) == call then fault("%s is left in flight", request.id) end
  end
end

function M:check_memory()
  local world = self.world
  for _, list in pairs(self.clients) do
    for _, client in ipairs(list) do client:close() end
  end
  world:run()
  for _, list in pairs(self.clients) do
    for _, client in ipairs(list) do
      client.arriving = nil
      if client.head <= client.tail then fault("an answer that nobody took") end
    end
  end
  for _, call in ipairs(self.calls) do
    if call.started and not call.over then fault("%s %d never ended", call.name, call.number) end
  end
  self.calls, self.last, self.answered, self.tasks, world.pollers = {}, {}, {}, {}, {}
  collectgarbage()
  collectgarbage()
  local left = 0
  for _ in pairs(world.requests) do left = left + 1 end
  if left > 0 then fault("%d requests are kept in memory", left) end
end

return M

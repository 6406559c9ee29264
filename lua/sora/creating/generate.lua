--- From a prompt to a file: create, wait, download.

local core = require "sora.core"
local create = require "sora.creating.create"
local download = require "sora.videos.download"
local inboxes = require "sora.hosts.inbox"
local task = require "sora.answers.task"
local wait = require "sora.waiting.wait"

local M = {}

--- What the error of a step tells beside: how far the call came, and the task to go on with.
local function failed(err, step, id, made)
  err.step, err.id, err.task = step, err.id or id, err.task or made
  return nil, err
end

--- What is wrong with the path of the video, before anything is sent for it.
local function path_fault(client, path, opts)
  local part, message = core.part(client, path, opts)
  if part then part:abandon() end
  return message
end

--- client:generate(body, path, opts), its arguments checked.
---@return integer? bytes
---@return sora.task|sora.error task_or_err
function M.generate(client, body, policy, given, path)
  local opts = {} -- of what comes after the create
  for name, value in pairs(given or {}) do
    if name ~= "create_path" then opts[name] = value end
  end
  local wrong = path_fault(client, path, opts)
  if wrong then
    return failed(create.error(client, { kind = "io", message = wrong }), "create")
  end
  local inbox = inboxes.new(client) -- tells of a cancel between two steps: each step has its own
  local now = inbox.driver.now
  local deadline = policy.timeout and now() + policy.timeout
  local function left()
    local rest = setmetatable({}, { __index = policy })
    rest.timeout = deadline and math.max(1e-3, deadline - now())
    return rest
  end
  local made, err = create.create(client, body, left(), given)
  if not made then return failed(err, "create") end
  local id = task.asked_id(made)
  local done
  done, err = wait.wait(client, id, left(), opts)
  if not done then return failed(err, "wait", id, made) end
  local stopped = inboxes.stopped(inbox) -- by the last on_update
  if stopped then
    return failed(core.error { kind = "cancelled", message = stopped }, "wait", id, done)
  end
  local bytes
  bytes, err = download.download(client, done, left(), opts, path)
  if not bytes then return failed(err, "download", id, done) end
  return bytes, done
end

return M

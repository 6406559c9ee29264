--- The public functions, written once: `new` puts them above the driver of a host.

local core = require "sora.core"
local downloads = require "sora.download"
local inboxes = require "sora.inbox"
local many = require "sora.many"
local progress_bars = require "sora.progress_bar"
local task = require "sora.task"
local waits = require "sora.wait"

local M = {}

M.VERSION = "sora 0.1.0"

core.task.__tostring = task.describe

local function check_id(call, id, level)
  if type(id) ~= "string" or id == "" or id:find "%c" then
    local what = type(id) ~= "string" and "task id (a string) expected, got " .. type(id)
      or id == "" and "task id is empty" or "task id contains a control character"
    error(("bad argument #1 to '%s' (%s)"):format(call, what), level or 4)
  end
end

local function check_source(call, source)
  if type(source) == "table" then return end
  if type(source) ~= "string" then
    local got = type(source)
    error(("bad argument #1 to '%s' (task, URL or id expected, got %s)"):format(call, got), 4)
  end
  check_id(call, source, 5)
end

local function check_path(call, path)
  if type(path) ~= "string" or path == "" or path:find "%z" then
    error(("bad argument #2 to '%s' (path of a file expected)"):format(call), 4)
  end
end

local function check_ids(call, ids)
  if type(ids) ~= "table" then
    local got = type(ids)
    error(("bad argument #1 to '%s' (table of task ids expected, got %s)"):format(call, got), 4)
  end
  for i = 1, #ids do
    local id = ids[i]
    if type(id) ~= "string" or id == "" or id:find "%c" then
      error(("bad argument #1 to '%s' (no task id at position %d)"):format(call, i), 4)
    end
  end
end

--- How a callback is told what a call returned: the error comes first.
local function tell_one(callback, value, err) callback(err, value) end
local function tell_all(callback, tasks, errs) callback(nil, tasks, errs) end

--- The calls: how the first argument is checked, who does the work, and how a callback is told of
-- it. Each work gets (driver, client, argument, policy options, request options).
local CALLS = {
  wait = { check = check_id, work = waits.wait, tell = tell_one },
  watch = { check = check_id, work = waits.watch, options = "wait" },
  query_all = { check = check_ids, work = many.query_all, tell = tell_all },
  wait_all = { check = check_ids, work = many.wait_all, tell = tell_all },
}

--- The module of a host without blocking functions: all but `query`, `client` and what is the
-- host's own.
---@param driver sora.driver
---@return table module
function M.new(driver)
  return {
    _VERSION = M.VERSION,
    null = core.null,
    decode = core.decode,
    status = task.status,
    progress = task.progress,
    video_url = task.video_url,
    failure = task.failure,
    progress_bar = progress_bars.bind { now = core.now, terminal = core.terminal },
    driver = driver,
  }
end

--- What a driver may have beside what inbox.lua says, for the manners of its host.
---@class sora.manners
---@field begin (fun(call: string, opts: any, callback: any): opts: any, callback: function?,
---   err: sora.error?)?  told of each call first; raises misuse at level 4. An error is returned
---   to the caller
---@field start (fun(tell: function, callback: function, work: function, ...): any)?  runs the work
---   beside the caller, then tell(callback, what it returned); returns what the caller gets

local function begin_nothing(_, opts) return opts, nil, nil end

--- Adds each call to `module`, on the client that `default` returns, and to `methods`, on the
-- client that it is called on.
---@param module table
---@param methods table
---@param default fun(): sora.client
function M.add_calls(module, methods, default)
  local driver = module.driver
  local begin = driver.begin or begin_nothing
  for name, call in pairs(CALLS) do
    local function checked(client, argument, opts, callback)
      local refusal
      opts, callback, refusal = begin(name, opts, callback)
      if refusal then return nil, refusal end
      call.check(name, argument)
      local policy, given = core.options(call.options or name, opts, 3)
      if callback then
        return driver.start(call.tell, callback, call.work, driver, client, argument, policy, given)
      end
      return call.work(driver, client, argument, policy, given)
    end
    -- no tail calls: the level at which misuse is raised counts these frames
    module[name] = function(argument, opts, callback)
      local a, b, c, d = checked(default(), argument, opts, callback)
      return a, b, c, d
    end
    methods[name] = function(client, argument, opts, callback)
      local a, b, c, d = checked(client, argument, opts, callback)
      return a, b, c, d
    end
  end
  local function download(client, source, path, opts, callback)
    local refusal
    opts, callback, refusal = begin("download", opts, callback)
    if refusal then return nil, refusal end
    check_source("download", source)
    check_path("download", path)
    local policy, given = core.options("download", opts, 3)
    if callback then
      return driver.start(tell_one, callback, downloads.download, driver, client, source, path,
        policy, given)
    end
    return downloads.download(driver, client, source, path, policy, given)
  end
  function module.download(source, path, opts, callback)
    local bytes, err = download(default(), source, path, opts, callback)
    return bytes, err
  end
  function methods.download(client, source, path, opts, callback)
    local bytes, err = download(client, source, path, opts, callback)
    return bytes, err
  end
end

--- Adds `query` for a host in which the function in C would block.
---@param module table
---@param methods table
---@param default fun(): sora.client
function M.add_query(module, methods, default)
  local driver = module.driver
  local begin = driver.begin or begin_nothing
  local function query(client, id, opts, callback)
    local refusal
    opts, callback, refusal = begin("query", opts, callback)
    if refusal then return nil, refusal end
    local inbox = inboxes.new()
    local request = client:request(id, opts, inbox, 3)
    inbox.pending[request] = true
    driver.attach(client)
    if callback then return driver.start(tell_one, callback, inboxes.result, driver, inbox) end
    return inboxes.result(driver, inbox)
  end
  function module.query(id, opts, callback)
    local answer, err = query(default(), id, opts, callback)
    return answer, err
  end
  function methods.query(client, id, opts, callback)
    local answer, err = query(client, id, opts, callback)
    return answer, err
  end
end

return M

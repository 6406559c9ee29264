--- The public functions, written once: `new` puts them above the driver of a host.

local core = require "sora.core"
local downloads = require "sora.download"
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

--- The calls: how the first argument is checked, and who does the work. Each work gets (driver,
-- client, argument, policy options, request options).
local CALLS = {
  wait = { check = check_id, work = waits.wait },
  watch = { check = check_id, work = waits.watch, options = "wait" },
  query_all = { check = check_ids, work = many.query_all },
  wait_all = { check = check_ids, work = many.wait_all },
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

--- Adds each call to `module`, on the client that `default` returns, and to `methods`, on the
-- client that it is called on.
---@param module table
---@param methods table
---@param default fun(): sora.client
function M.add_calls(module, methods, default)
  local driver = module.driver
  for name, call in pairs(CALLS) do
    local function checked(client, argument, opts)
      call.check(name, argument)
      local policy, given = core.options(call.options or name, opts, 3)
      return call.work(driver, client, argument, policy, given)
    end
    -- no tail calls: the level at which misuse is raised counts these frames
    module[name] = function(argument, opts)
      local a, b, c, d = checked(default(), argument, opts)
      return a, b, c, d
    end
    methods[name] = function(client, argument, opts)
      local a, b, c, d = checked(client, argument, opts)
      return a, b, c, d
    end
  end
  local function download(client, source, path, opts)
    check_source("download", source)
    check_path("download", path)
    local policy, given = core.options("download", opts, 3)
    return downloads.download(driver, client, source, path, policy, given)
  end
  function module.download(source, path, opts)
    local bytes, err = download(default(), source, path, opts)
    return bytes, err
  end
  function methods.download(client, source, path, opts)
    local bytes, err = download(client, source, path, opts)
    return bytes, err
  end
end

return M

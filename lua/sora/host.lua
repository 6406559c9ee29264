--- The public functions, written once: `new` puts them above the driver of a host.

local core = require "sora.core"
local task = require "sora.task"

local M = {}

M.VERSION = "sora 0.1.0"

core.task.__tostring = task.describe

-- Arguments: misuse is raised where the public function was called.

local CALLER = 4 -- the level of that: check, prepare, the public function, its caller

local function bad(call, position, what)
  error(("bad argument #%d to '%s' (%s)"):format(position, call, what), CALLER + 1)
end

--- What is wrong with an id, or nil.
local function fault(id)
  if type(id) ~= "string" then return "task id (a string) expected, got " .. type(id) end
  if id == "" then return "task id is empty" end
  return id:find "%c" and "task id contains a control character" or nil
end

local function check_id(call, id)
  local what = fault(id)
  if what then bad(call, 1, what) end
end

local function check_ids(call, ids)
  if type(ids) ~= "table" then
    bad(call, 1, "table of task ids expected, got " .. type(ids))
  end
  for i = 1, #ids do
    local what = fault(ids[i])
    if what then bad(call, 1, ("at position %d: %s"):format(i, what)) end
  end
  for key in pairs(ids) do
    if type(key) ~= "number" then bad(call, 1, "list of task ids expected, got named fields") end
  end
end

local function check_download(call, source, path)
  if type(source) ~= "string" and type(source) ~= "table" then
    bad(call, 1, "task, URL or task id expected, got " .. type(source))
  end
  local what = type(source) == "string" and fault(source)
  if what then bad(call, 1, what) end
  if type(source) == "string" and source:find("://", 1, true)
      and not task.video_url { video_url = source } then
    bad(call, 1, "URL must begin with http:// or https:// and a host")
  end
  if type(path) ~= "string" then bad(call, 2, "path of a file expected, got " .. type(path)) end
  if path == "" or path:find "%z" then bad(call, 2, "path of a file expected") end
end

-- The calls

--- How a callback is told what a call returned: the error comes first.
local function tell_one(callback, value, err) callback(err, value) end
local function tell_all(callback, tasks, errs) callback(nil, tasks, errs) end

--- A function of another module, which is loaded when it is first called: half of what is here is
-- for nothing in a program that only asks once.
local function in_module(name, work)
  return function(...) return require(name)[work](...) end
end

--- How the arguments before the options are checked (one, or two with `path`), who does the work,
-- and how a callback is told of it. Each work gets (driver, client, argument, policy options,
-- request options, path).
local CALLS = {
  wait = { check = check_id, work = in_module("sora.wait", "wait"), tell = tell_one },
  watch = { check = check_id, work = in_module("sora.wait", "watch"), options = "wait" },
  query_all = { check = check_ids, work = in_module("sora.many", "query_all"), tell = tell_all },
  wait_all = { check = check_ids, work = in_module("sora.many", "wait_all"), tell = tell_all },
  download = {
    check = check_download, work = in_module("sora.download", "download"), tell = tell_one,
    path = true,
  },
}

local QUERY = { check = check_id, work = in_module("sora.wait", "query"), tell = tell_one }

local bars -- of sora.progress_bar, once it was called

local function progress_bar(opts)
  bars = bars or require("sora.progress_bar").bind {
    now = core.now, terminal = core.terminal, level = CALLER,
  }
  local bar = bars(opts)
  return bar
end

local function help(topic) require("sora.help").help(topic) end

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
    progress_bar = progress_bar,
    help = help,
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

local function add(module, methods, default, name, call)
  local driver = module.driver
  local begin = driver.begin or begin_nothing

  local function prepare(client, argument, path, opts, callback)
    local refusal
    opts, callback, refusal = begin(name, opts, callback)
    if refusal then return refusal end
    call.check(name, argument, path)
    local policy, given = core.options(call.options or name, opts, CALLER - 1)
    core.methods.check(client, given, CALLER - 1)
    return nil, callback, policy, given
  end

  local function perform(client, argument, path, refusal, callback, policy, given)
    if refusal then return nil, refusal end
    local work = call.work
    if callback then
      return driver.start(call.tell, callback, work, driver, client, argument, policy, given, path)
    end
    return work(driver, client, argument, policy, given, path)
  end

  if call.path then
    methods[name] = function(client, source, path, opts, callback)
      return perform(client, source, path, prepare(client, source, path, opts, callback))
    end
    module[name] = function(source, path, opts, callback)
      local client = default()
      return perform(client, source, path, prepare(client, source, path, opts, callback))
    end
  else
    methods[name] = function(client, argument, opts, callback)
      return perform(client, argument, nil, prepare(client, argument, nil, opts, callback))
    end
    module[name] = function(argument, opts, callback)
      local client = default()
      return perform(client, argument, nil, prepare(client, argument, nil, opts, callback))
    end
  end
end

--- Adds each call to `module`, on the client that `default` returns, and to `methods`, on the
-- client that it is called on.
---@param module table
---@param methods table
---@param default fun(): sora.client
function M.add_calls(module, methods, default)
  for name, call in pairs(CALLS) do add(module, methods, default, name, call) end
end

--- The whole module of a host with an event loop.
---@param driver sora.driver
---@param default (fun(): sora.client)?  its default client; without it, one made on first use
---@return table module
---@return table methods  of its clients: a driver that has to know of a client's end wraps `close`
function M.module(driver, default)
  local module, methods, client = M.new(driver), {}, nil
  default = default or function()
    client = client or module.client()
    return client
  end
  M.add_calls(module, methods, default)
  add(module, methods, default, "query", QUERY) -- the function in C would block
  module.client = core.class(methods)
  return module, methods
end

return M

--- The public functions, written once: `new` puts them above the driver of a host.

local core = require "sora.core"

local M = {}

M.VERSION = "sora 0.1.0"

local function pass(...) return ... end

--- `require`. Lua 5.1 and LuaJIT take a module whose loading has failed (memory was short, or
-- Ctrl-C came) for one that is being loaded, for the rest of the process.
local function load_module(name)
  local ok, module = pcall(require, name)
  if ok then return module end
  for other, value in pairs(package.loaded) do
    if type(value) ~= "table" and tostring(other):find "^sora%." then
      package.loaded[other] = nil
    end
  end
  error(module, 0)
end

--- A function of another module, which is loaded when it is first called: to compile what a program
-- that only asks once does not need would take longer than all the rest of `require`. A function
-- behind it that raises misuse at its caller has this one in between.
---@param name string
---@param work string
---@return function
function M.in_module(name, work)
  local fn
  return function(...)
    fn = fn or load_module(name)[work]
    return pass(fn(...))
  end
end

local in_module = M.in_module

core.task.__tostring = in_module("sora.answers.task", "describe")

-- The calls

local CALLER = 3 -- for a function in C: prepare, the public function, its caller

--- How a callback is told what a call returned: the error comes first.
local function tell_one(callback, value, err) callback(err, value) end
local function tell_all(callback, tasks, errs) callback(nil, tasks, errs) end

local check_client = core.methods.check
local check_id = in_module("sora.hosts.arguments", "id")
local check_ids = in_module("sora.hosts.arguments", "ids")
local check_download = in_module("sora.hosts.arguments", "download")

--- How the arguments before the options are checked (one, or two with `path`), who does the work,
-- and how a callback is told of it. Each work gets (driver, client, argument, policy options,
-- request options, path).
local CALLS = {
  wait = { check = check_id, work = in_module("sora.waiting.wait", "wait"), tell = tell_one },
  watch = { check = check_id, work = in_module("sora.waiting.wait", "watch"), options = "wait" },
  query_all = {
    check = check_ids, work = in_module("sora.waiting.many", "query_all"), tell = tell_all,
  },
  wait_all = {
    check = check_ids, work = in_module("sora.waiting.many", "wait_all"), tell = tell_all,
  },
  download = {
    check = check_download, work = in_module("sora.videos.download", "download"), tell = tell_one,
    path = true,
  },
}

local QUERY = { check = check_id, work = in_module("sora.waiting.wait", "query"), tell = tell_one }

local bars -- of sora.progress_bar, once it was called

local function progress_bar(opts)
  bars = bars or load_module("sora.terminal.progress_bar").bind {
    now = core.now, terminal = core.terminal,
    level = 4, -- its check, the constructor, the function here, its caller
  }
  local bar = bars(opts)
  return bar
end

--- What is the same in the modules of all hosts: the functions that wait for nothing.
---@param driver sora.driver
---@return table module
function M.new(driver)
  return {
    _VERSION = M.VERSION,
    null = core.null,
    decode = core.decode,
    status = in_module("sora.answers.task", "status"),
    progress = in_module("sora.answers.task", "progress"),
    video_url = in_module("sora.answers.task", "video_url"),
    failure = in_module("sora.answers.task", "failure"),
    progress_bar = progress_bar,
    help = in_module("sora.reference.help", "help"),
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
    check_client(client, nil, CALLER, name) -- first: without its colon all arguments are shifted
    local refusal
    opts, callback, refusal = begin(name, opts, callback)
    if refusal then return refusal end
    call.check(name, argument, path)
    local policy, given = core.options(call.options or name, opts, CALLER)
    check_client(client, given, CALLER, name)
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

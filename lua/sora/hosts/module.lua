--- The public functions, written once: `module` puts them above the driver of a host.
--
-- Longer than other files: all that is public stands in one list, with how it is called.

local core = require "sora.core"
local loading = require "sora.hosts.loading"

local M = {}

M.VERSION = "sora 0.1.0"

--- Loads all that calls need: see loading.lua.
M.load = loading.load

local in_module, pass = loading.in_module, loading.pass

core.load_early = loading.load_early -- sora.query is all in C

--- Whether each attempt is logged, which clients are told as they are made.
local log_level = os.getenv "SORA_LOG"
if log_level == "info" or log_level == "debug" then
  core.observer = loading.module("sora.observing.log").observer(log_level)
elseif log_level and log_level ~= "" then
  io.stderr:write("sora: $SORA_LOG must be info or debug\n")
end

core.task.__tostring = in_module("sora.answers.task", "describe")
core.task.read = in_module("sora.answers.reading", "read")
core.task.read_call = in_module("sora.answers.reading", "read_call")
core.task.asked_id = in_module("sora.answers.task", "asked_id") -- for sora.query

-- The calls

local CALLER = 3 -- for a function in C: prepare, the public function, its caller

--- How a callback is told what a call returned: the error comes first.
local function tell_one(callback, value, err) callback(err, value) end
local function tell_all(callback, tasks, errs) callback(nil, tasks, errs) end

local function tell_generated(callback, bytes, task_or_err)
  if bytes then return callback(nil, bytes, task_or_err) end
  callback(task_or_err)
end

local check_id = in_module("sora.hosts.arguments", "id")
local check_ids = in_module("sora.hosts.arguments", "ids")
local check_download = in_module("sora.hosts.arguments", "download")
local check_body = in_module("sora.hosts.arguments", "body")
local check_generate = in_module("sora.hosts.arguments", "generate")
local check_call = in_module("sora.hosts.arguments", "call")

--- How the arguments before the options are checked (one, or two with `path`; the check returns the
-- first as the work wants it, an id in the place of a task), who does the work, and how a callback
-- is told of it. Each work gets (client, argument, policy options, request options, path).
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
  create = {
    check = check_body, work = in_module("sora.creating.create", "create"), tell = tell_one,
  },
  generate = {
    check = check_generate, work = in_module("sora.creating.generate", "generate"),
    tell = tell_generated, path = true,
  },
  call = {
    check = check_call, work = in_module("sora.creating.call", "call"), tell = tell_one,
    path = true,
  },
  query = { check = check_id, work = in_module("sora.waiting.wait", "query"), tell = tell_one },
}

-- For terminals: no call needs these, and they are loaded by themselves

local bars -- of sora.progress_bar, once it was called

local function progress_bar(opts)
  bars = bars or loading.module("sora.terminal.progress_bar").bind {
    now = core.now, terminal = core.terminal,
    level = 4, -- its check, the constructor, the function here, its caller
  }
  local bar = bars(opts)
  return bar
end

--- Encoded as `[]`: what a new table without values cannot say. It is like one, but nothing can be
-- put into it.
local EMPTY_ARRAY = setmetatable({}, {
  __name = "sora.empty_array",
  __jsontype = "array",
  __newindex = function() error("sora.empty_array is a constant", 2) end,
})

local function verify_webhook(body, headers, secret)
  return pass(loading.module("sora.observing.webhook").verify(body, headers, secret, os.time()))
end

local function show(...) loading.module("sora.terminal.show").show(...) end

local function help(...) return pass(loading.module("sora.reference.help").help(...)) end

--- What a driver may have beside what inbox.lua says, for the manners of its host.
---@class sora.manners
---@field begin (fun(call: string, opts: any, callback: any): opts: any, callback: function?,
---   err: sora.error?)?  told of each call first; raises misuse at level 4. An error is returned
---   to the caller
---@field start (fun(tell: function, callback: function, work: function, ...): any)?  runs the work
---   beside the caller, then tell(callback, what it returned); returns what the caller gets

--- A call goes by what its options were when it was made, whatever becomes of the caller's tables.
local function keep_headers(given)
  if not given or not given.headers then return end
  local headers = {}
  for name, value in next, given.headers do headers[name] = value end
  given.headers = headers
end

--- The arguments of a call, checked; a task has become its id. What its driver says to them comes
-- before all but the client, and that first: without its colon all arguments are shifted.
local function prepare(name, client, argument, path, opts, callback)
  core.check(client, nil, CALLER, name)
  local call, driver = CALLS[name], core.driver(client)
  if driver and driver.begin then
    local refusal
    opts, callback, refusal = driver.begin(name, opts, callback)
    if refusal then return refusal end
  else
    callback = nil
  end
  argument = call.check(name, argument, path)
  local policy, given = core.options(call.options or name, opts, CALLER)
  core.check(client, given, CALLER, name)
  keep_headers(given)
  return nil, callback, policy, given, argument
end

local function perform(name, client, path, refusal, callback, policy, given, argument)
  if refusal then return nil, refusal end
  local call = CALLS[name]
  local work = call.work
  if not callback then return work(client, argument, policy, given, path) end
  local start = core.driver(client).start
  return start(call.tell, callback, work, client, argument, policy, given, path)
end

-- Methods: those in C are there already

local methods = core.class.__index

for name, call in pairs(CALLS) do
  if call.path then
    methods[name] = function(client, source, path, opts, callback)
      return perform(name, client, path,
        prepare(name, client, source, path, opts, callback))
    end
  else
    methods[name] = function(client, argument, opts, callback)
      return perform(name, client, nil,
        prepare(name, client, argument, nil, opts, callback))
    end
  end
end

--- Where it may block, a query is all in C.
function methods.query(client, id, opts, callback)
  loading.load_early()
  if not core.driver(client, 2, "query") then return pass(core.query_on(client, id, opts)) end
  return perform("query", client, nil, prepare("query", client, id, nil, opts, callback))
end

local close_client = in_module("sora.hosts.calls", "close")
local cancel_calls = in_module("sora.hosts.calls", "cancel")
local wake_waits = in_module("sora.hosts.calls", "wake")

function methods.close(client) close_client(client, core.driver(client, 2, "close")) end

function methods.cancel(client)
  core.driver(client, 2, "cancel")
  cancel_calls(client)
end

--- In the place of `prepare`: what is wrong is raised at the caller's.
local function id_to_wake(task_or_id)
  local id = check_id("wake", task_or_id)
  return id
end

function methods.wake(client, task_or_id)
  core.driver(client, 2, "wake")
  return pass(wake_waits(client, id_to_wake(task_or_id)))
end

core.class.__close = methods.close

-- Modules

local function of_plain(work) return in_module("sora.hosts.plain", work) end

--- The driver of clients that were made with none: that of plain scripts.
M.plain = {
  now = core.now, park = of_plain "park", wake = of_plain "wake", attach = of_plain "attach",
}

--- What a REPL says of a module.
local MODULE = {
  __name = "sora",
  __tostring = function()
    return ("%s, libcurl %s (%s): sora.help() says what there is"):format(M.VERSION,
      core.versions.libcurl, core.versions.tls)
  end,
}

--- The module of a host: the functions that wait for nothing, and each call on the default client.
---@param driver sora.driver?  of its clients; nil: `plain`
---@param default (fun(): sora.client)?  its default client; without it, one made on first use
---@return table module
function M.module(driver, default)
  local made
  default = default or function()
    made = made or core.client(nil, CALLER, driver)
    return made
  end
  local module = {
    _VERSION = M.VERSION,
    versions = core.versions,
    null = core.null,
    empty_array = EMPTY_ARRAY,
    decode = core.decode,
    encode = core.encode,
    status = in_module("sora.answers.task", "status"),
    progress = in_module("sora.answers.task", "progress"),
    video_url = in_module("sora.answers.task", "video_url"),
    failure = in_module("sora.answers.task", "failure"),
    id = in_module("sora.answers.task", "id"),
    progress_bar = progress_bar,
    verify_webhook = verify_webhook,
    help = help,
    show = show,
    driver = driver or M.plain,
  }
  function module.client(opts)
    local client = core.client(opts, 2, driver)
    return client
  end
  function module.fleet(opts)
    local fleet = loading.module("sora.fleet").new(default, opts, 3)
    return fleet
  end
  for name, call in pairs(CALLS) do
    if call.path then
      module[name] = function(source, path, opts, callback)
        local client = default()
        return perform(name, client, path,
          prepare(name, client, source, path, opts, callback))
      end
    else
      module[name] = function(argument, opts, callback)
        local client = default()
        return perform(name, client, nil,
          prepare(name, client, argument, nil, opts, callback))
      end
    end
  end
  return setmetatable(module, MODULE)
end

return M

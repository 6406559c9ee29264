--- A call: its arguments checked, its work done, a callback told. The public functions stand above
-- it, in module.lua.

local core = require "sora.core"
local loading = require "sora.hosts.loading"

local M = {}

local in_module = loading.in_module

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

--- The arguments of a call, checked, for the public function of that name, which has got them
-- behind the client: one, or two with `path`, then options and a callback. A task becomes its id.
-- What its driver says to them comes before all but the client, and that first: without its colon
-- all arguments are shifted.
---@return sora.error? refusal  then nothing else
---@return function? callback
---@return table policy
---@return table? given  options of the requests
---@return any argument
---@return any path
function M.prepare(name, client, argument, ...)
  core.check(client, nil, CALLER, name)
  local call, driver = CALLS[name], core.driver(client)
  local path, opts, callback = ...
  if not call.path then path, opts, callback = nil, path, opts end
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
  return nil, callback, policy, given, argument, path
end

--- Does a call's work with what `prepare` has returned.
function M.perform(name, client, refusal, callback, policy, given, argument, path)
  if refusal then return nil, refusal end
  local call = CALLS[name]
  local work = call.work
  if not callback then return work(client, argument, policy, given, path) end
  local start = core.driver(client).start
  return start(call.tell, callback, work, client, argument, policy, given, path)
end

return M

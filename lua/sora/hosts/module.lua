--- The public functions, written once: `module` puts them above the driver of a host.
--
-- It is what `require` compiles: how a call is done is in call.lua, which the first one loads.

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

local CALLS = {
  "wait", "watch", "query_all", "wait_all", "download", "create", "generate", "call", "query",
}

local call_module -- sora.hosts.call, once there was a call

local function calling()
  call_module = call_module or loading.for_call "sora.hosts.call"
  return call_module
end

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

-- Methods: those in C are there already

local methods = core.class.__index

for _, name in ipairs(CALLS) do
  methods[name] = function(client, ...)
    local call = calling()
    return call.perform(name, client, call.prepare(name, client, ...))
  end
end

--- Where it may block, a query is all in C.
function methods.query(client, id, opts, callback)
  loading.load_early()
  if not core.driver(client, 2, "query") then return pass(core.query_on(client, id, opts)) end
  local call = calling()
  return call.perform("query", client, call.prepare("query", client, id, opts, callback))
end

local check_id = in_module("sora.hosts.arguments", "id")
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
    made = made or core.client(nil, 3, driver) -- here, the public function, its caller
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
  for _, name in ipairs(CALLS) do
    module[name] = function(...)
      local client, call = default(), calling()
      return call.perform(name, client, call.prepare(name, client, ...))
    end
  end
  return setmetatable(module, MODULE)
end

return M

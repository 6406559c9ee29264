-- What a callback may do, in each call, in a request of nginx. The other hosts:
-- callbacks_spec.lua.
if not rawget(_G, "jit") then return end

local nginx = require "spec.support.nginx"
local standin = require "spec.support.standin"

local service = standin.shared()

--- Makes the call ?call= with a callback that does ?does= the first time, then asks for ?other=.
-- Says how the call ended, how the query ended, and what is in flight after that.
local LOCATION = [==[
  local arguments = ngx.req.get_uri_args()
  local ids = { arguments.id, arguments.second }
  local path, other = os.tmpname(), new_client()
  local client, told = new_client(), 0

  local acts = {}
  function acts.raises() error("mine", 0) end
  function acts.asks()
    for _, each in ipairs { client, other } do
      assert(each:query(arguments.other))
      assert(each:wait_all({ arguments.other }, { interval = 0.02 })[arguments.other])
    end
  end
  function acts.cancels() client:cancel() end
  function acts.closes() client:close() end
  function acts.yields() ngx.sleep(0.05) end
  function acts.dawdles() ngx.sleep(0.6) end

  local opts = { interval = 0.02, max_interval = 0.02,
    timeout = arguments.does == "dawdles" and 0.4 or 10 }
  opts[arguments.callback] = function()
    told = told + 1
    if told == 1 then acts[arguments.does]() end
  end

  local calls = {}
  function calls.wait() return client:wait(ids[1], opts) end
  function calls.watch()
    local last
    for task in client:watch(ids[1], opts) do last = task end
    return last
  end
  function calls.wait_all()
    local tasks, errs = client:wait_all(ids, opts)
    for _, id in ipairs(ids) do assert(not tasks[id] ~= not errs[id], "not told once") end
    if errs[ids[1]] then return nil, errs[ids[1]] end
    return tasks[ids[1]], errs[ids[2]]
  end
  function calls.query_all()
    opts.interval, opts.max_interval = nil, nil
    local tasks, errs = client:query_all(ids, opts)
    for _, id in ipairs(ids) do assert(not tasks[id] ~= not errs[id], "not told once") end
    return tasks[ids[1]], errs[ids[1]] or errs[ids[2]]
  end
  function calls.download()
    opts.interval, opts.max_interval = nil, nil
    return client:download(ids[2], path, opts)
  end
  function calls.generate()
    local bytes, err = client:generate(
      { model = "sora-2", prompt = "a cat script:queued,pending,completed" }, path, opts)
    return bytes, not bytes and err or nil -- else the task
  end

  function calls.query()
    opts.interval, opts.max_interval = nil, nil
    return client:query(ids[1], opts)
  end
  function calls.create()
    opts.interval, opts.max_interval = nil, nil
    return client:create({ model = "sora-2", prompt = "a cat script:completed" }, opts)
  end

  local ok, value, err = pcall(calls[arguments.call])
  if not ok then value, err = nil, value end
  local ended = value and "good" or "nothing"
  if err then ended = tostring(err) end
  local task, why = (arguments.does == "closes" and other or client):query(arguments.other)
  ngx.print(told > 0 and "told" or "untold", "; ", ended, "; ",
    task and task.status or tostring(why), "; ", client:stats().in_flight)
  other:close()
  client:close()
  os.remove(path)
  os.remove(path .. ".part")
]==]

--- Acts, and how the call may end then.
local ACTS = {
  raises = { "^mine$" },
  asks = { "^good$" },
  yields = { "^good$" },
  cancels = { "cancelled by the caller", "^good$" },
  closes = { "the client was closed", "^good$" },
  dawdles = { "timeout", "^good$" },
}

local CALLS = {
  { "wait", "on_update" }, { "watch", "on_update" }, { "wait_all", "on_update" },
  { "wait_all", "on_result" }, { "query_all", "on_result" }, { "download", "on_progress" },
  { "generate", "on_update" }, { "generate", "on_progress" },
  { "query", "on_attempt" }, { "create", "on_attempt" }, { "wait", "on_attempt" },
  { "wait_all", "on_attempt" }, { "download", "on_attempt" }, { "generate", "on_attempt" },
}

--- Whether the call cannot have ended well: it had more to ask when the callback did that.
local function must_fail(callback, does)
  return callback == "on_update" and (does == "cancels" or does == "closes")
end

describe("in a request of nginx, a callback", function()
  local server

  lazy_setup(function()
    server = nginx.start {
      http = ([[init_by_lua_block {
        sora = require "resty.sora"
        function new_client()
          return sora.client { base_url = %q, ca_file = %q, api_key = "sk-spec" }
        end
      }
      ]]):format(service.base_url, service.ca_file),
      locations = { ["/call"] = LOCATION },
    }
  end)

  lazy_teardown(function() server:stop() end)

  for _, row in ipairs(CALLS) do
    local call, callback = row[1], row[2]
    for does, endings in pairs(ACTS) do
      it(("that %s in %s of %s"):format(does, callback, call), function()
        local first = call == "query_all" and service:id "completed"
          or service:id("queued", "pending", "completed")
        local second = (call == "query_all" or call == "download")
          and service:id "completed;delay=0.1" or service:id("queued*3", "completed")
        local query = "call=%s&callback=%s&does=%s&id=%s&second=%s&other=%s"
        local said = server:get("/call?" .. query:format(call, callback, does, first, second,
          service:id "completed"))
        local told, ended, after, in_flight = said:match "^(%a+); (.*); (%a+); (%d+)$"
        assert.are.same({ "told", "completed", "0" }, { told, after, in_flight }, said)
        local fits = false
        for _, pattern in ipairs(endings) do fits = fits or ended:find(pattern) ~= nil end
        assert.is_true(fits, said)
        if must_fail(callback, does) then assert.are_not.equal("good", ended) end
      end)
    end
  end
end)

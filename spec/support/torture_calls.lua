-- The calls that are tormented, and what they are made with: see torture.lua, which has the
-- addresses from the command line.

local base_url, http_url, ca_file, video, path = arg[2], arg[3], arg[4], arg[5], arg[6]
local DEEP = ('{"a":["text \\u00e9\\n",1.5e3,{"b":[]}],"c":'):rep(20) .. "null" .. ("}"):rep(20)
local QUICK = { interval = 0.001, max_interval = 0.002, timeout = 5, max_errors = 3 }

local M = {}

local core, sora -- once they are loaded

--- Loads the module, which some have to do late.
---@return table sora
function M.load()
  core, sora = require "sora.core", require "sora"
  return sora
end

local serial = os.time() % 100000 * 1000

local function id(steps)
  serial = serial + 1
  return ("sora-2:task_%s~torture%d"):format(steps, serial)
end

local function client(url)
  return sora.client {
    base_url = url or http_url, ca_file = ca_file, api_key = "sk-torture-key", retries = 1,
    request_timeout = 4, headers = { ["X-One"] = "1" }, forwarded_host = "localhost:5173",
    user_agent = "torture", null = sora.null,
  }
end

local function warm() -- connected
  local made = client()
  assert(made:query(id "completed"))
  return made
end

local function query(c, task_id, opts) return c:query(task_id, opts) end

--- Each: its name; a function that makes what the call is made with, a client first; the call.
-- `fails`: its own result is an error in any case; `closes`: it closes the client.
M.list = {
  { "client", function() return client() end, function() return client() end },
  { "query, connecting", function() return client(), id "completed" end, query },
  { "query", function() return warm(), id "sample" end, query },
  { "query with options of its own", function()
    local made, one = warm(), id "sample" -- the options' strings are nobody else's
    return made, one, { base_url = base_url .. "/", ca_file = "//" .. ca_file, null = 0,
      headers = { ["X-" .. serial] = "b" .. serial }, api_key = "sk-" .. serial,
      user_agent = "u" .. serial, forwarded_host = "h" .. serial }
  end, query },
  { "query of an unknown task", function() return warm(), "nobody" end, query, fails = true },
  { "query that gets HTML", function() return warm(), id "web_ui" end, query, fails = true },
  { "query that gets no JSON", function()
    return warm(), id "not_json", { retries = 0 }
  end, query, fails = true },
  { "query that gets an error", function()
    return warm(), id "error_object", { retries = 0 }
  end, query, fails = true },
  { "query that is repeated", function()
    return warm(), id "500;retry_after=0,completed"
  end, query },
  { "query that is told of", function()
    return warm(), id "500;retry_after=0,completed", { on_attempt = function(info)
      return { info.url, info.seconds.total }
    end }
  end, query },
  { "decode", warm, function() return assert(sora.decode(DEEP, { null = sora.null })) end },
  { "decode of bad text", warm, function() return sora.decode '{"a":[1,2,' end, fails = true },
  { "encode", function() return warm(), assert(sora.decode(DEEP, { null = sora.null })) end,
    function(_, value) return assert(sora.encode(value, { indent = 1 })) end },
  { "create", warm, function(c) return c:create { model = "m", prompt = "p" } end },
  { "create with a form", warm, function(c)
    return c:create({ model = "m", prompt = "p", seconds = 8 }, { files = { file = ca_file } })
  end },
  { "call that gets an error", warm, function(c)
    return c:call("PUT", "/nowhere", { body = { a = { 1 } }, query = { b = "c" } })
  end, fails = true },
  { "wait", function() return warm(), id "queued,pending,completed" end, function(c, one)
    return c:wait(one, { interval = 0.001, timeout = 5, max_errors = 3,
      on_update = function(task) return tostring(task) ~= "" end })
  end },
  { "wait_all that is told of and woken", function()
    return warm(), { id "queued,pending,completed", id "failed" }
  end, function(c, ids)
    local told = 0
    local tasks = c:wait_all(ids, { interval = 0.002, timeout = 5, max_errors = 3,
      on_attempt = function() told = told + 1 end,
      on_update = function() c:wake(ids[1]) end })
    return told > 0 and tasks
  end },
  { "verify_webhook", warm, function()
    return sora.verify_webhook('{"test": 2432232314}', { ["webhook-id"] = "a",
      ["webhook-timestamp"] = tostring(os.time()), ["webhook-signature"] = "v1,AA" }, "whsec_a2V5")
  end, fails = true },
  { "wait for a task that fails", function() return warm(), id "queued,failed" end,
    function(c, one) return c:wait(one, QUICK) end, fails = true },
  { "watch", function() return warm(), id "queued,completed" end, function(c, one)
    local last
    for task in c:watch(one, QUICK) do last = task end
    return last
  end },
  { "query_all", function() return warm(), { id "completed", id "failed", "nobody" } end,
    function(c, ids) return (c:query_all(ids)) end },
  { "wait_all", function() return warm(), { id "queued,completed", id "failed", id "500,done" } end,
    function(c, ids)
      return (c:wait_all(ids, { interval = 0.001, timeout = 5, max_errors = 3, concurrency = 2 }))
    end },
  { "download", function() return warm(), video end, function(c, url)
    return c:download(url, path, { retries = 1, on_progress = function() end })
  end },
  { "what a task says", function() return warm(), assert(warm():query(id "failed")) end,
    function(_, task)
      return { sora.status(task), sora.progress(task), sora.failure(task), tostring(task) }
    end },
  { "what a client says", warm, function(c)
    local request = core.request(c, id "never")
    local said = { tostring(c), tostring(request), c:stats().requests, c:in_flight(), c:timeout() }
    request:cancel()
    return said
  end },
  { "what an error says", function() return warm(), (select(2, warm():query "nobody")) end,
    function(_, err) return "x" .. err .. tostring(err) end },
  { "close with requests in flight", function()
    local c = warm()
    local requests = {}
    for i, steps in ipairs { "never", "500", "completed" } do
      requests[i] = core.request(c, id(steps))
    end
    return c, requests
  end, function(c, requests)
    c:step()
    c:close()
    for _, request in ipairs(requests) do request:done() end
    return true
  end, closes = true },
}

M.id, M.client, M.query = id, client, query

return M

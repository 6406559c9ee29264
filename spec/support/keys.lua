-- One key, given in every way and quoted in every way. safety/keys_spec.lua starts this file
-- as a program for each way to give it,
--
--   lua spec/support/keys.lua WAY BASE_URL CA_FILE PROXY_URL FIRST STEP
--
-- which asks for each STEP-th of the tasks from the FIRST on, and prints all that the calls return,
-- raise and show: a line "<<< ID" for each task, and then what was said of it.

local M = {}

-- It holds what each of the spellings below spells in its own way, and looks like no key of any
-- service, so that it can only be known by what was given.
M.KEY = "QWERTZ/0815+secret=9x"

local BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
  local bits = text:gsub(".", function(c)
    local byte, out = c:byte(), ""
    for i = 7, 0, -1 do out = out .. math.floor(byte / 2 ^ i) % 2 end
    return out
  end)
  bits = bits .. ("0"):rep(-#bits % 6)
  local out = bits:gsub("%d%d%d%d%d%d", function(six)
    local at = tonumber(six, 2) + 1
    return BASE64:sub(at, at)
  end)
  return out .. ("="):rep(-#out % 4)
end

local function each(format)
  return function(key) return (key:gsub(".", function(c) return format:format(c:byte()) end)) end
end

local function special(format)
  return function(key)
    return (key:gsub("[^%w]", function(c) return format:format(c:byte()) end))
  end
end

--- How the service may spell the key.
M.SPELLINGS = {
  plain = function(key) return key end,
  ["JSON, slashes"] = function(key) return (key:gsub("/", "\\/")) end,
  ["JSON, all"] = each "\\u%04x",
  ["JSON, capitals"] = each "\\u%04X",
  ["JSON twice"] = each "\\\\u%04x",
  URL = special "%%%02X",
  ["URL, small"] = special "%%%02x",
  ["URL, all"] = each "%%%02x",
  ["URL twice"] = special "%%25%02X",
  HTML = special "&#x%02X;",
  ["HTML, decimal"] = special "&#%d;",
  base64 = base64,
  ["base64 after one byte"] = function(key) return base64(":" .. key) end,
  ["base64 after two bytes"] = function(key) return base64("u:" .. key) end,
  ["base64 of a pair"] = function(key) return base64("user:" .. key .. ":more") end,
  ["base64 for URLs"] = function(key)
    return (base64("?" .. key .. "?"):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" }))
  end,
  cut = function(key) return key:sub(1, 12) end,
  ["cut after five"] = function(key) return key:sub(1, 5) end,
  ["cut, dots"] = function(key) return key:sub(1, 9) .. "..." end,
  ["cut, ellipsis"] = function(key) return key:sub(1, 9) .. "\226\128\166" end,
  ["cut, masked"] = function(key) return key:sub(1, 6) .. "*****" .. key:sub(-2) end,
  ["base64, cut"] = function(key) return base64(key):sub(1, 10) end,
}

--- What must not stand anywhere: five of the first characters in any spelling, or as good as that.
M.FORBIDDEN = {
  "QWERT", "qwert", "\\u0051\\u0057\\u0045", "%51%57%45", "&#x51;", base64(M.KEY):sub(1, 8),
}
for before = 1, 2 do
  M.FORBIDDEN[#M.FORBIDDEN + 1] = base64(("x"):rep(before) .. M.KEY):sub(before + 2, before + 9)
end

-- Where the service may quote it.
local FAILED = '{"id":"x","status":"failed",'
local PLACES = {
  ["message"] = { status = 401, text = '{"error":{"message":"bad key $KEY","code":"401"}}' },
  ["message, retryable"] = { status = 500, text = '{"error":{"message":"for $KEY"}}' },
  ["code"] = { status = 401, text = '{"error":{"message":"bad","code":"$KEY"}}' },
  ["error"] = { status = 200, text = '{"error":"Bearer $KEY"}' },
  ["msg"] = { status = 200, text = '{"code":"invalid x$KEY","msg":"key=$KEY"}' },
  ["no JSON"] = { status = 200, text = "no JSON: $KEY" },
  ["HTML"] = { status = 403, text = "<html>$KEY</html>", type = "text/html" },
  ["long body"] = { status = 403, text = ("x"):rep(1015) .. " $KEY and more" },
  ["request id"] = {
    status = 404, text = '{"error":{"message":"n"}}', header = "X-Request-Id: $KEY",
  },
  ["redirect"] = { status = 302, text = "to $KEY", header = "Location: http://127.0.0.1:1/$KEY" },
  ["reason"] = { status = 200, text = FAILED .. '"error":{"message":"no $KEY","code":"c"}}' },
  ["code of a task"] = { status = 200, text = FAILED .. '"error":{"message":"m","code":"$KEY"}}' },
  ["reason behind a letter"] = { status = 200, text = FAILED .. '"fail_reason":"x$KEY"}' },
  ["id of a task"] = { status = 200, text = '{"id":"x$KEY","status":"failed"}' },
  ["status"] = { status = 200, text = '{"id":"x","status":"$KEY","progress":"$KEY"}' },
  ["id of a task without a video"] = { status = 200, text = '{"id":"$KEY","status":"completed"}' },
}

local function fill(text, spelt)
  return text and (text:gsub("%$KEY", function() return spelt end))
end

--- id -> the steps of its task, as the stand-in service takes them.
function M.scripts()
  local scripts = {}
  for spelling, spell in pairs(M.SPELLINGS) do
    for name, place in pairs(PLACES) do
      local spelt = spell(M.KEY)
      scripts[("%s as %s"):format(name, spelling)] = { { step = "body", status = place.status,
        text = fill(place.text, spelt), type = place.type, header = fill(place.header, spelt) } }
    end
  end
  return scripts
end

local URL_KEY = M.SPELLINGS.URL(M.KEY)

--- How the key may be given: variables of the environment, options of the client and of the call.
M.WAYS = {
  ["option of the client"] = { client = { api_key = M.KEY } },
  ["option of the call"] = { call = { api_key = M.KEY } },
  ["option of the call, over the client's"] = { client = { api_key = "another" },
    call = { api_key = "Bearer " .. M.KEY } },
  ["header of the client"] = { client = { headers = { AUTHORIZATION = "Bearer " .. M.KEY } } },
  ["header of the call"] = { call = { headers = { authorization = "Token " .. M.KEY } } },
  ["X-Api-Key of the client"] = { client = { headers = { ["X-Api-Key"] = M.KEY } } },
  ["x-goog-api-key of the call"] = { call = { headers = { ["x-goog-api-key"] = M.KEY } } },
  ["a header of any name"] = { call = { headers = { ["X-Relay"] = M.KEY } } },
  ["Authorization: Basic"] = {
    call = { headers = { Authorization = "Basic " .. base64("user:" .. M.KEY) } },
  },
  ["a cookie"] = { client = { headers = { Cookie = "a=b; session=" .. M.KEY .. "; c=d" } } },
  ["the environment"] = { env = { SORA_API_KEY = M.KEY } },
  ["a proxy of the client"] = { proxy = "client" },
  ["a proxy of the call"] = { proxy = "call" },
  ["a proxy's user"] = { proxy = "client", user = true },
  ["$https_proxy"] = { env = { https_proxy = "http://ok:" .. URL_KEY .. "@127.0.0.1:1" } },
}

-- The program

local function say(value, seen)
  seen = seen or {}
  if value == nil or seen[value] then return end
  seen[value] = true
  io.write(tostring(value), "\n")
  if type(value) ~= "table" or (getmetatable(value) or {}).__name == "sora.task" then return end
  for name, field in pairs(value) do
    if name ~= "id" then say(field, seen) end
  end
end

local function try(call, ...)
  local _, first, second = pcall(call, ...)
  say(first)
  say(second)
end

local function options_of(way, proxy_url)
  local client, call = {}, {}
  for name, value in pairs(way.client or {}) do client[name] = value end
  for name, value in pairs(way.call or {}) do call[name] = value end
  if way.proxy then
    local user = way.user and URL_KEY .. "@" or "ok:" .. URL_KEY .. "@"
    local target = way.proxy == "client" and client or call
    target.proxy = proxy_url:gsub("//", function() return "//" .. user end)
  end
  return client, call
end

--- Options of the calls, with what one of them needs more.
local function with(call, more)
  local opts = { retries = 0 }
  for name, value in pairs(call) do opts[name] = value end
  for name, value in pairs(more or {}) do opts[name] = value end
  return opts
end

local function use(sora, client, call, id, bar)
  local quick = { max_errors = 1, timeout = 0.05, interval = 0.02, on_update = function(task, info)
    say(task)
    bar.on_update(task, info)
  end }
  local asked = { client:query(id, with(call)) }
  say(asked[1])
  say(asked[2])
  try(client.wait, client, id, with(call, quick))
  try(client.query_all, client, { id }, with(call))
  try(client.wait_all, client, { id }, with(call, quick))
  try(client.download, client, id, "/dev/null/x", with(call))
  if asked[1] then try(client.download, client, asked[1], "/dev/null/x", with(call)) end
  try(function()
    for task in client:watch(id, with(call, quick)) do say(task) end
  end)
  collectgarbage()
  say(asked[1]) -- when the options of its call have been collected
  if asked[1] then sora.show(asked[1]) end
end

--- The ids of the tasks in their order, each `step`-th from the `first` on.
function M.ids(first, step)
  local ids, some = {}, {}
  for id in pairs(M.scripts()) do ids[#ids + 1] = id end
  table.sort(ids)
  for i = first, #ids, step do some[#some + 1] = ids[i] end
  return some
end

local function main(name, base_url, ca_file, proxy_url, first, step)
  local sora = require "sora"
  local of_client, of_call = options_of(M.WAYS[name], proxy_url)
  of_client.base_url, of_client.ca_file = base_url, ca_file
  local client = sora.client(of_client)
  for _, id in ipairs(M.ids(tonumber(first), tonumber(step))) do
    io.write("<<< ", id, "\n")
    local bar = sora.progress_bar { stream = io.stdout, terminal = false, width = 200 }
    use(sora, client, of_call, id, bar)
    bar.finish()
  end
end

if arg and arg[0] and arg[0]:find "spec/support/keys.lua$" then
  main(arg[1], arg[2], arg[3], arg[4], arg[5], arg[6])
end

return M

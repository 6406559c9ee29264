--- The service that a run asks, and the ids that it asks about.

local sora = require "sora"
local exits = require "sora.command.exits"

local M = {}

local LONGEST_ID = 65536 -- bytes

--- Options of `create` that are carried over into the command line, which it offers, of the `wait`
-- that goes on with its task.
M.RESUMED = {
  "out", "journal", "base-url", "key-file", "ca-file", "timeout", "interval", "json", "quiet",
}

local function key_in(path)
  local file, message = io.open(path, "r")
  if not file then exits.stop(exits.LASTING, "cannot read the key: " .. message) end
  local key = (file:read "*l" or ""):match "^%s*(.-)%s*$"
  file:close()
  if key == "" then exits.stop(exits.LASTING, "there is no key in the first line of " .. path) end
  return key
end

--- Calls fn(opts). What it raises over these options is a mistake in the command line here.
---@param fn fun(opts: table): any
---@param opts table
---@return any
function M.make(fn, opts)
  local ok, made = pcall(fn, opts)
  if ok then return made end
  if tostring(made):find "interrupted!$" then error(made, 0) end
  exits.stop(exits.USAGE, tostring(made))
end

--- The client of a run.
---@param run sora.run
---@return sora.client
function M.client(run)
  local options = run.options
  return M.make(sora.client, {
    base_url = options["base-url"], ca_file = options["ca-file"],
    api_key = options["key-file"] and key_in(options["key-file"]),
    null = run.report.json and sora.null or nil,
    on_attempt = function(info) run.report:attempt(info) end,
  })
end

--- The service's address for people: host, port and path.
---@param run sora.run
---@return string
function M.address(run)
  local url = run.options["base-url"] or os.getenv "SORA_BASE_URL" or ""
  if url == "" then url = "https://az.gptplus5.com" end
  return (url:gsub("[?#].*$", ""):gsub("^(%a+://)[^/]*@", "%1"):gsub("[%c\128-\255]", "?"))
end

local function check(id)
  if id == "" then exits.stop(exits.USAGE, "an empty id") end
  if id:find "%c" then exits.stop(exits.USAGE, "an id with a control character in it") end
  if #id > LONGEST_ID then exits.stop(exits.USAGE, "an id of more than 64 KiB") end
  return id
end

--- The ids of a command line, each once; those of standard input in the place of `-`.
---@param words string[]
---@return string[] ids
function M.ids(words)
  local ids, seen = {}, {}
  local function add(id)
    if not seen[check(id)] then
      seen[id] = true
      ids[#ids + 1] = id
    end
  end
  for _, word in ipairs(words) do
    if word ~= "-" then
      add(word)
    else
      for line in io.lines() do
        local id = line:match "^%s*(.-)%s*$"
        if id ~= "" and id:sub(1, 1) ~= "#" then add(id) end
      end
    end
  end
  return ids
end

--- Says that the service is asked, before the first request is.
---@param run sora.run
---@param tasks integer?
function M.announce(run, tasks)
  if run.announced then return end
  run.announced = true
  local address = M.address(run)
  run.report:event("ask", { service = address, tasks = tasks })
  local what = tasks and tasks > 1 and (" about %d tasks"):format(tasks) or ""
  run.report:remark("asking " .. address .. what)
end

return M

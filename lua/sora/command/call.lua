--- `sora call`: any function of the service that has no command of its own.

local sora = require "sora"
local exits = require "sora.command.exits"
local files = require "sora.command.files"
local service = require "sora.command.service"

local M = {}

--- The pairs of a list of NAME=VALUE: name -> value, of a name that is there twice a list of
-- values.
local function pairs_of(list, option)
  if not list then return nil end
  local fields = {}
  for _, pair in ipairs(list) do
    local name, value = pair:match "^([^=]+)=(.*)$"
    if not name then exits.stop(exits.USAGE, ("--%s needs NAME=VALUE"):format(option)) end
    local before = fields[name]
    if type(before) == "table" then
      before[#before + 1] = value
    else
      fields[name] = before and { before, value } or value
    end
  end
  return fields
end

local function body_of(given)
  if given == "-" then return files.read() end
  if given and given:sub(1, 1) == "@" then return files.read(given:sub(2)) end
  return given
end

---@param run sora.run
---@return integer code
function M.run(run)
  local options, report = run.options, run.report
  local method, path = run.words[1], run.words[2]
  if not method:find "^[A-Z]+$" or not path:find "^/" or path:find "[%c ]" then
    exits.stop(exits.USAGE, "expected: a method such as GET, and a path that begins with /")
  end
  local opts = {
    timeout = options.timeout, body = body_of(options.body),
    query = pairs_of(options.query, "query"), files = pairs_of(options.file, "file"),
  }
  local client = service.client(run)
  run.resume = method ~= "GET" and "the request may have reached the service" or "nothing is lost"
  service.announce(run)
  local answer, err = client:call(method, path, opts)
  if answer == nil then return report:failed(err) end
  report:event("result", { answer = answer })
  report:result(assert(sora.encode(answer, { indent = 2 })))
  return exits.OK
end

return M

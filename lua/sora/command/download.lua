--- `sora download`

local exits = require "sora.command.exits"
local follow = require "sora.command.follow"
local service = require "sora.command.service"

local M = {}

---@param run sora.run
---@return integer code
function M.run(run)
  local source, path, report = run.words[1], run.words[2], run.report
  if source:find("://", 1, true) and not source:find "^https?://[^/]" then
    exits.stop(exits.USAGE, "a URL begins with http:// or https:// and a host")
  end
  service.ids { source }
  follow.check_file(path)
  local name = source:gsub("[?#].*$", "") -- without the signature of a URL
  local code = follow.remembered(run, name, true)
  if code then return code end
  local client = service.client(run)
  run.resume = "the same command goes on with " .. path .. ".part"
  report:progress(1)
  service.announce(run)
  local bytes, err = client:download(source, path, {
    timeout = run.options.timeout, on_progress = report:callbacks(name).on_progress,
  })
  return follow.ended(run, name, nil, err, bytes and path)
end

return M

--- `sora fleet work`: a worker of a fleet, until Ctrl-C or a signal ends it.

local sora = require "sora"
local exits = require "sora.command.exits"
local service = require "sora.command.service"

local M = {}

--- The address of Redis. One with a password (what stands before an "@") is taken from the
-- environment alone: all users see a command line.
local function redis_of(run)
  local given = run.options.redis
  if given and given:find("@", 1, true) then
    exits.stop(exits.USAGE, "a URL with a password in it belongs into $SORA_REDIS")
  end
  return given or os.getenv "SORA_REDIS"
    or exits.stop(exits.USAGE, "--redis needs a URL, or $SORA_REDIS")
end

---@param run sora.run
---@return integer code
function M.run(run)
  local options, report = run.options, run.report
  if run.words[1] ~= "work" then exits.stop(exits.USAGE, "expected: sora fleet work") end
  if not options.name then exits.stop(exits.USAGE, "--name needs the name of the fleet") end
  local redis, client = redis_of(run), service.client(run)
  local fleet = service.make(sora.fleet, {
    redis = redis, name = options.name, client = client, lease = options.lease,
    rate = options.rate and { requests = options.rate, seconds = 1 },
    on_error = function(err) report:remark(tostring(err)) end,
  })
  run.resume = "what it held was given back, where Redis could be reached"
  service.announce(run)
  report:remark("working for the fleet " .. options.name)
  local ok, err = fleet:work { concurrency = options.concurrency }
  return ok and exits.OK or report:failed(err)
end

return M

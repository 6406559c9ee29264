--- `sora query`

local sora = require "sora"
local exits = require "sora.command.exits"
local service = require "sora.command.service"

local M = {}

---@param run sora.run
---@return integer code  the highest of the tasks'
function M.run(run)
  local report, exit = run.report, exits.OK
  local ids, client = service.ids(run.words), service.client(run)
  service.announce(run, #ids)
  local tasks, errs = client:query_all(ids, { timeout = run.options.timeout })
  for _, id in ipairs(ids) do
    if tasks[id] then
      report:event("result", { id = id, task = tasks[id] })
      if #ids == 1 and not report.json then
        sora.show(tasks[id])
      else
        report:result(tostring(tasks[id]))
      end
    else
      exit = math.max(exit, report:failed(errs[id], id))
    end
  end
  return exit
end

return M

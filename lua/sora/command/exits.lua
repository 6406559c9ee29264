--- How a run of the command ends: the exit codes, and which error leads to which. The texts go into
-- the help and the man page.

local M = {}

M.OK, M.FAILED, M.TIMEOUT, M.PASSING, M.LASTING, M.PERHAPS = 0, 1, 2, 3, 4, 5
M.USAGE, M.INTERRUPTED = 64, 130 -- sysexits.h; 128 and SIGINT, as shells have it

--- For people. Of several tasks the highest counts.
M.list = {
  { M.OK, "all that was asked for is there" },
  { M.FAILED, "a task failed or was cancelled at the service" },
  { M.TIMEOUT, "the time ran out; the same command may go on" },
  { M.PASSING, "an error that may pass: no connection, a service that is down; try again later" },
  { M.LASTING, "an error that will not pass by itself: the key, the id, the file, a refusal" },
  { M.PERHAPS, "create: a task may have been made, and nobody knows its id; look at the service" },
  { M.USAGE, "a mistake in the command line" },
  { M.INTERRUPTED, "Ctrl-C" },
}

--- The exit code for an error of sora.
---@param err sora.error
---@return integer
function M.of(err)
  if err.kind == "failed" or err.kind == "cancelled" then return M.FAILED end
  if err.kind == "timeout" then return M.TIMEOUT end
  return err.retryable and M.PASSING or M.LASTING
end

--- Whether the service may have made a task, all the same: docs/creating.md has the table.
---@param err sora.error  of sora.create
---@return boolean
function M.may_have_made(err)
  return err.sent == true and not (err.status and err.status >= 400 and err.status < 500)
end

--- Ends the run from wherever it is.
---@param code integer
---@param message string
function M.stop(code, message) error({ exit = code, message = message }, 0) end

return M

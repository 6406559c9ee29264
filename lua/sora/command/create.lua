--- `sora create`: a new task, and never a second one by itself.
--
-- With a journal `begin` is noted before the request goes out and `made` or `unmade` after it. A
-- run that finds `begin` alone knows that a task may have been made.

local sora = require "sora"
local exits = require "sora.command.exits"
local follow = require "sora.command.follow"
local lines = require "sora.command.line"
local service = require "sora.command.service"

local M = {}

local PERHAPS = "a task may have been made: look at the service before you try again"
local FORMER = "another run with this journal may have made this task and has not noted its id. "
  .. "Look at the service: sora wait ID goes on with the task, --again sends the request once more"

--- What NAME=VALUE sets: a value that is JSON is taken as that, any other as a text.
local function set(body, pair)
  local name, text = pair:match "^([^=]+)=(.*)$"
  if not name then exits.stop(exits.USAGE, "--set needs NAME=VALUE") end
  local value = sora.decode(text)
  if value == nil then value = text end
  body[name] = value
end

local function body_of(run)
  local prompt = table.concat(run.words, " ")
  if prompt == "-" then prompt = io.read "*a" end
  if not prompt:find "%S" then exits.stop(exits.USAGE, "the prompt is empty") end
  local body = {
    model = run.options.model or "sora-2", prompt = prompt, images = run.options.image,
  }
  for _, pair in ipairs(run.options.set or {}) do set(body, pair) end
  return body
end

--- 128 bits of chance.
local function new_key()
  local file = assert(io.open("/dev/urandom", "rb"))
  local bytes = file:read(16)
  file:close()
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

--- Notes in the journal that a task is about to be made. Ends the run where a former one may have
-- made it, and nobody knows.
---@return string? key  the Idempotency-Key; nil without a journal
---@return string? id  of the task, where a former run has made it
local function begin(run, body)
  local journal = run.journal
  if not journal then return nil end
  local text, address = assert(sora.encode(body)), service.address(run)
  local former = journal:create(text, address)
  if former and former.id then return former.key, former.id end
  if former and run.options.again then return former.key end
  if former then exits.stop(exits.PERHAPS, FORMER) end
  local key = new_key()
  run.report:event("begin", { key = key, body = text, service = address })
  if journal:create(text, address).key ~= key then -- another process was first
    run.report:event("unmade", { key = key })
    exits.stop(exits.PERHAPS, FORMER)
  end
  return key
end

--- Sends the request.
---@return string? id  of the new task
---@return integer? code  to exit with, where there is no id
local function make(run, client, body, key)
  local report = run.report
  run.resume = PERHAPS
  local task, err = client:create(body, { idempotency_key = key })
  if not task then
    local perhaps = exits.may_have_made(err)
    if key and not perhaps then report:event("unmade", { key = key }) end
    local code = report:failed(err, nil, perhaps and exits.PERHAPS or nil)
    if perhaps then report:complain(PERHAPS) end
    return nil, code
  end
  local id = sora.id(task)
  report:event("made", { id = id, key = key, task = task })
  return id
end

--- What to ask for a task of a former run by. Some services give a bare id, and know it only with
-- the model in front; only the client that has made the task finds that out by itself.
local function name_of(client, id, model)
  if id:find(":", 1, true) then return id end
  local _, err = client:query(id)
  if err and err.not_found then return model .. ":" .. id end
  return id
end

---@param run sora.run
---@return integer code
function M.run(run)
  local options, report = run.options, run.report
  local body = body_of(run)
  if options.out and not follow.is_folder(options.out) then follow.check_file(options.out) end
  local client = service.client(run)
  local key, id = begin(run, body)
  report:progress(1)
  service.announce(run)
  if id then
    id = name_of(client, id, body.model)
  else
    local code
    id, code = make(run, client, body, key)
    if not id then return code end
  end
  if not options.out then
    report:result(id)
    return exits.OK
  end
  report:remark("made " .. id)
  run.resume = "the task goes on at the service; to go on: "
    .. lines.write("wait", { id }, options, service.RESUMED)
  return follow.follow(run, { id }, client)
end

return M

-- What the locations of nginx.conf do.

local cjson = require "cjson.safe"
local sora = require "resty.sora"

local M = {}

local LONGEST = 3600 -- seconds that a task is wanted

local fleet = require "fleet" (sora)
local works = os.getenv "WORK" == "1"

local function say(status, said)
  ngx.status = status
  ngx.header.content_type = "application/json"
  ngx.header.cache_control = "no-store"
  ngx.say(cjson.encode(said))
end

local function describe(id, task)
  return {
    id = id,
    status = sora.status(task),
    progress = sora.progress(task),
    video_url = sora.video_url(task),
    failure = sora.failure(task) and tostring(task), -- which hides a key that the reason quotes
  }
end

--- In each process of nginx: a pool of workers, where this node asks as well. What cannot go on
-- begins again.
function M.work()
  if not works then return end
  local function work(premature)
    if premature then return fleet:stop() end
    local ok, err = fleet:work { concurrency = 100 }
    if not ok then ngx.log(ngx.ERR, tostring(err)) end
    if not ngx.worker.exiting() then ngx.timer.at(1, work) end
  end
  ngx.timer.at(0, work)
end

--- POST /create with {prompt, model} as application/json: a form of somebody else's page cannot
-- send that. Whoever adds a task need not stay: the fleet watches it.
function M.create()
  local type_ = ngx.var.http_content_type or ""
  if ngx.req.get_method() ~= "POST" or not type_:find "^application/json" then
    return say(415, { message = "POST and application/json expected" })
  end
  ngx.req.read_body()
  local body = cjson.decode(ngx.req.get_body_data() or "")
  if type(body) ~= "table" or type(body.prompt) ~= "string" or type(body.model) ~= "string" then
    return say(400, { message = "a prompt and a model expected" })
  end
  local task, err = fleet.client:create { model = body.model, prompt = body.prompt }
  if not task then return say(502, { message = err.message, made = err.sent or nil }) end
  local id = sora.id(task)
  local added, why = fleet:add(id, { timeout = LONGEST })
  if not added then
    return say(503, { id = id, message = id .. " is made, but not watched: " .. why.message })
  end
  say(200, { id = id })
end

local function send(event, said)
  ngx.print(event and "event: end\n" or "", "data: ", cjson.encode(said), "\n\n")
  return ngx.flush(true)
end

--- GET /events?id=…: server-sent events, one at each change. The last of them is named "end".
function M.follow(id)
  if type(id) ~= "string" or id == "" or id:find "%c" then
    return say(400, { message = "id=… is missing" })
  end
  ngx.header.content_type = "text/event-stream"
  ngx.header.cache_control = "no-store"
  local last = { id = id, message = "the fleet knows no such task" }
  local ok, err = pcall(function()
    for task in fleet:watch(id, { timeout = LONGEST }) do
      last = describe(id, task)
      if last.status == "running" and not send(nil, last) then return end
    end
  end)
  if not ok then
    last = { id = id, message = type(err) == "table" and err.message or tostring(err) }
  end
  send("end", last)
end

--- GET /fleet: its figures.
function M.show()
  local stats, err = fleet:stats()
  if not stats then return say(503, { message = err.message }) end
  stats.here = nil
  say(200, stats)
end

return M

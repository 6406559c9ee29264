-- What the locations of nginx.conf do.
--
-- However many browsers look at a task, the video service is asked about it at most once a second:
-- within a worker, everybody who wants to know the same waits for one query; between the workers,
-- what it said is shared for a second.

local cjson = require "cjson.safe"
local semaphores = require "ngx.semaphore"
local sora = require "resty.sora"

local M = {}

local FRESH = 1          -- seconds for which an answer is shared
local INTERVAL = 2       -- seconds between two looks of somebody who follows a task
local LONGEST = 3600     -- seconds that one may follow it
local PATIENCE = 45      -- seconds for one query with its retries
local REMEMBERED = 600   -- seconds for which the end of a task that was made here is known
local LONG = 30          -- seconds between two looks at such a task, which a webhook ends
local MOST_LATE = 5      -- looks for the URL of a video whose task has succeeded

local metrics = require("sora.metrics").new(ngx.shared.metrics)
local client = sora.client {
  ca_file = os.getenv "SORA_CA_FILE", -- nil: the system's authorities
  request_timeout = 15,
  on_attempt = metrics.observe,
}
local secret = os.getenv "WEBHOOK_SECRET"
local flights = {} -- id -> the query that is in flight: { landed = semaphore, waiting = number }

-- What we say of a task ---------------------------------------------------------------------------

local function describe(id, task)
  return {
    id = id,
    status = sora.status(task),
    progress = sora.progress(task),
    video_url = sora.video_url(task),
    failure = sora.failure(task) and tostring(task), -- which hides a key that the reason quotes
  }
end

local STATUS = { cancelled = 504, timeout = 504 } -- of HTTP, by the kind of the error

--- Whether the service says that it has no such task.
local function is_unknown(err)
  return err.kind == "api" and (err.status == 400 or err.status == 404)
end

--- The error's message holds neither the key nor the signature of a URL.
local function describe_error(id, err)
  local status = is_unknown(err) and 404 or STATUS[err.kind] or 502
  return {
    id = id, error = err.kind, message = err.message, again = err.retryable,
    unknown = is_unknown(err) or nil,
  }, status
end

-- Asking ------------------------------------------------------------------------------------------

local function ask(id)
  local task, err = client:query(id, { timeout = PATIENCE })
  if task then return describe(id, task), 200 end
  return describe_error(id, err)
end

--- Runs in a timer: the query belongs to all who wait for it, and goes on when the request that
-- was the first to want it is aborted.
local function fly(_, id, flight)
  local ok, said, status = pcall(ask, id)
  if not ok then -- misuse: no id, or none that may be sent
    ngx.log(ngx.ERR, said)
    said, status = { id = id, error = "internal" }, 500
  end
  flight.said, flight.status = said, status
  ngx.shared.tasks:set(id, status .. cjson.encode(said), FRESH)
  flights[id] = nil
  if flight.waiting > 0 then flight.landed:post(flight.waiting) end
end

--- What is known of a task, not older than a second.
local function look(id)
  local shared = ngx.shared.tasks:get(id)
  if shared then return cjson.decode(shared:sub(4)), tonumber(shared:sub(1, 3)) end
  local flight = flights[id]
  if not flight then
    flight = { landed = semaphores.new(), waiting = 0 }
    flights[id] = flight
    local ok, err = ngx.timer.at(0, fly, id, flight)
    if not ok then
      flights[id] = nil
      return { id = id, error = "busy", message = err }, 503
    end
  end
  flight.waiting = flight.waiting + 1
  flight.landed:wait(PATIENCE + 1)
  if flight.said then return flight.said, flight.status end
  return { id = id, error = "timeout" }, 504
end

local function is_id(id) return type(id) == "string" and id ~= "" and not id:find "%c" end

local function refuse()
  ngx.status = 400
  ngx.say(cjson.encode { error = "id", message = "id=… is missing" })
end

-- Tasks that were made here -----------------------------------------------------------------------

--- Runs in a timer, until the task has ended, whether or not anybody looks: with long pauses, since
-- a webhook says when to look. What it came to is known to all workers for a while.
local function wait_for_end(_, id)
  local task, err = client:wait(id, { interval = LONG, max_interval = LONG, timeout = LONGEST })
  task = task or err.task
  if not task then return ngx.log(ngx.WARN, tostring(err)) end
  ngx.shared.tasks:set(id, "200" .. cjson.encode(describe(id, task)), REMEMBERED)
end

--- A webhook comes to any worker, and the wait may be in another: each has a list of ids.
local function tell_workers(id)
  for worker = 0, ngx.worker.count() - 1 do ngx.shared.ended:rpush(worker, id) end
end

local function wake_waits(premature)
  local id = not premature and ngx.shared.ended:lpop(ngx.worker.id())
  while id do
    client:wake(id)
    id = ngx.shared.ended:lpop(ngx.worker.id())
  end
end

function M.begin_worker() assert(ngx.timer.every(0.5, wake_waits)) end

-- The locations -----------------------------------------------------------------------------------

local function say(status, said)
  ngx.status = status
  ngx.header.content_type = "application/json"
  ngx.header.cache_control = "no-store"
  ngx.say(cjson.encode(said))
end

--- What is wrong with the fields of a new task, or nil. A picture is a URL, never a path: it would
-- be a file of this machine.
local function fault(body)
  for _, name in ipairs { "prompt", "model" } do
    if type(body[name]) ~= "string" or not body[name]:find "[^ \t\r\n]" then
      return name .. " is missing"
    end
  end
  local picture = body.picture
  if picture ~= nil and not (type(picture) == "string" and picture:find "^https?://[^/]") then
    return "picture must be a URL"
  end
end

--- POST /create with {prompt, model, picture} as application/json: a form of somebody else's page
-- cannot send that.
function M.create()
  local type_ = ngx.var.http_content_type or ""
  if ngx.req.get_method() ~= "POST" or not type_:find "^application/json" then
    return say(415, { error = "type", message = "POST and application/json expected" })
  end
  ngx.req.read_body()
  local body = cjson.decode(ngx.req.get_body_data() or "")
  local wrong = type(body) ~= "table" and "a JSON object expected" or fault(body)
  if wrong then return say(400, { error = "body", message = wrong }) end
  local task, err = client:create {
    model = body.model, prompt = body.prompt, images = body.picture and { body.picture },
  }
  if task then
    local id = sora.id(task)
    ngx.timer.at(0, wait_for_end, id)
    return say(200, { id = id })
  end
  say(err.status == 400 and 400 or 502, {
    error = err.kind, message = err.message,
    made = err.sent and not (err.status and err.status < 500) or nil, -- nobody knows
  })
end

--- POST /webhook: the service says that a task has ended. What it says is not believed, but asked.
function M.hear()
  ngx.req.read_body()
  local body = ngx.req.get_body_data() or ""
  if not secret then return say(404, { error = "webhook", message = "no $WEBHOOK_SECRET" }) end
  local event, err = sora.verify_webhook(body, ngx.req.get_headers(), secret)
  if not event then return say(400, { error = err.kind, message = err.message }) end
  local id = sora.id(type(event.data) == "table" and event.data or event)
  if id then tell_workers(id) end
  say(200, { woken = id })
end

--- GET /metrics
function M.measure()
  ngx.header.content_type = "text/plain; version=0.0.4"
  ngx.print(metrics.text())
end

--- GET /task?id=…
function M.answer(id)
  ngx.header.content_type = "application/json"
  ngx.header.cache_control = "no-store"
  if not is_id(id) then return refuse() end
  local said, status = look(id)
  ngx.status = status
  ngx.say(cjson.encode(said))
end

--- GET /events?id=…: server-sent events, one at each change. The last of them is named "end".
function M.follow(id)
  if not is_id(id) then return refuse() end
  ngx.header.content_type = "text/event-stream"
  ngx.header.cache_control = "no-store"
  local last
  local late, deadline = 0, ngx.now() + LONGEST
  repeat
    local said = look(id)
    local over = said.status and said.status ~= "running" or said.error and not said.again
    if said.status == "succeeded" and not said.video_url and late < MOST_LATE then
      late, over = late + 1, false
    end
    local text = cjson.encode(said)
    if over then
      ngx.print("event: end\ndata: ", text, "\n\n")
    elseif text ~= last then
      ngx.print("data: ", text, "\n\n")
    else
      ngx.print(": still so\n\n") -- a comment: shows whether anybody is there
    end
    last = text
    if not ngx.flush(true) or over then return end
    ngx.sleep(INTERVAL)
  until ngx.now() > deadline or ngx.worker.exiting()
end

return M

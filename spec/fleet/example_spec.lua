--- examples/fleet: two nodes in real nginx, and a worker that is killed and replaced meanwhile.
if not rawget(_G, "jit") then return end

local nginx = require "spec.support.nginx"
local servers = require "spec.support.redis"

local lacking = servers.lacking() or not nginx.is_there() and "there is no nginx" or nil
if lacking then return pending(lacking) end

local eventually = require "spec.support.eventually"
local json = require "dkjson"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"

local service = standin.shared()
local escape = require("spec.support.service.text").percent_encode

describe("examples/fleet", function()
  local redis, variables, nodes

  local function start_node(more)
    local given = {}
    for name, value in pairs(variables) do given[name] = value end
    for name, value in pairs(more or {}) do given[name] = value end
    local node = nginx.start {
      file = "examples/fleet/nginx.conf", port = 8081, variables = given,
    }
    nodes[#nodes + 1] = node
    return node
  end

  local function start_worker()
    return program.start(shell.LUA .. " examples/fleet/worker.lua", { env = variables })
  end

  local function create(node, script)
    local body = json.encode { model = "sora-2", prompt = "a cat script:" .. script }
    local text = node:get("/create", ("-X POST -H 'Content-Type: application/json' "
      .. "--data-binary %s"):format(shell.quote(body)))
    local said = json.decode(text)
    return said and said.id or error(text)
  end

  local function figures(node) return json.decode((node:get "/fleet")) end

  local function await(condition, what)
    if not eventually(condition, 60, 0.1) then error(what, 2) end
  end

  before_each(function()
    redis = servers.start { appendonly = "yes" }
    nodes = {}
    variables = {
      REDIS_URL = redis.url, SORA_BASE_URL = service.base_url, SORA_CA_FILE = service.ca_file,
      SORA_API_KEY = "sk-fleet",
    }
  end)

  after_each(function()
    for _, node in ipairs(nodes) do node:stop() end
    redis:stop()
    service:reset()
  end)

  it("a worker is killed and replaced; neither page notices, and each task ends once", function()
    local first, second = start_node(), start_node()
    local worker = start_worker()
    local ids = {}
    for i = 1, 10 do
      ids[i] = create(i % 2 == 0 and first or second, "pending;progress=0.5;times=2,completed")
    end
    local last = create(first, "pending;progress=0.5;times=4,completed")
    local events = program.start(("curl -sN --noproxy '*' --max-time 90 '%s/events?id=%s'"):format(
      second.url, escape(last)))
    await(function() return figures(first).polls > 3 end, "nobody asks")
    worker:kill "KILL"
    worker:wait()
    worker = start_worker()
    await(function() return figures(second).succeeded == 11 end, "the tasks do not end")
    local said = figures(first)
    assert.are.same({ 0, 0, 0, 11 },
      { said.watched, said.failed, said.gave_up, said.added })
    assert.are.same({ requests = 20, seconds = 1 }, said.rate)
    local heard = events:wait().out
    assert.matches('data: {[^\n]*"status":"running"', heard)
    assert.matches('event: end\ndata: {[^\n]*"status":"succeeded"[^\n]*}\n\n$', heard)
    for _, id in ipairs(ids) do -- whoever comes later is told as well
      assert.matches('^event: end\ndata: {[^\n]*"status":"succeeded"',
        (first:get("/events?id=" .. escape(id), "-N")))
    end
    worker:kill "KILL"
    worker:wait()
  end)

  it("with WORK=1 the nodes ask themselves, from init_worker_by_lua", function()
    local node = start_node { WORK = "1" }
    local id = create(node, "pending,completed")
    assert.matches('event: end\ndata: {[^\n]*"status":"succeeded"',
      (node:get("/events?id=" .. escape(id), "-N")))
    assert.is_true(figures(node).workers >= 1)
  end)

  it("says that Redis is away, and goes on when it is back", function()
    local node = start_node()
    assert.are.equal(0, figures(node).watched)
    redis:kill()
    local body, status = node:get "/fleet"
    assert.are.equal(503, status)
    assert.matches("Redis at redis://127", json.decode(body).message)
    redis:restart()
    await(function() return select(2, node:get "/fleet") == 200 end, "it does not come back")
  end)

  it("shows the page", function()
    local body, status = start_node():get "/"
    assert.are.equal(200, status)
    assert.is_truthy(body:find("<title>Fleet</title>", 1, true))
  end)
end)

-- $SORA_LOG: one line an attempt, without secrets.

local program = require "spec.support.program"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"

local service = standin.shared()

local PROGRAM = [[
  local sora = require "sora"
  local client = sora.client { base_url = %q, ca_file = %q, api_key = "sk-verysecret1234" }
  client:query(%q, { on_attempt = %s })
  client:query(%q, { retries = 0 })
]]

--- What a program that asks twice writes to standard error.
local function log(level, on_attempt)
  local text = PROGRAM:format(service.base_url, service.ca_file,
    service:id("503;retry_after=0", "completed"), on_attempt or "nil", "task_sk-verysecret1234")
  local result = program.run(("sh -c %s"):format(shell.quote(("SORA_LOG=%s exec %s -e %s")
    :format(level, shell.quote(shell.LUA), shell.quote(text)))))
  assert.equal(0, result.code, result.err)
  return result.err, result.out
end

local function lines(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

describe("SORA_LOG", function()
  it("says nothing where it is not set", function()
    assert.equal("", (log ""))
  end)

  it("is a line for each attempt", function()
    local said = lines((log "info"))
    assert.equal(3, #said)
    local url = (service.base_url .. "/v1/video/query"):gsub("%p", "%%%0")
    assert.matches("^sora: GET " .. url .. " status=503 kind=http seconds=%d+%.%d%d%d next_in=0.0 "
      .. "id=sora%-2:task_503", said[1])
    assert.matches(" status=200 seconds=%d+%.%d%d%d attempt=2 id=[^ ]+$", said[2])
    assert.matches(" status=400 kind=api seconds=", said[3])
  end)

  it("has the phases at debug", function()
    local said = lines((log "debug"))
    assert.equal(3, #said)
    assert.matches(" bytes=%d+ http=2 reused=false queue=%d.%d+ dns=%d.%d+ connect=%d.%d+ "
      .. "tls=%d.%d+ first_byte=%d.%d+$", said[1])
    assert.matches(" reused=true queue=%d.%d+ first_byte=%d.%d+$", said[2])
  end)

  it("has no secret in it", function()
    assert.is_nil((log "debug"):find("verysecret", 1, true))
  end)

  it("leaves on_attempt its turn", function()
    local said, out = log("info", "function(info) print(info.status) end")
    assert.equal(3, #lines(said))
    assert.equal("503\n200\n", out)
  end)

  it("says what it may be", function()
    assert.equal("sora: $SORA_LOG must be info or debug\n", (log "all"))
  end)
end)

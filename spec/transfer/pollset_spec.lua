-- The one descriptor of a client, which a host watches.

local clients = require "spec.support.clients"
local core = require "sora.core"
local helpers = require "spec.support.helpers"
local sora = require "sora"
local standin = require "spec.support.standin"

local now = sora.driver.now

local service = standin.shared()
local unix

setup(function() unix = helpers.load "unix" end)

describe("a client's descriptor that somebody else", function()
  --- The query that finds it out, and those after it.
  local function check(how, c, request)
    local fd = c:pollfd()
    if not fd then return pending "this build has none" end
    assert.is_true(unix[how](fd))
    local err
    if request then
      local deadline = now() + 5
      while not request:done() and now() < deadline do core.step(c, 1) end
      err = select(2, request:result())
    else
      err = select(2, c:query(service:id "completed"))
    end
    assert.are.equal("cancelled", err and err.kind)
    assert.matches("descriptor", err.message)
    for _ = 1, 2 do assert.is_truthy(c:query(service:id "completed")) end
    c:close()
    assert.are.equal(how == "null", unix.is_open(fd)) -- nobody's file was closed
    if how == "null" then unix.close(fd) end
  end

  for what, how in pairs { closes = "close", ["makes another file"] = "null" } do
    it(what .. ": the query that needs it fails, the next works", function()
      check(how, clients.new())
    end)

    it(what .. " while a request is in flight: that is lost, the next works", function()
      local c = clients.new()
      local request = core.request(c, service:id "completed;delay=0.3", nil, {})
      c:step()
      check(how, c, request)
    end)
  end
end)

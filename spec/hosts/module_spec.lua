-- The public functions, as a host's module gets them: misuse is told at the caller's line.

local core = require "sora.core"
local host = require "sora.hosts.module"
local sora = require "sora"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local plain_driver = require "sora.hosts.plain"
local standin = require "spec.support.standin"

local service

--- A module as a host makes it, above the driver of plain scripts with further manners.
local function new_module(manners)
  local driver = setmetatable(manners or {}, { __index = plain_driver })
  local default
  local module = host.module(driver, function() return default end)
  default = module.client { base_url = service.base_url, ca_file = service.ca_file, api_key = "" }
  return module, default
end

setup(function() service = standin.shared() end)
after_each(function() assert.equal("", service:complaints()) end)

local CALLS = { "query", "wait", "watch", "query_all", "wait_all", "download" }

describe("a host's module", function()
  it("has the functions that ask nobody", function()
    local module = new_module()
    for _, name in ipairs { "decode", "status", "progress", "video_url", "failure",
      "progress_bar" } do
      assert.is_truthy(module[name], name)
    end
    assert.equal("sora 0.1.0", module._VERSION)
    assert.equal(core.null, module.null)
  end)

  it("has each call as a function, on its default client, and as a method", function()
    local module, client = new_module()
    for _, name in ipairs(CALLS) do
      assert.is_function(module[name])
      assert.is_function(client[name])
    end
    assert.equal("completed", module.query(service:id "completed").status)
    assert.equal("completed", module.wait(service:id "completed").status)
    local id = service:id "completed"
    assert.equal("completed", module.wait_all({ id })[id].status)
    assert.equal("completed", module.watch(id)().status)
    assert.equal(4, client:stats().requests)
    client:close()
  end)

  it("passes on Ctrl-C, also where the first call loads what it needs", function()
    local script = [[
      package.preload["sora.waiting.poller"] = function()
        package.preload["sora.waiting.poller"] = nil
        error "interrupted!"
      end
      local client = require "sora".client { base_url = "https://127.0.0.1:1" }
      print(pcall(client.wait, client, "x", { timeout = 0.1 }))
      print(client:wait("x", { timeout = 0.1 }))]]
    local result = program.run(shell.quote(shell.LUA) .. " -e " .. shell.quote(script))
    assert.matches("^false\t.*interrupted!\nnil\tsora: timeout: ", result.out)
  end)

  it("returns no more than there is", function()
    local module, client = new_module()
    for _, name in ipairs { "query", "wait" } do
      assert.equal(1, select("#", module[name](service:id "completed")))
      assert.equal(1, select("#", client[name](client, service:id "completed")))
      assert.equal(2, select("#", module[name](service:id "400")))
    end
    client:close()
  end)

  it("loads again what could not be loaded, for want of memory or by Ctrl-C", function()
    local id = service:id "completed"
    local ended = program.run(([[%s -e '
      local sora = require "sora"
      local client = sora.client { base_url = "%s" }
      package.preload["sora.waiting.poller"] = function() error "not enough memory" end
      print(pcall(client.wait_all, client, { "x" })) -- what the module of the call needs
      package.preload["sora.waiting.poller"] = nil
      print(select(2, next((client:wait_all { "%s" }))).status)
      ']]):format(shell.LUA, service.http_url, id))
    assert.matches("^false\t[^\n]*not enough memory\ncompleted\n$", ended.out, ended.err)
  end)

  it("prints a task as one line", function()
    local module, client = new_module()
    assert.is_truthy(tostring(module.query(service:id "pending")):find " pending 50 %%$")
    client:close()
  end)

  it("gives query the retries and the timeout of the caller", function()
    local module, client = new_module()
    local id = service:id "500"
    local _, err = module.query(id, { retries = 1 })
    assert.equal(2, err.attempts)
    assert.equal("timeout", select(2, module.query(service:id "never", { timeout = 0.2 })).kind)
    client:close()
  end)
end)

describe("misuse", function()
  local function check(expected, fn, ...)
    local ok, err = pcall(function(...) fn(...) end, ...)
    assert.is_false(ok)
    assert.is_truthy(err:find "^spec/hosts/module_spec.lua:%d+: ", err)
    assert.is_truthy(err:find(expected, 1, true), err)
  end

  it("is raised where the call stands, and names what is wrong", function()
    local module, client = new_module()
    for _, name in ipairs(CALLS) do
      local good = name:find "_all$" and { "id" } or "id"
      local path = name == "download" and "path" or nil
      local function call(opts)
        if path then return good, path, opts end
        return good, opts
      end
      check("bad argument #1 to '" .. name .. "'", module[name], 5)
      check("bad argument #1 to '" .. name .. "'", client[name], client, 5)
      check("(did you mean 'retries'?)", module[name], call { retris = 1 })
      check("options must be a table", module[name], call "fast")
      check("'request_timeout' must be above 0", module[name], call { request_timeout = 0 })
      check("belongs to sora.client", module[name], call { max_connections = 1 })
      check("'base_url'", module[name], call { base_url = "gopher://example" })
      check("invalid name", module[name], call { headers = { ["a b"] = "c" } })
      check("in the clear", module[name], call { base_url = "http://example.com", api_key = "k" })
    end
    for _, id in ipairs { "", "a\nb", "a\0b" } do
      check("bad argument #1 to 'wait' (task id ", module.wait, id)
      check("bad argument #1 to 'download' (task id ", module.download, id, "path")
    end
    for _, url in ipairs { "ftp://example/v.mp4?sig=x", "https://", "https:///v.mp4?sig=x" } do
      check("bad argument #1 to 'download' (URL must begin ", module.download, url, "path")
    end
    for _, name in ipairs { "query_all", "wait_all" } do
      check("list of task ids expected", module[name], { id = "id" })
    end
    assert.equal(0, client:stats().requests)
    client:close()
    for _, name in ipairs(CALLS) do
      local first = name:find "_all$" and { "id" } or "id"
      check("closed", module[name], first, name == "download" and "path" or nil)
    end
  end)

  it("that is a dot instead of a colon says so, whatever the arguments", function()
    local _, client = new_module()
    local plain = sora.client { base_url = service.base_url }
    for got, first in pairs { string = "id", table = {}, userdata = io.stderr } do
      for _, name in ipairs(CALLS) do
        local expected = ("(sora.client expected, got %s; its methods are called with a colon)")
          :format(got)
        check(("bad argument #1 to '%s' "):format(name) .. expected, client[name], first, "path", 5)
        check(expected, plain[name], first, "path", 5)
      end
      for name in ("close cancel stats step pollfd timeout in_flight"):gmatch "%S+" do
        check(("(sora.client expected, got %s; "):format(got), client[name], first)
      end
    end
    check("(sora.client expected, got no value; ", client.stats)
    check("bad argument #1 to 'close' (sora.client expected, got nil; ", client.close)
    check("bad argument #1 to 'query' (sora.client ", function() plain.query "id" end)
    plain:close()
    client:close()
  end)
end)

describe("the manners of a host", function()
  it("may refuse a call, which returns the refusal", function()
    local refusal = {}
    local module, client = new_module {
      begin = function(_, opts) return opts, nil, refusal end,
    }
    for _, name in ipairs(CALLS) do
      assert.same({ nil, refusal }, { module[name]("id", "path") })
    end
    assert.equal(0, client:stats().requests)
    client:close()
  end)

  it("may take a callback, which gets the error first", function()
    local begun = {}
    local module, client = new_module {
      begin = function(name, opts, callback)
        begun[#begun + 1] = name
        if type(opts) == "function" then return nil, opts end
        return opts, callback
      end,
      start = function(tell, callback, work, ...)
        tell(callback, work(...))
        return "handle"
      end,
    }
    local told
    local function callback(...) told = { ... } end
    assert.equal("handle", module.query(service:id "completed", callback))
    assert.is_nil(told[1])
    assert.equal("completed", told[2].status)
    module.wait(service:id "failed", { timeout = 5 }, callback)
    assert.equal("failed", told[1].kind)
    assert.is_nil(told[2])
    local good, bad = service:id "completed", service:id "failed"
    client:wait_all({ good, bad }, callback)
    assert.is_nil(told[1])
    assert.equal("completed", told[2][good].status)
    assert.equal("failed", told[3][bad].kind)
    module.download("id", "/", callback)
    assert.equal("io", told[1].kind)
    assert.same({ "query", "wait", "wait_all", "download" }, begun)
    client:close()
  end)
end)

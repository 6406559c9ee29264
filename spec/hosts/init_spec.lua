-- require "sora": the plain module, its functions and its default client.

local core = require "sora.core"
local files = require "spec.support.files"
local host = require "spec.support.host"
local shell = require "spec.support.shell"
local sora = require "sora"
local standin = require "spec.support.standin"

describe("the plain module", function()
  it("offers the calls of the contract", function()
    for _, name in ipairs { "query", "wait", "watch", "query_all", "wait_all", "download", "client",
      "status", "progress", "video_url", "failure", "id", "decode" } do
      assert.is_function(sora[name], name)
    end
    assert.equal("sora 0.1.0", sora._VERSION)
  end)

  it("has the C function itself as query", function()
    assert.equal(core.query, sora.query)
    assert.equal("C", debug.getinfo(sora.query, "S").what)
  end)

  it("shares its null with lua-cjson", function()
    local lacking = host.lacks "cjson"
    if lacking then return pending(lacking) end
    assert.equal(require "cjson".null, sora.null)
  end)

  it("has one default client, made of the environment on first use", function()
    local service = standin.shared()
    local name = os.tmpname()
    files.write(name, ([[
      local sora = require "sora"
      local opts = { ca_file = %q, interval = 0.02 }
      print(sora.query(%q, { ca_file = opts.ca_file }).status, sora.wait(%q, opts).status)
      print(require("sora.core").default():stats().requests)
    ]]):format(service.ca_file, service:id "queued", service:id "completed"))
    local said = shell.output_of(([[SORA_BASE_URL=%s SORA_API_KEY=sk-environment \
      timeout 20 %s %s 2>&1]]):format(service.base_url, shell.LUA, name))
    os.remove(name)
    assert.equal("queued\tcompleted\n2", said)
    local log = service:log()
    assert.equal("Bearer sk-environment", log[#log].headers.authorization)
  end)
end)

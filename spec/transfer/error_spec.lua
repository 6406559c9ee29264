-- Error objects: their fields, their text, and the kind of each fault.

local standin = require "spec.support.standin"
local core = require "sora.core"
local sora = require "sora"

local service = standin.shared()

describe("an error object", function()
  local err = core.error { kind = "api", message = "no such task", id = "sora-2:x", status = 400,
    code = "task_not_exist", request_id = "r1" }

  it("prints as one line with all that a support ticket needs", function()
    assert.are.equal("sora: api: no such task"
      .. " (id sora-2:x, HTTP 400, code task_not_exist, request id r1)", tostring(err))
    assert.are.equal("sora: io: full", tostring(core.error { kind = "io", message = "full" }))
  end)

  it("can be put together with strings, numbers and other errors", function()
    assert.matches("^why: sora: api", "why: " .. err)
    assert.matches("%)1$", err .. 1)
    assert.matches("^sora: api.*sora: api", err .. err)
    assert.has_error(function() return err .. {} end)
  end)

  it("has a name", function()
    assert.are.equal("sora.error", getmetatable(err).__name)
  end)

  it("has a kind of a closed set", function()
    assert.has_error(function() core.error { kind = "other", message = "x" } end)
    assert.has_error(function() core.error { message = "x" } end)
    for kind in ("dns connect tls timeout network http api decode too_large cancelled failed"
      .. " no_video io memory"):gmatch "%S+" do
      assert.are.equal(kind, core.error { kind = kind, message = "x" }.kind)
    end
  end)

  it("holds no query of a URL and no endless message", function()
    local made = core.error { kind = "failed",
      message = "see https://cdn/a.mp4?sig=AbC%2Fd&se=1 or\n" .. ("x"):rep(9999) }
    assert.matches("see https://cdn/a.mp4%?%*%*%* or x", made.message)
    assert.is_true(#made.message < 450)
    assert.is_false(made.retryable)
  end)
end)

describe("the kind of an error", function()
  local function of(name, kind, retryable, opts)
    it(("is %s for %s"):format(kind, name), function()
      local client = sora.client { base_url = service[name] or name, ca_file = service.ca_file,
        retries = 0 }
      opts = opts or {}
      opts.timeout = 3
      local task, err = client:query("x", opts)
      assert.is_nil(task)
      assert.are.equal(kind, err.kind)
      assert.are.equal(retryable, err.retryable)
      assert.are.equal("x", err.id)
      assert.is_nil(err.status)
      client:close()
    end)
  end

  -- longer than a label may be: no name server has to be asked
  of("https://" .. ("a"):rep(64) .. ".invalid", "dns", true, { proxy = "" })
  of("refused_url", "connect", true)
  of("expired_url", "tls", false)
  of("wrong_host_url", "tls", false)
  of("self_signed_url", "tls", false)
  of("unknown_ca_url", "tls", false)
  of("tls_cut_url", "tls", true)
  of("tls_plain_url", "tls", false)
  of("tls_silent_url", "timeout", true, { connect_timeout = 0.2 })

  it("is timeout for an address where connecting hangs", function()
    local client = sora.client { base_url = service:blackhole(), retries = 0 }
    local _, err = client:query("x", { connect_timeout = 0.2 })
    assert.are.equal("timeout", err.kind)
    client:close()
  end)

  it("is tls for the stand-in's authority where only the system's are trusted", function()
    local client = sora.client { base_url = service.base_url }
    local _, err = client:query "x"
    assert.are.equal("tls", err.kind)
    assert.are.equal(1, err.attempts)
    client:close()
  end)

  it("is tls for a ca_file that is not there", function()
    local client = sora.client { base_url = service.base_url, ca_file = "/nonexistent.pem" }
    local _, err = client:query "x"
    assert.are.equal("tls", err.kind)
    assert.is_false(err.retryable)
    client:close()
  end)

  it("is none where nothing is verified, as asked", function()
    local client = sora.client { base_url = service.self_signed_url, verify = false }
    assert.is_truthy(client:query(service:id "completed"))
    client:close()
  end)
end)

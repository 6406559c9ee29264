-- Vectors: those of the scheme's own libraries (standard-webhooks), and a request of OpenAI's form.

local core = require "sora.core"
local sora = require "sora"
local webhook = require "sora.observing.webhook"
local webhooks = require "spec.support.webhooks"

local SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
local BODY = '{"test": 2432232314}'
local TIME = 1614265330
local SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

local function headers(fields)
  local all = {
    ["webhook-id"] = "msg_p5jXN8AQM9LWM0D4loKWxJek", ["webhook-timestamp"] = tostring(TIME),
    ["webhook-signature"] = SIGNATURE,
  }
  for name, value in pairs(fields or {}) do all[name] = value or nil end
  return all
end

local function verify(fields, opts)
  opts = opts or {}
  return webhook.verify(opts.body or BODY, headers(fields),
    opts.secret or SECRET, opts.now or TIME + 10)
end

local function refused(pattern, fields, opts)
  local event, err = verify(fields, opts)
  assert.is_nil(event)
  assert.equal("api", err.kind)
  assert.matches(pattern, err.message)
end

if not core.mac_matches then
  return it("is verified", function() pending "this build found neither OpenSSL nor GnuTLS" end)
end

describe("verify_webhook", function()
  it("takes the vector of the specification, and decodes it", function()
    assert.same({ test = 2432232314 }, verify())
  end)

  it("finds headers whatever the case of their names, and as frameworks hold them", function()
    for _, change in ipairs { string.upper, function(name) return (name:gsub("^w", "W")) end } do
      local changed = {}
      for name, value in pairs(headers()) do changed[change(name)] = value end
      assert.is_table(webhook.verify(BODY, changed, SECRET, TIME))
    end
    local of_nginx = setmetatable(headers(), { -- lua-resty-core's
      __index = function(self, key) return rawget(self, (key:lower():gsub("_", "-"))) end,
    })
    assert.is_table(webhook.verify(BODY, of_nginx, SECRET, TIME))
    local of_http = setmetatable({}, { __index = {
      get = function(_, name) return headers()[name] end,
    } })
    assert.is_table(webhook.verify(BODY, of_http, SECRET, TIME))
  end)

  it("takes any of several signatures and secrets", function()
    local wrong = "v1,bm9ldHUzjKzxmqjlOTSAqsrHzi1rAVfVn1MXVnUKpdA="
    assert.is_table(verify { ["webhook-signature"] = wrong .. " " .. SIGNATURE })
    assert.is_table(verify { ["webhook-signature"] = "v1a,abc v2," .. wrong .. " " .. SIGNATURE })
    assert.is_table(verify(nil, { secret = { "whsec_d3Jvbmc=", SECRET } }))
    assert.is_table(verify(nil, { secret = SECRET:sub(7) }))
  end)

  it("verifies what another library has signed, as OpenAI sends it", function()
    local body = '{"id":"evt_1","object":"event","type":"video.completed","data":{"id":"video_1"}}'
    local now = os.time()
    local given = {
      ["webhook-id"] = "wh_685342e6c53c8190a1be43f081506c52",
      ["webhook-timestamp"] = tostring(now),
      ["webhook-signature"] = webhooks.sign("wh_685342e6c53c8190a1be43f081506c52", now, body,
        "\0\255\16" .. ("\171"):rep(21)),
    }
    local event, err = sora.verify_webhook(body, given, "whsec_AP8Q" .. ("q6ur"):rep(7))
    assert.is_nil(err)
    assert.equal("video_1", event.data.id)
  end)

  it("refuses what is forged or cut", function()
    refused("no signature matches", nil, { body = BODY:gsub("2", "3") })
    refused("no signature matches", nil, { body = BODY:sub(1, -2) })
    refused("no signature matches", nil, { body = "" })
    refused("no signature matches", nil, { secret = "whsec_d3Jvbmc=" })
    refused("no signature matches", { ["webhook-id"] = "msg_other" })
    refused("no signature matches", { ["webhook-timestamp"] = tostring(TIME + 1) })
    refused("no signature matches", { ["webhook-signature"] = SIGNATURE:sub(1, -6) })
    refused("no signature matches", { ["webhook-signature"] = SIGNATURE .. "AAAA" })
    refused("no signature matches", { ["webhook-signature"] = SIGNATURE:sub(4) })
    refused("no signature matches", { ["webhook-signature"] = "v2," .. SIGNATURE:sub(4) })
    refused("no signature matches", { ["webhook-signature"] = "v1," })
    refused("no signature matches", { ["webhook-signature"] = "v1,?" })
  end)

  it("refuses what was sent too long ago, or will be", function()
    assert.is_table(verify(nil, { now = TIME + 300 }))
    assert.is_table(verify(nil, { now = TIME - 300 }))
    refused("differs from ours by 301 seconds", nil, { now = TIME + 301 })
    refused("differs from ours by 301 seconds", nil, { now = TIME - 301 })
    for _, time in ipairs { "now", "1e9", "-5", "0x10", "99999999999999999999" } do
      refused("is no time", { ["webhook-timestamp"] = time })
    end
  end)

  it("refuses what lacks a header, or has it twice", function()
    for name in pairs(headers()) do
      refused("the header '" .. name:gsub("%-", "%%-") .. "' is missing", { [name] = false })
      refused("is missing", { [name] = "" })
      refused("more than once", { [name] = { "a", "b" } })
    end
  end)

  it("refuses what is signed and no JSON", function()
    local now, id = os.time(), "a"
    local function signed(body)
      return sora.verify_webhook(body, { ["Webhook-Id"] = id, ["Webhook-Timestamp"] = tostring(now),
        ["Webhook-Signature"] = webhooks.sign(id, now, body, "key") }, "whsec_a2V5")
    end
    assert.same({}, signed "{}")
    for _, body in ipairs { "no", "", "17" } do
      local event, err = signed(body)
      assert.is_nil(event)
      assert.equal("api", err.kind)
      assert.matches("no JSON", err.message)
    end
  end)

  it("has no secret in an error", function()
    local _, err = verify(nil, { body = SECRET })
    assert.is_nil(tostring(err):find("MfKQ", 1, true))
  end)

  it("refuses misuse where the call stands", function()
    local cases = {
      { "bad argument #1", function() sora.verify_webhook(nil, {}, SECRET) end },
      { "bad argument #2", function() sora.verify_webhook("", "a", SECRET) end },
      { "bad argument #3", function() sora.verify_webhook("", {}) end },
      { "bad argument #3", function() sora.verify_webhook("", {}, {}) end },
      { "bad argument #3", function() sora.verify_webhook("", {}, "whsec_") end },
      { "bad argument #3", function() sora.verify_webhook("", {}, { "whsec_!" }) end },
    }
    for _, case in ipairs(cases) do
      local ok, err = pcall(case[2])
      assert.is_false(ok)
      assert.matches("^spec/observing/webhook_spec%.lua:%d+: " .. case[1], err)
    end
  end)
end)

-- Whatever goes wrong, the key and the signatures of URLs are in nothing that the module says.

local files = require "spec.support.files"
local standin = require "spec.support.standin"
local core = require "sora.core"
local sora = require "sora"

local service = standin.shared()
local KEY = "sk-NeverToBeSeen-0123456789"
local SIGNATURE = "AbC%2Fd%3D"

local said = {}

-- Notes all that a value says of itself, nested tables included.
local function note(value, seen)
  seen = seen or {}
  if value == nil or seen[value] then return end
  seen[value] = true
  said[#said + 1] = tostring(value)
  if type(value) == "table" and (getmetatable(value) or {}).__name ~= "sora.task" then
    for name, field in pairs(value) do
      note(name, seen)
      note(field, seen)
    end
  end
end

local function try(call, ...)
  local _, first, second = pcall(call, ...)
  note(first)
  note(second)
end

local function holds(text)
  for _, line in ipairs(said) do
    if line:find(text, 1, true) then return line end
  end
end

local STEPS = {
  "400", "401", "403", "404", "429", "500", "502;body=html", "520", "challenge", "web_ui",
  "error_object", "error_string", "success_false", "no_data", "code_msg", "detail_string", "empty",
  "not_json", "truncated", "bad_utf8", "array", "null", "redirect;to=host", "redirect;to=http",
  "reset", "close", "close_body", "garbage", "bad_status", "bad_header", "bad_length", "bad_gzip",
  "completed", "failed", "failed_openai",
}

-- The service quotes the key in every place that an error takes its texts from.
local ECHOES = {
  '{"error":{"message":"bad key $KEY","code":"$KEY"}}', '{"error":"Bearer $KEY"}',
  '{"code":"x $KEY","msg":"$KEY"}', '{"detail":"$KEY"}', '{"success":false,"message":"a$KEYb"}',
  "no JSON: $KEY", '{"truncated":"$KEY', "<html>$KEY", '["$KEY"]',
  '{"error":"see https://cdn/x.mp4?sig=$SIG"}',
  "no JSON: https:\\/\\/cdn\\/x.mp4?sig=$SIG",
  '{"error":"see https:\\/\\/cdn\\/x.mp4\\u003fsig=$SIG"}',
  "no JSON: https%3A%2F%2Fc%2Fx%3Fsig%3D$SIG",
  "no JSON: x.mp4\\u003Fsig\\u003d$SIG", "no JSON: ftp:\\/\\/u:$KEY@host",
  '{"status":"failed","error":"bad key $KEY"}',
}

describe("the key", function()
  setup(function()
    local folder = files.folder()
    local options = { ca_file = service.ca_file, api_key = KEY, retries = 0, request_timeout = 2 }
    for _, base_url in ipairs { service.base_url, service.h1_url } do
      options.base_url = base_url
      local client = sora.client(options)
      note(client)
      for _, step in ipairs(STEPS) do try(client.query, client, service:id(step)) end
      local bodies = {}
      for _, status in ipairs { 200, 401, 500 } do
        for place, echo in ipairs(ECHOES) do
          local id = ("echo-%s-%d-%d"):format(base_url, status, place)
          local text = echo:gsub("%$KEY", KEY):gsub("%$SIG", (SIGNATURE:gsub("%%", "%%%%")))
          bodies[id] = { { step = "body", status = status, text = text,
            header = "X-Request-Id: " .. KEY } }
        end
      end
      service:scripts(bodies)
      for id in pairs(bodies) do
        try(client.query, client, id)
        try(client.wait, client, id, { max_errors = 1, timeout = 1 })
      end
      for _, url in ipairs { "expired_url", "tls_cut_url", "tls_plain_url", "refused_url" } do
        try(client.query, client, "x", { base_url = service[url] })
      end
      try(client.query, client, "x", { base_url = "http://service.invalid" })
      try(client.query, client, "x", { base_url = "https://u:" .. KEY .. "@host" })
      try(client.query, client, "x", { api_key = KEY .. "\n" })
      try(client.query, client, "x", { headers = { ["X-Key"] = KEY .. "\n" } })
      try(client.query, client, "x", { proxy = "http://u:" .. KEY .. "@127.0.0.1:1" })
      try(client.wait, client, service:id "failed", { timeout = 2 })
      try(client.download, client, service:video "size=100", "/dev/null/x")
      try(client.download, client, service:video "size=100&status=403", folder .. "/refused.mp4")
      try(client.download, client, service:video "size=100", folder .. "/video.mp4")
      local request = core.request(client, service:id "never")
      note(request)
      client:close()
      note(client)
      try(request.result, request)
    end
    files.remove(folder)
  end)

  it("is in nothing that was raised, returned or printed", function()
    assert.is_true(#said > 500)
    assert.is_nil(holds(KEY))
    assert.is_nil(holds "NeverToBeSeen")
  end)

  it("was sent, and quoted by the service", function()
    assert.is_truthy(holds "***")
  end)

  it("is in no log of the service's other hosts", function()
    local requests = service:log(nil, "cdn")
    assert.is_true(#requests > 0)
    for _, entry in ipairs(requests) do
      for _, value in pairs(entry.headers) do
        assert.is_nil(value:find(KEY, 1, true))
      end
    end
  end)
end)

describe("a URL's signature", function()
  it("is in nothing that was raised, returned or printed", function()
    assert.is_nil(holds(SIGNATURE))
    assert.is_nil(holds "sig=")
  end)
end)

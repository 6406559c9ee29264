-- LuaSec's https: a new connection for each query. Command line: fresh N URL system.

local https = require "ssl.https"

local _, count, url = ...
local bundle = "/etc/ssl/certs/ca-certificates.crt"
for i = 1, tonumber(count) do
  local _, status = https.request {
    url = url .. "/v1/video/query?id=sora-2%3Atask_" .. i,
    headers = { Authorization = "Bearer bench", Accept = "application/json" },
    sink = function() return 1 end,
    protocol = "any", options = "all", verify = "peer", cafile = bundle,
    capath = os.getenv "SSL_CERT_DIR",
  }
  assert(status == 200, status)
end
os.exit(0)

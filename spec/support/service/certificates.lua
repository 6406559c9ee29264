-- A certificate authority that lives as long as the process, and what it signs.
-- Every key is made at start; none is ever written to disk, only the authority's certificate is.

local altname = require "openssl.x509.altname"
local bignum = require "openssl.bignum"
local extension = require "openssl.x509.extension"
local http_tls = require "http.tls"
local name = require "openssl.x509.name"
local pkey = require "openssl.pkey"
local rand = require "openssl.rand"
local x509 = require "openssl.x509"

local DAY = 86400

local M = {}

local function new_key()
  return pkey.new { type = "EC", curve = "prime256v1" }
end

local function new_name(common_name)
  local subject = name.new()
  subject:add("O", "Stand-in service")
  subject:add("CN", common_name)
  return subject
end

local function new_certificate(common_name, key, from, to)
  local certificate = x509.new()
  certificate:setVersion(3)
  certificate:setSerial(bignum.fromBinary(rand.bytes(15)))
  certificate:setSubject(new_name(common_name))
  certificate:setLifetime(from, to)
  certificate:setPublicKey(key)
  return certificate
end

--- Makes a certificate authority.
---@param common_name string
---@return table authority  fields: key, certificate
function M.authority(common_name)
  local key = new_key()
  local now = os.time()
  local certificate = new_certificate(common_name, key, now - DAY, now + DAY)
  certificate:setIssuer(certificate:getSubject())
  certificate:setBasicConstraints { CA = true }
  certificate:setBasicConstraintsCritical(true)
  certificate:addExtension(extension.new("keyUsage", "critical,keyCertSign,cRLSign"))
  certificate:sign(key)
  return { key = key, certificate = certificate }
end

local function alternative_names(names)
  local alternatives = altname.new()
  for _, host in ipairs(names) do
    local is_address = host:find("^%d+%.%d+%.%d+%.%d+$") or host:find(":", 1, true)
    alternatives:add(is_address and "IP" or "DNS", host)
  end
  return alternatives
end

--- Makes a server's certificate and a TLS context that offers it.
---@param options table  names: list of hosts and addresses; authority: nil for self-signed;
---  expired: boolean; protocols: list of ALPN names in order of preference
---@return userdata context
function M.context(options)
  local key = new_key()
  local now = os.time()
  local from, to = now - DAY, now + DAY
  if options.expired then
    from, to = now - 3 * DAY, now - 2 * DAY
  end
  local certificate = new_certificate(options.names[1], key, from, to)
  certificate:setSubjectAlt(alternative_names(options.names))
  certificate:setBasicConstraints { CA = false }
  certificate:addExtension(extension.new("extendedKeyUsage", "serverAuth"))
  local authority = options.authority
  certificate:setIssuer((authority and authority.certificate or certificate):getSubject())
  certificate:sign(authority and authority.key or key)

  local context = http_tls.new_server_context()
  context:setGroups("X25519:P-256")
  context:setPrivateKey(key)
  context:setCertificate(certificate)
  local protocols = options.protocols
  context:setAlpnSelect(function(_, offered)
    for _, mine in ipairs(protocols) do
      for _, theirs in ipairs(offered) do
        if mine == theirs then
          return mine
        end
      end
    end
  end)
  return context
end

return M

-- A server of TLS 1.2 that does what it is told, line by line: OpenSSL's s_server. It takes one
-- connection at a time, and can ask for renegotiation.

local eventually = require "spec.support.eventually"
local files = require "spec.support.files"
local self_signed = require "spec.support.self_signed"

local M = {}
M.__index = M

--- Starts it, with a certificate of its own for 127.0.0.1.
---@return table server  with base_url, ca_file, and the methods below
function M.start()
  local folder = files.folder()
  local certificate, key = self_signed.make(folder, "IP:127.0.0.1")
  local input = io.popen(([[echo $$ >%s/pid; exec openssl s_server -tls1_2 \
    -accept 127.0.0.1:0 -cert %s -key %s >%s/output 2>&1]]):format(folder, certificate, key,
    folder), "w")
  local server = setmetatable({ folder = folder, input = input, ca_file = certificate }, M)
  server.base_url = "https://127.0.0.1:" .. server:await "ACCEPT 127%.0%.0%.1:(%d+)"
  server.pid = files.read(folder .. "/pid"):match "%d+"
  return server
end

function M:output() return files.read(self.folder .. "/output") or "" end

--- Waits until its output holds the pattern; step() is called meanwhile. Returns the match.
function M:await(pattern, step)
  local found
  local function look()
    found = self:output():match(pattern)
    if not found and step then step() end
    return found
  end
  if eventually(look, 10) then return found end
  error("s_server never said " .. pattern .. ":\n" .. self:output(), 2)
end

--- What it is told: "R" asks for renegotiation, any other text is sent.
function M:tell(text)
  self.input:write(text)
  self.input:flush()
end

--- Stops it where it is ("STOP"), or lets it go on ("CONT").
function M:signal(name) os.execute(("kill -%s %s"):format(name, self.pid)) end

function M:stop()
  self:signal "CONT"
  self:signal "TERM"
  self.input:close()
  files.remove(self.folder)
end

return M

-- A server of TLS 1.2 that does what it is told, line by line: OpenSSL's s_server. It takes one
-- connection at a time, and can ask for renegotiation.

local system = require "system"

local M = {}
M.__index = M

local function read(name)
  local file = io.open(name, "rb")
  local text = file and file:read "*a" or ""
  if file then file:close() end
  return text
end

--- Starts it, with a certificate of its own for 127.0.0.1.
---@return table server  with base_url, ca_file, and the methods below
function M.start()
  local folder = os.tmpname()
  os.remove(folder)
  local made = os.execute(([[mkdir %s && openssl req -x509 -newkey ec -nodes -days 2 -subj /CN=x \
    -pkeyopt ec_paramgen_curve:prime256v1 -addext subjectAltName=IP:127.0.0.1 \
    -keyout %s/key -out %s/certificate 2>%s/errors]]):format(folder, folder, folder, folder))
  assert(made == 0 or made == true, read(folder .. "/errors"))
  local input = io.popen(([[echo $$ >%s/pid; exec openssl s_server -tls1_2 \
    -accept 127.0.0.1:0 -cert %s/certificate -key %s/key >%s/output 2>&1]]):format(folder, folder,
    folder, folder), "w")
  local server = setmetatable({ folder = folder, input = input }, M)
  local port = server:await "ACCEPT 127%.0%.0%.1:(%d+)"
  server.base_url, server.ca_file = "https://127.0.0.1:" .. port, folder .. "/certificate"
  server.pid = read(folder .. "/pid"):match "%d+"
  return server
end

--- Waits until its output holds the pattern; step() is called meanwhile. Returns the match.
function M:await(pattern, step)
  for _ = 1, 1000 do
    local found = read(self.folder .. "/output"):match(pattern)
    if found then return found end
    if step then step() end
    system.sleep(0.01)
  end
  error("s_server never said " .. pattern .. ":\n" .. read(self.folder .. "/output"), 2)
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
  os.execute("rm -rf " .. self.folder)
end

return M

-- Runs the curl program: the second opinion on what goes over the wire.

local files = require "spec.support.files"
local shell = require "spec.support.shell"

local M = {}

local quote = shell.quote

local function take_file(name)
  local text = files.read(name) or ""
  os.remove(name)
  return text
end

-- The last head of a file of heads, as a map of lower-case names.
local function last_headers(text)
  local headers = {}
  for line in text:gmatch("([^\n]*)\r\n") do
    if line:find("^HTTP/") then
      headers = {}
    end
    local name, value = line:match("^([^:]+):%s*(.*)$")
    if name then
      headers[name:lower()] = value
    end
  end
  return headers
end

--- Runs curl.
---@vararg string  its arguments, the URL among them
---@return table result  exit (its exit code), status (0: none), http ("1.1", "2"), body,
---  headers (map of lower-case names, of the last answer), seconds
function M.get(...)
  local body, head = os.tmpname(), os.tmpname()
  local command = { "curl -s --noproxy '*' -o", quote(body), "-D", quote(head),
    "-w '%{exitcode} %{http_code} %{http_version} %{time_total}'" }
  for index = 1, select("#", ...) do
    command[#command + 1] = quote(tostring((select(index, ...))))
  end
  local report = shell.output_of(table.concat(command, " ") .. " 2>/dev/null")
  local exit, status, http, seconds = report:match("^(%d+) (%d+) (%S+) (%S+)$")
  return {
    exit = tonumber(exit),
    status = tonumber(status),
    http = http,
    seconds = tonumber(seconds),
    body = take_file(body),
    headers = last_headers(take_file(head)),
  }
end

--- Asks a service about an id.
---@param service table  of spec.support.standin
---@param id string
---@vararg string  further arguments of curl
---@return table result  as of M.get
function M.query(service, id, ...)
  return M.get("--cacert", service.ca_file, "--get", "--data-urlencode", "id=" .. id,
    service.base_url .. "/v1/video/query", ...)
end

return M

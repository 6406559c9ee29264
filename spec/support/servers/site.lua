-- What servers have in common: a key and a certificate of its own authority, for 127.0.0.1 and the
-- name "relay", and answers as files. Below /FOLDER/v1/video/query one task each:
--   sN     a running task of exactly N KiB
--   hN     a running task with N KiB of headers, which the server adds
--   slow   a running task that takes a second, for which the server sees
--   live   a task that is running until becomes("ended")

local files = require "spec.support.files"
local self_signed = require "spec.support.self_signed"
local shell = require "spec.support.shell"

local M = {}

--- Sizes of answers in KiB: a stream's window, a buffer's end and what lies about them.
M.SIZES = { 1, 2, 4, 7, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64, 100, 300, 1024, 15 * 1024 }

--- Sizes of headers in KiB.
M.WIDE = { 1, 2, 4, 8, 10, 12, 14, 16 }

local HEAD, TAIL = '{"id":"task","status":"pending","detail":{"pad":"', '"}}'
local ENDED = '{"id":"task","status":"completed","video_url":"https://localhost/video.mp4"}'

--- How long the text at detail.pad is.
---@param size integer  of the answer, in KiB
---@return integer
function M.pad(size) return size * 1024 - #HEAD - #TAIL end

local function answer(size) return HEAD .. ("x"):rep(M.pad(size)) .. TAIL end

--- Goes through the answers with wide headers.
---@return function iterator  folder; lines: of "Name: value\n"
function M.wide()
  local index = 0
  return function()
    index = index + 1
    local size = M.WIDE[index]
    if not size then return nil end
    local lines = {}
    for line = 1, size do
      local name = ("X-Wide-%d: "):format(line)
      lines[line] = name .. ("x"):rep(1024 - #name - 2) .. "\n"
    end
    return "h" .. size, table.concat(lines)
  end
end

local Site = {}
Site.__index = Site

--- Makes one.
---@return table site  www: the folder of answers; certificate, key, both: files; and these methods
function M.new()
  local folder = files.folder()
  local certificate, key = self_signed.make(folder, "IP:127.0.0.1,DNS:relay")
  files.write(folder .. "/both", files.read(certificate) .. files.read(key))
  local www = folder .. "/www"
  local function put(name, text, as)
    os.execute("mkdir -p " .. shell.quote(www .. "/" .. name .. "/v1/video"))
    files.write(("%s/%s/v1/video/%s"):format(www, name, as or "query"), text)
  end
  for _, size in ipairs(M.SIZES) do put("s" .. size, answer(size)) end
  for _, size in ipairs(M.WIDE) do put("h" .. size, answer(1)) end
  put("slow", answer(12))
  put("live", answer(1))
  put("live", answer(1), "running")
  put("live", ENDED, "ended")
  -- for workers that give up root's rights
  os.execute(("chmod 711 %s; chmod -R a+rX %s"):format(shell.quote(folder), shell.quote(www)))
  return setmetatable({
    folder = folder, www = www, certificate = certificate, key = key, both = folder .. "/both",
  }, Site)
end

--- The shell's command that makes the task of "live" another one.
---@param what "running"|"ended"
---@return string
function Site:becoming(what)
  return ("(cd %s/live/v1/video && cp %s new && mv new query)"):format(shell.quote(self.www), what)
end

--- Makes the task of "live" another one.
---@param what "running"|"ended"
function Site:becomes(what) os.execute(self:becoming(what)) end

--- Removes it.
function Site:remove() files.remove(self.folder) end

return M

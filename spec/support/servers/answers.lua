-- What the servers answer, as files: below FOLDER/v1/video/query one task each.
--   sN     a running task of exactly N KiB
--   hN     a running task with N KiB of headers, which the server adds
--   slow   a running task that takes about a second, for which the server sees
--   live   a task that is running until M.becomes says that it has ended

local files = require "spec.support.files"
local shell = require "spec.support.shell"

local M = {}

--- Sizes of answers in KiB: a stream's window, a buffer's end and what lies about them.
M.SIZES = { 1, 2, 4, 7, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64, 100, 300, 1024, 15 * 1024 }

--- Sizes of headers in KiB.
M.WIDE = { 1, 2, 4, 8, 10, 12, 14, 16 }

local HEAD, TAIL = '{"id":"task","status":"pending","detail":{"pad":"', '"}}'

--- How long the text at detail.pad is.
---@param size integer  of the answer, in KiB
---@return integer
function M.pad(size) return size * 1024 - #HEAD - #TAIL end

--- The size of a folder's answer, in KiB.
---@param folder string
---@return integer
function M.size(folder) return tonumber(folder:match "^s(%d+)$") or 1 end

local function answer(size) return HEAD .. ("x"):rep(M.pad(size)) .. TAIL end

--- Goes through the answers with wide headers.
---@return function iterator  name: the folder's; lines: of "Name: value\n"
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

--- Writes them all into a new folder, which whoever asked removes.
---@return string folder
function M.folder()
  local folder = files.folder()
  local function put(name, text, as)
    os.execute("mkdir -p " .. shell.quote(folder .. "/" .. name .. "/v1/video"))
    files.write(("%s/%s/v1/video/%s"):format(folder, name, as or "query"), text)
  end
  for _, size in ipairs(M.SIZES) do put("s" .. size, answer(size)) end
  for _, size in ipairs(M.WIDE) do put("h" .. size, answer(1)) end
  put("slow", answer(12))
  put("live", answer(1))
  put("live", answer(1), "running")
  put("live", '{"id":"task","status":"completed","video_url":"https://localhost/video.mp4"}', "ended")
  os.execute("chmod -R a+rX " .. shell.quote(folder))
  return folder
end

--- The shell's command that makes the task of "live" another one.
---@param folder string
---@param what "running"|"ended"
---@return string
function M.becomes(folder, what)
  return ("(cd %s/live/v1/video && cp %s new && mv new query)"):format(shell.quote(folder), what)
end

return M

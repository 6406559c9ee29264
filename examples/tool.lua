--- What the examples share: their command line, exit codes, names of files, and a look into MP4.

local M = {}

--- Exit codes. `wait_all.lua` ends with the highest of 0 to 3 that one of its tasks ends with.
M.EXIT = { ok = 0, failed = 1, timeout = 2, error = 3, usage = 64, interrupted = 130 }

--- The exit code for an error of sora.
---@param err sora.error
---@return integer
function M.exit_code(err)
  if err.kind == "failed" or err.kind == "cancelled" then return M.EXIT.failed end
  return err.kind == "timeout" and M.EXIT.timeout or M.EXIT.error
end

--- Writes a line to standard error, under the program's name.
function M.complain(text)
  io.stderr:write(arg[0]:match("[^/]+$"), ": ", tostring(text), "\n")
end

local function misuse(usage, text)
  M.complain(text)
  io.stderr:write(usage:match("^[^\n]*"), "\nTry --help.\n")
  os.exit(M.EXIT.usage)
end

--- Reads the command line: `--name value`, `--name=value`, `--flag`, and `--` before what is none.
-- A bad one ends the program, and so does --help.
---@param usage string  its first line is shown after a mistake, all of it by --help
---@param kinds table<string, "text"|"number"|"count"|"flag">  the options
---@return table options
---@return string[] rest
---@return fun(text: string) misuse  ends the program
function M.options(usage, kinds)
  local options, rest, i = {}, {}, 1
  local function stop(text) misuse(usage, text) end
  while i <= #arg do
    local word = arg[i]
    local name, value = word:match "^%-%-([%w-]+)=?(.*)$"
    if name == "help" then
      io.stdout:write(usage)
      os.exit(M.EXIT.ok)
    elseif word == "--" then
      for j = i + 1, #arg do rest[#rest + 1] = arg[j] end
      break
    elseif not word:find "^%-." then
      rest[#rest + 1] = word
    else
      local kind = kinds[name] or stop("unknown option " .. word)
      if kind == "flag" then
        value = true
      elseif not word:find("=", 1, true) then
        i = i + 1
        value = arg[i] or stop(word .. " needs a value")
      end
      if kind == "number" or kind == "count" then
        value = tonumber(value) or 0
        if value <= 0 or kind == "count" and value % 1 ~= 0 then
          stop(("--%s needs a %snumber above 0"):format(name, kind == "count" and "whole " or ""))
        end
      end
      options[name] = value
    end
    i = i + 1
  end
  return options, rest, stop
end

--- Runs the program and ends with the exit code that it returns. Ctrl-C is Lua's own error.
---@param main fun(): integer
---@param on_interrupt fun()?
function M.run(main, on_interrupt)
  local ok, result = xpcall(main, function(err)
    if tostring(err):find "interrupted!$" then return "interrupted!" end
    return type(err) == "string" and debug.traceback(err, 2) or err
  end)
  if not ok and result == "interrupted!" then
    if on_interrupt then on_interrupt() end
    result = M.EXIT.interrupted
  elseif not ok then
    M.complain(result)
    result = M.EXIT.error
  end
  io.stdout:flush()
  os.exit(result)
end

--- The name of a task's video: the id, made safe for every file system. Two ids never have the
-- same name: `:` becomes `+`, other bytes that are not plain `%XX`.
---@param id string
---@return string
function M.file_name(id)
  local function escape(byte) return ("%%%02X"):format(byte:byte()) end
  local name = id:gsub("[^%w:._-]", escape):gsub("^[.-]", escape):gsub(":", "+")
  return name .. ".mp4"
end

--- A value of the service's as one line for a person: without control characters, and without the
-- queries of URLs, where signatures are.
---@param value any
---@return string
function M.plain(value)
  local text = tostring(value):gsub("%c+", " "):gsub("\194[\128-\159]", " ")
  text = text:gsub("(https?://[^%s?#]*)[?#]%S*", "%1")
  if #text <= 400 then return text end
  return (text:sub(1, 400):gsub("[\192-\255][\128-\191]*$", "")) .. "..."
end

local function number(bytes)
  local value = 0
  for i = 1, #bytes do value = value * 256 + bytes:byte(i) end
  return value
end

--- Walks the boxes of an MP4 (ISO/IEC 14496-12, 4.2) between two offsets: offset of the content,
-- end, type.
local function boxes(file, first, last)
  return function()
    if first >= last then return nil end
    file:seek("set", first)
    local head = file:read(8) or ""
    local size, content = number(head:sub(1, 4)), first + 8
    if size == 1 then
      size, content = number(file:read(8) or ""), content + 8
    elseif size == 0 then
      size = last - first
    end
    local stop = first + size
    if #head < 8 or stop < content then stop = math.huge end
    first = stop
    return content, stop, head:sub(5)
  end
end

--- The seconds that the header of the film (mvhd) speaks of.
local function duration(file, first, last)
  for content, _, name in boxes(file, first, last) do
    if name == "mvhd" then
      file:seek("set", content)
      local bytes = file:read(32) or ""
      local wide = bytes:byte() == 1 -- version 1 has times of 64 bits
      local scale = number(bytes:sub(wide and 21 or 13, wide and 24 or 16))
      local length = number(bytes:sub(wide and 25 or 17, wide and 32 or 20))
      return scale > 0 and length / scale or nil
    end
  end
end

--- Whether a file is a whole MP4: it begins with `ftyp`, and its boxes end where it ends.
---@param path string
---@return { bytes: integer, seconds: number? }? video
---@return string? reason
function M.check_video(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message end
  local video = { bytes = file:seek "end" }
  local reason, place = nil, 0
  for content, stop, name in boxes(file, 0, video.bytes) do
    place = place + 1
    if place == 1 and name ~= "ftyp" then
      reason = "is no MP4: it does not begin with 'ftyp'"
    elseif stop > video.bytes then
      reason = ("is cut off in its part '%s'"):format((name:gsub("[^%w ]", "?")))
    elseif name == "moov" then
      video.seconds = duration(file, content, stop)
    end
    if reason then break end
  end
  file:close()
  if place == 0 then reason = "is empty" end
  if reason then return nil, reason end
  return video
end

--- Finishes a download: a video that is no whole MP4 is put aside, so that nobody takes it for one.
---@param path string
---@return { bytes: integer, seconds: number? }? video
---@return string? reason
function M.accept_video(path)
  local video, reason = M.check_video(path)
  if video then return video end
  os.rename(path, path .. ".bad")
  return nil, ("%s.bad %s"):format(path, reason)
end

--- 512 B, 1.5 KiB, 45.6 MiB
---@param bytes number
---@return string
function M.size(bytes)
  local units, unit = { "B", "KiB", "MiB", "GiB" }, 1
  while bytes >= 1000 and unit < #units do bytes, unit = bytes / 1024, unit + 1 end
  return (unit == 1 and "%d %s" or "%.1f %s"):format(bytes, units[unit])
end

return M

-- The CDN: a real MP4, or a synthetic one of any size, and the ways in which CDNs misbehave.
--
-- The query of the URL says how it is served:
--   size=N          a synthetic video of N bytes instead of the real one
--   etag=weak|none|changing     default: a strong one
--   date=none|later no Last-Modified; another one
--   type=T          instead of video/mp4; a space as %20
--   if_range=ignored    as if there were none
--   most=N          no range longer than N bytes
--   ranges=ignored|refused|wrong  always 200; 416; a 206 with another range than was asked
--   chunked=1       no Content-Length
--   rate=N          N bytes a second
--   delay=S         seconds before the headers
--   cut=K           the connection ends after K bytes of a body; reset=1: by RST
--   status=N        an error instead; with html=1 a page (with status 200 too)
--   times=N         cut, status and html happen to the first N requests of this URL only
--   redirect=N      N redirects first; to=http: the first of them to plain http; to=loop: no end
--   expire=STATUS   that status until the task was asked `until` times (2)
--   salt=C          another video of the same size: C in the place of each 0
--   text=T          T, percent-encoded, instead of the video; type=none: without a type
--   endless=T       T again and again, until the client goes
--   answers=A       what a request with a Range gets: slice (200 and the slice), bare (206 without
--                   Content-Range), multipart, star (no size), untold (no validators), longer (more
--                   than it announces, in chunks), or a number: that size in Content-Range
--   unasked=1       a 206 with the first of it where no Range was asked for
--   lag=N           404 to the first N requests of this URL, whatever the rest of its query
--   coded=1         gzip, whether or not it was asked for

local cqueues = require "cqueues"
local faults = require "spec.support.service.faults"
local pattern = require "spec.support.service.pattern"
local ranges = require "spec.support.service.ranges"
local sock = require "spec.support.service.socket"
local texts = require "spec.support.service.text"

local M = {}

local BLOCK = 16384

local function arguments(path)
  local found = {}
  for key, value in (path:match("%?(.*)$") or ""):gmatch("([^&=]+)=([^&]*)") do
    found[key] = value
  end
  return found
end

-- How often this URL has been asked, this time included. Only faults that end need it.
local function count(service, path)
  local counts = service.video_counts
  counts[path] = (counts[path] or 0) + 1
  return counts[path]
end

local function source(service, arg)
  local size = tonumber(arg.size)
  if arg.text then
    local text = texts.percent_decode(arg.text)
    return #text, function(first, last)
      return text:sub(first + 1, last + 1)
    end
  elseif size then
    return size, function(first, last)
      local bytes = pattern.bytes(size, first, last)
      return arg.salt and bytes:gsub("0", arg.salt) or bytes
    end
  end
  local video = service.video
  return #video, function(first, last)
    return video:sub(first + 1, last + 1)
  end
end

local function redirect(x, arg)
  local left = tonumber(arg.redirect)
  local path = x.path:gsub("([?&])redirect=%d+", arg.to == "loop" and "%0"
    or "%1redirect=" .. string.format("%d", left - 1), 1)
  local base = ""
  if arg.to == "http" then
    base = x.service.urls.http_url
    path = path:gsub("([?&])to=http", "%1to=", 1)
  end
  return { status = 302, type = "text/plain", headers = { { "location", base .. path } } }
end

-- An answer other than the video, or nil.
local function refusal(x, arg, times)
  if arg.redirect and arg.redirect ~= "0" then
    return redirect(x, arg)
  end
  if arg.expire and (tonumber(arg.poll) or 0) < (tonumber(arg["until"]) or 2) then
    return { status = tonumber(arg.expire), type = "application/xml",
      body = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>" }
  end
  if arg.lag and count(x.service, x.path:match("^[^?]*")) <= tonumber(arg.lag) then
    return { status = 404, type = "text/plain", body = "not here yet" }
  end
  if times <= (tonumber(arg.times) or math.huge) then
    if arg.html then
      local answer = faults.web_ui()
      answer.status = tonumber(arg.status) or 200
      return answer
    elseif arg.status then
      return { status = tonumber(arg.status), type = "text/plain", body = "not now" }
    end
  end
end

-- Writes bytes first..last in blocks, at the rate asked for, up to the cut.
local function stream_bytes(x, arg, read, first, last, cut)
  local rate = tonumber(arg.rate)
  local block = rate and math.max(1, math.min(BLOCK, math.floor(rate / 20))) or BLOCK
  local stop = cut and math.min(last, first + cut - 1) or last
  return function(write)
    local place = first
    while place <= stop do
      local upto = math.min(stop, place + block - 1)
      if not write(read(place, upto)) then
        return
      end
      place = upto + 1
      if rate then
        cqueues.sleep(block / rate)
      end
    end
    if stop < last then
      cqueues.sleep(0.02) -- for what was written to be read before the end discards it
      sock[arg.reset and "reset" or "close"](sock.take(x))
    end
  end
end

-- The text of the query, for ever.
local function endless(arg)
  local text = texts.percent_decode(arg.endless):rep(math.ceil(BLOCK / #arg.endless))
  return { type = arg.type or "text/html", body = function(write)
    while write(text) do
      cqueues.sleep(0.001)
    end
  end }
end

-- Makes an answer with a part of the video one of those that some servers send.
local function spoil(answer, answers, first, last, size)
  if answers == "slice" then
    answer.status = 200
  elseif answers == "bare" or answers == "multipart" then
    table.remove(answer.headers)
    answer.type = answers == "multipart" and "multipart/byteranges; boundary=x" or answer.type
  elseif answers == "untold" then
    answer.headers = { answer.headers[#answer.headers] }
  elseif answers == "longer" then
    local body = answer.body
    answer.length = nil
    answer.body = function(write)
      body(write)
      write("more")
    end
  else
    answer.headers[#answer.headers][2] = string.format("bytes %d-%d/%s", first, last,
      answers == "star" and "*" or answers or size)
  end
  return answer
end

local function content_type(arg)
  if not arg.type then
    return "video/mp4"
  end
  return arg.type ~= "none" and texts.percent_decode(arg.type) or ""
end

--- Answers a request for a video.
---@param x table  the exchange
---@return table answer
function M.answer(x)
  local arg = arguments(x.path)
  local times = count(x.service, x.path)
  if arg.delay then
    cqueues.sleep(tonumber(arg.delay))
  end
  local refused = refusal(x, arg, times) or arg.endless and endless(arg)
  if refused then
    return refused
  end
  local size, read = source(x.service, arg)
  local headers, etag, modified = ranges.validators(arg, size, times)
  local first, last = ranges.wanted(x, arg, size, etag, modified)
  if first == false then
    headers[#headers + 1] = { "content-range", string.format("bytes */%d", size) }
    return { status = 416, type = "text/plain", headers = headers, body = "" }
  end
  local part = first ~= nil
  if not part then
    first, last = 0, size - 1
  elseif arg.ranges == "wrong" then
    first = 0
  end
  if part then
    headers[#headers + 1] = { "content-range", string.format("bytes %d-%d/%d", first, last, size) }
  end
  local cut = times <= (tonumber(arg.times) or math.huge) and tonumber(arg.cut) or nil
  local answer = { status = part and 206 or 200, type = content_type(arg), headers = headers,
    length = not arg.chunked and last - first + 1 or nil,
    body = stream_bytes(x, arg, read, first, last, cut) }
  if arg.coded then
    answer.gzip, answer.length, answer.body = true, nil, read(first, last)
  end
  return part and spoil(answer, arg.answers, first, last, size) or answer
end

return M

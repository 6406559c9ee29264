--- The documents that the decoders are timed with: the same in every run.

local M = {}

local random, read = math.random, require("spec.support.files").read

--- An array of what f writes, of a million bytes.
local function megabyte(f)
  local values, bytes = {}, 0
  while bytes < 1e6 do
    values[#values + 1] = f()
    bytes = bytes + #values[#values] + 1
  end
  return "[" .. table.concat(values, ",") .. "]"
end

local function letters(count)
  local bytes = {}
  for i = 1, count do
    bytes[i] = string.char(random(97, 122))
  end
  return table.concat(bytes)
end

--- A string of `count` parts from the lists, with `separator` between.
local function compose(count, separator, ...)
  local parts = {}
  for i = 1, count do
    local list = select(random(select("#", ...)), ...)
    parts[i] = list[random(#list)]
  end
  return '"' .. table.concat(parts, separator) .. '"'
end

local CYRILLIC = { "привет", "видео", "очередь", "готово", "жду" }
local HAN = { "視頻", "生成", "完成", "等待", "動画" }
local EMOJI = { "🎬", "🎉" }
local LATIN = { "prêt", "déjà", "video", "done" }
local ESCAPES = { "\\n", '\\"', "\\\\", "\\/", "\\t", "\\u00e9", "\\ud83c\\udfac" }

--- The answer that the project is about.
---@return string text
function M.task()
  return read "spec/support/fixtures/pending.json"
end

--- The documents in the order of the report: name, text, and how often it is decoded in one timing.
---@return { name: string, text: string, times: integer }[]
function M.all()
  math.randomseed(42)
  local task = M.task()
  local document = {}
  local function add(name, times, text)
    document[#document + 1] = { name = name, text = text, times = times }
  end
  add("pending.json, 3,150 bytes", 300, task)
  add("500 such tasks", 2, "[" .. (task .. ","):rep(499) .. task .. "]")
  add("integers", 3, megabyte(function()
    return ("%.0f"):format(random(0, 10 ^ random(1, 9)) * random(1, 1000))
  end))
  add("floats", 3, megabyte(function()
    return ("%.17g"):format(random() * 10 ^ random(-3, 3))
  end))
  add("plain strings of 20", 3, megabyte(function()
    return '"' .. letters(20) .. '"'
  end))
  add("plain strings of 200", 6, megabyte(function()
    return '"' .. letters(200) .. '"'
  end))
  add("plain strings of 1,000", 6, megabyte(function()
    return '"' .. letters(1000) .. '"'
  end))
  add("UTF-8 strings", 3, megabyte(function()
    return compose(14, " ", CYRILLIC, HAN, EMOJI, LATIN)
  end))
  add("escaped strings", 3, megabyte(function()
    return compose(20, "", { letters(random(5, 20)), letters(random(5, 20)) }, ESCAPES)
  end))
  return document
end

return M

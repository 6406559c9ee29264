--- Mutated answers of services, from a seed, and what must hold whatever a service sends: nothing
-- raises, nothing takes for ever, no URL of an input comes back as that of the video, and what
-- comes out is of the types that are promised.
--
-- By itself: LUA spec/support/mutated_answers.lua COUNT [SEED]

local chances = require "spec.support.chance"
local reading = require "sora.answers.reading"
local sora = require "sora"
local task = require "sora.answers.task"

local M = {}

local MOST_INSTRUCTIONS = 3e6 -- for all functions on one answer
local INPUT = "input.example" -- the host of all inputs

local chance -- of the answer that is made

local function random(most) return chance:between(1, most) end
local function one_of(list) return chance:of(list) end

-- Values

local KEYS = {}
for key in ([[id task_id status state task_status message msg code error errors data result output
  outputs url video_url videoUrl video videos detail draft_info pending_info metadata content
  results progress fail_reason reason items task response success base_resp status_code status_msg
  type kind watermark respect_moderation moderated running upsample_video_url creations assets file
  download_url result_json video_urls err_msg err_code err ok title done name]]):gmatch("%S+") do
  KEYS[#KEYS + 1] = key
end

local TEXTS = {
  "", " ", "completed", "FAILED", "success", "ok", "processing", "失败", "generation_completed",
  "x", "no such task", "50%", "1/2", "100", "0x10", "-1", "https://cdn.example/a.mp4?sig=x",
  " `https://cdn.example/b.mp4` ", "/v1/videos/x/content", "//cdn.example/c.mp4",
  "data:video/mp4;base64,AAAA", "https://cdn.example/a.png", "{", "[", "{}", "[]",
  '{"message":"why"}', '{"url":"https://cdn.example/d.mp4"}', '["https://cdn.example/e.mp4"]',
  "\\", "\0", "\255\254",
  "{'message': 'why'}", '"', "https://", "http://[", "null", "404", "task_not_exist",
  ("x"):rep(300),
  ("{"):rep(50), ("["):rep(50), ("%"):rep(20), "\27[31m\n\194\155",
}

local NUMBERS = { 0, 1, -1, 0.5, 100, 200, 404, 500, 10000, 2 ^ 53, -2 ^ 63, 1e300, 1 / 0, 0 / 0 }

local value_of

local function new_table(depth)
  local object = {}
  if random(3) == 1 then
    for i = 1, random(3) do object[i] = value_of(depth - 1) end
  else
    for _ = 1, random(4) - 1 do object[one_of(KEYS)] = value_of(depth - 1) end
  end
  return object
end

function value_of(depth)
  local kind = random(8)
  if kind <= 3 or depth <= 0 then return one_of(TEXTS) end
  if kind == 4 then return one_of(NUMBERS) end
  if kind == 5 then return random(2) == 1 end
  if kind == 6 then return sora.null end
  return new_table(depth)
end

--- Inputs, under the names that they have.
local function add_inputs(object)
  local url = "https://" .. INPUT .. "/in.mp4"
  object.images = { url, { url = url } }
  object[one_of { "image_url", "thumbnail_url", "cover_url", "gif_url", "first_frame_url" }] = url
  object[one_of { "input", "req", "request", "params" }] = {
    video_url = url, images = { url }, url = url, video = { url = url },
  }
end

local INPUT_KEYS = {}
for key in ([[images image_url thumbnail_url cover_url gif_url first_frame_url input req request
  params]]):gmatch("%S+") do INPUT_KEYS[key] = true end

-- Mutations

--- All tables in an answer but those of inputs.
local function tables_in(object, list)
  list[#list + 1] = object
  for key, value in pairs(object) do
    if type(value) == "table" and not INPUT_KEYS[key] and #list < 200 then
      tables_in(value, list)
    end
  end
  return list
end

--- A key, by chance; the order of `pairs` is not the same in every Lua.
local function key_of(object)
  local keys = {}
  for key in pairs(object) do
    if not INPUT_KEYS[key] then keys[#keys + 1] = key end
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys[1] ~= nil and one_of(keys) or nil
end

local function mutate(answer)
  local object = one_of(tables_in(answer, {}))
  local kind, key = random(6), key_of(object)
  if kind == 1 then
    object[one_of(KEYS)] = value_of(3)
  elseif kind == 2 then
    add_inputs(object)
  elseif key ~= nil and kind == 3 then
    object[key] = value_of(3)
  elseif key ~= nil and kind == 4 then
    object[one_of(KEYS)], object[key] = object[key], nil
  elseif key ~= nil and kind == 5 then
    object[key] = { object[key] }
  elseif key ~= nil then
    object[key] = { [one_of(KEYS)] = object[key] }
  end
  return random(10) == 1 and { [one_of(KEYS)] = answer, code = one_of(NUMBERS) } or answer
end

local function copy(value)
  if type(value) ~= "table" then return value end
  local fresh = {}
  for key, inner in pairs(value) do fresh[key] = copy(inner) end
  return fresh
end

-- What must hold

local CLASSES = { running = true, succeeded = true, failed = true, cancelled = true }

local function is_text(value) return value == nil or type(value) == "string" end

local function check_task(answer)
  assert(CLASSES[task.status(answer)], "status")
  assert(is_text(task.id(answer)) and is_text(task.asked_id(answer)), "id")
  assert(is_text(task.word(answer)) and is_text(task.failure(answer)), "text")
  local progress, url, code = task.progress(answer), task.video_url(answer), task.code(answer)
  assert(progress == nil or (progress >= 0 and progress <= 1), "progress")
  assert(is_text(url) and not (url and url:find(INPUT, 1, true)), "an input's URL")
  assert(code == nil or type(code) == "string" or type(code) == "number", "code")
  task.updated_at(answer)
  task.queue(answer)
  local line = task.describe(answer)
  assert(#line < 500 and not line:find("[%z\1-\31\127]"), "line")
end

local function check_reading(answer, status, null)
  local read, said, code, final, missing = reading.read(answer, status, null, "sora-2:x")
  if read ~= nil then
    assert(type(read) == "table" and status < 300 and is_text(said), "a task")
    return check_task(read)
  end
  assert(is_text(said), "message")
  if not said then return end
  assert(code == nil or type(code) == "string" or type(code) == "number", "code")
  assert(type(final) == "boolean" and type(missing) == "boolean", "flags")
end

local function check(answer)
  check_task(answer)
  check_reading(answer, 200)
  check_reading(answer, 200, sora.null)
  check_reading(answer, 200, one_of(TEXTS))
  check_reading(answer, one_of { 400, 404, 500 })
end

--- The bodies of fixtures/answers.jsonl.
local function bodies()
  local list = {}
  for line in io.lines "spec/support/fixtures/answers.jsonl" do
    list[#list + 1] = assert(sora.decode(line, { null = sora.null })).body
  end
  return list
end

--- Checks `count` answers. Returns nil, or what does not hold, and for which seed.
---@param count integer
---@param from integer  the first seed
---@return string? problem
function M.run(count, from)
  local originals = bodies()
  for i = from, from + count - 1 do
    chance = chances.new(i)
    local answer = copy(one_of(originals))
    for _ = 1, random(8) do answer = mutate(answer) end
    debug.sethook(function() error("takes for ever", 0) end, "", MOST_INSTRUCTIONS)
    local ok, problem = pcall(check, answer)
    debug.sethook()
    if not ok then return ("seed %d: %s"):format(i, tostring(problem)) end
  end
  return nil
end

if arg and arg[0] and arg[0]:find "mutated_answers.lua$" then
  local count, from = tonumber(arg[1]) or 1e6, tonumber(arg[2]) or 1
  local problem = M.run(count, from)
  print(problem or ("%d answers, none of them read amiss"):format(count))
  os.exit(problem == nil and 0 or 1)
end

return M

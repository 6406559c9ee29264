-- Steps that answer with a task: every shape of an answer that is not an error.
-- A step is function(exchange, parameters) -> answer.

local texts = require "spec.support.service.text"

local M = { steps = {} }
local steps = M.steps

local function json_string(text)
  return '"' .. text:gsub('[%c"\\]', function(character)
    return string.format("\\u%04x", character:byte())
  end) .. '"'
end

--- The address of an exchange's video, on the CDN. It looks signed, and holds escapes that a
--- client must not touch. `video` of the step is added to its query as it is.
---@param x table
---@param parameters table
---@return string
function M.video_url(x, parameters)
  local extra = type(parameters.video) == "string" and "&" .. parameters.video or ""
  if extra:find("expire=", 1, true) then
    extra = extra .. "&poll=" .. x.polls
  end
  return x.service.urls.cdn_url .. "/assets%2F" .. texts.percent_encode(x.id)
    .. "%2Fsrc.mp4?st=2025-10-06T14%3A04%3A21Z&se=2025-10-12T15%3A04%3A21Z"
    .. extra .. "&sig=AbC%2Fd%3D"
end

-- Replaces $ID, $TASK (the id without its prefix), $VIDEO and $CDN, escaped for a JSON string.
local function fill(template, x, parameters)
  local id = parameters.answer_id or x.id
  return (template:gsub("%$(%u+)", {
    ID = json_string(id):sub(2, -2),
    TASK = json_string((id:gsub("^[^:]*:", ""))):sub(2, -2),
    VIDEO = json_string(M.video_url(x, parameters)):sub(2, -2),
    CDN = x.service.urls.cdn_url,
  }))
end

local function shape(name, template)
  steps[name] = function(x, parameters)
    return { body = fill(template, x, parameters) }
  end
end

-- Running ------------------------------------------------------------------------------------

shape("queued", [[{"id":"$ID","status":"queued","video_url":null,"enhanced_prompt":"",
"detail":{"id":"$TASK","status":"queued","pending_info":{"status":"queued","progress_pct":0.0,
"progress_pos_in_queue":3,"estimated_queue_wait_time":12,"generations":[]}},
"status_update_time":1759763600042}]])

local PENDING = [[{"id":"$ID","status":"pending","detail":{"id":"$TASK","status":"pending",
"input":{"model":"sy_8","images":["$CDN/in.png"],"prompt":"make animate"},
"pending_info":{"id":"$TASK","status":"processing","progress_pct":%s,"failure_reason":null,
"generations":[],"moderation_result":{"code":null,"results_by_frame_index":{}},
"progress_pos_in_queue":null,"estimated_queue_wait_time":null}},
"status_update_time":1759763611142}]]

--- progress: 0..1, default 0.5
function steps.pending(x, parameters)
  local progress = tonumber(parameters.progress) or 0.5
  return { body = fill(PENDING:format(progress), x, parameters) }
end

--- The sample of the API page, byte for byte, whatever id was asked.
function steps.sample(x)
  return { body = x.service.sample }
end

shape("minimal", [[{"id":"$ID","status":"pending","video_url":null,"enhanced_prompt":"",
"status_update_time":1750323167003}]])

--- progress: 0..100, default 50
function steps.openai_running(x, parameters)
  return { body = fill(([[{"id":"$ID","size":"1280x720","model":"sora-2","object":"video",
"status":"in_progress","seconds":"10","progress":%d,"created_at":1761622232}]]):format(
    tonumber(parameters.progress) or 50), x, parameters) }
end

shape("empty_fields", [[{"id":"$ID","status":"pending","video_url":"",
"error":{"message":"","code":""},"detail":{},"enhanced_prompt":null,"fail_reason":""}]])

-- Succeeded ----------------------------------------------------------------------------------

shape("completed", [[{"id":"$ID","width":352,"height":640,"status":"completed",
"video_url":"$VIDEO",
"thumbnail_url":"$CDN/thumbnail.webp?sig=x",
"detail":{"id":"$TASK","url":"$CDN/src.mp4?sig=x","gif_url":"$CDN/preview.gif?sig=x",
"status":"completed","input":{"size":"small","model":"sy_ore","images":["$CDN/in.png"],
"prompt":"make animate","orientation":"portrait"},
"draft_info":{"id":"gen_01k6x1bffaf3dr786harh8maqt","kind":"sora_draft","tags":[],"title":null,
"width":352,"height":640,"encodings":{"md":{"path":"$CDN/md.mp4"},"unfurl":null},
"created_at":1759763631.222531,"downloadable_url":"$CDN/upstream.mp4?sig=x"}},
"status_update_time":1759763651908}]])

shape("openai", [[{"id":"$ID","size":"1280x720","model":"sora-2","object":"video",
"status":"completed","seconds":"10","progress":100,"video_url":"$VIDEO",
"created_at":1761622232,"completed_at":1761622385}]])

shape("veo", [[{"id":"$ID","status":"completed","video_url":"$VIDEO","detail":{"id":"$TASK",
"status":"completed","video_url":"$CDN/not-upscaled.mp4","error_message":"retry 1 failed: internal",
"video_generation_error":"PUBLIC_ERROR_AUDIO_FILTERED","images":[{"url":"$CDN/in.png"}]},
"status_update_time":1770350182000}]])

shape("padded", [[{"id":"$ID","status":"completed","video_url":" `$VIDEO` "}]])
shape("no_url", [[{"id":"$ID","status":"completed","video_url":null,"detail":{}}]])
shape("inputs_only", [[{"id":"$ID","status":"completed","detail":{"images":[{"url":"$CDN/in.png"}],
"input":{"images":["$CDN/in.png"]},"req":{"images":["$CDN/in.png"]}}}]])
shape("envelope", [[{"code":"success","message":"","data":{"task_id":"$ID","status":"SUCCESS",
"progress":"100%","fail_reason":"","data":{"video_url":"$VIDEO"}}}]])
shape("envelope_running", [[{"code":"success","message":"","data":{"task_id":"$ID",
"status":"IN_PROGRESS","progress":"50%","data":null}}]])
shape("disputed", [[{"id":"$ID","status":"video_generation_completed","video_url":null}]])
shape("disputed_url", [[{"id":"$ID","status":"video_generation_completed",
"video_url":"$VIDEO"}]])

--- The answer names the task without its prefix.
function steps.other_id(x, parameters)
  local bare = { answer_id = x.id:gsub("^[^:]*:", ""), video = parameters.video }
  return steps[parameters.shape or "completed"](x, bare)
end

-- Failed -------------------------------------------------------------------------------------

shape("failed", [[{"id":"$ID","status":"failed","detail":{"status":"failed","pending_info":
{"status":"failed","failure_reason":"content policy","moderation_result":{"type":"blocked",
"code":"sentinel_block","is_output_rejection":true}}},"status_update_time":1759763651908}]])
shape("failed_draft", [[{"id":"$ID","status":"failed","detail":{"status":"failed","draft_info":
{"kind":"sora_content_violation","reason_str":"content policy","url":null}},
"status_update_time":1759763651908}]])
shape("failed_openai", [[{"id":"$ID","object":"video","status":"failed","progress":0,
"error":{"code":"moderation_blocked","message":"content policy"}}]])
shape("failed_string", [[{"id":"$ID","status":"error","error":"content policy",
"status_update_time":1759763651908}]])
shape("failed_envelope", [[{"task_id":"$ID","status":"FAILURE","fail_reason":"content policy",
"progress":"100%","data":null}]])

-- Any status word ----------------------------------------------------------------------------

--- word: the status; raw: the status as JSON (null, 7 …; "missing": no status at all);
--- progress: as JSON; url: give a video
function steps.status(x, parameters)
  local status = parameters.raw or json_string(parameters.word or "running")
  local body = '{"id":"$ID"' .. (status == "missing" and "" or ',"status":' .. status)
  if parameters.progress then
    body = body .. ',"progress":' .. parameters.progress
  end
  if parameters.url or parameters.video then
    body = body .. ',"video_url":"$VIDEO"'
  end
  return { body = fill(body .. ',"status_update_time":1759763651908}', x, parameters) }
end

for name, raw in pairs { null = "null", missing = "missing", number = "7", empty = '""',
  unknown = '"unknown"' } do
  steps["status_" .. name] = function(x, parameters)
    return steps.status(x, { raw = raw, video = parameters.video })
  end
end

-- Every word that relays send, as a step of its own where no richer one exists.
local WORDS = [[complete success succeeded succeed finished finish done failure fail error
rejected expired video_generation_failed video_upsampling_failed cancelled canceled
video_upsampling_completed submitted not_start created waiting preparing processing in_progress
running generating image_downloading video_generating video_upsampling]]
for word in WORDS:gmatch("%S+") do
  local succeeded = word:find("^complete$") or word:find("^suc") or word:find("^fini")
    or word == "done"
  steps[word] = function(x, parameters)
    return steps.status(x, { word = word, url = succeeded, video = parameters.video })
  end
end

-- A task with a value at a dotted path.
local function task_with(status, place, value)
  for key in place:reverse():gmatch("[^.]+") do -- from the innermost name outwards
    value = '{"' .. key:reverse() .. '":' .. value .. "}"
  end
  return '{"id":"$ID","status":"' .. status .. '",' .. value:sub(2)
end

--- place: the dotted path of the video's URL, such as detail.draft_info.url
function steps.url_in(x, parameters)
  return { body = fill(task_with("completed", parameters.place, '"$VIDEO"'), x, parameters) }
end

--- place: the dotted path of the reason; reason: its text
function steps.failure_in(x, parameters)
  local reason = json_string(parameters.reason or "content policy")
  return { body = fill(task_with("failed", parameters.place, reason), x, parameters) }
end

--- Any body. text: the body, with $ID, $VIDEO and so on filled in; type: its Content-Type
function steps.body(x, parameters)
  return { body = fill(parameters.text or "", x, parameters), type = parameters.type }
end

-- Lifecycle ----------------------------------------------------------------------------------

--- Queued, then pending with growing progress, 93 %, completed: within `seconds` of the first
--- query, or within `polls` queries. The task of the sample shows the sample itself at 93 %.
function steps.life(x, parameters)
  local polls, seconds = tonumber(parameters.polls), tonumber(parameters.seconds)
  local done
  if polls then
    done = (x.polls - 1) / polls
  else
    done = x.age / (seconds or x.service.options.demo_seconds)
  end
  if done >= 1 then
    return steps.completed(x, parameters)
  elseif done >= 0.75 then
    if x.id == x.service.sample_id then
      return steps.sample(x)
    end
    return steps.pending(x, { progress = 0.93 })
  elseif done >= 0.15 then
    return steps.pending(x, { progress = (done - 0.15) / 0.6 * 0.9 })
  end
  return steps.queued(x, parameters)
end

return M

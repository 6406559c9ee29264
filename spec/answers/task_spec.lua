-- What is read out of a task: its status, progress, video's URL, failure and id.

local task = require "sora.answers.task"

--- The NULL light userdata where lua-cjson is there; any userdata serves the purpose.
local has_cjson, cjson = pcall(require, "cjson")
local null = has_cjson and cjson.null or io.stderr

local ABSENT = {
  ["null"] = null,
  ["false"] = false,
  ["an empty string"] = "",
  ["an empty table"] = {},
  ["an empty message"] = { message = "", code = "" },
}

local URL = "https://cdn.example/assets%2Ftask_01k6%2Fsrc.mp4?st=2025&sig=AbC%2Fd%3D"

--- Puts value at "a.b.c" of a new table.
local function at(path, value, object)
  object = object or {}
  local parent, last = object, path
  for key, rest in path:gmatch("([^.]+)%.?()") do
    last = key
    if rest <= #path then
      parent[key] = parent[key] or {}
      parent = parent[key]
    end
  end
  parent[last] = value
  return object
end

--- The first of the places is preferred to all later ones, and so on.
local function check_order(places, read, value_of, base)
  for first = 1, #places do
    local object = base and base() or {}
    for i = #places, first, -1 do
      -- "output" as text and "output.url" exclude each other
      if not places[i]:find("^output%.") or places[first]:find("^output%.") then
        at(places[i], value_of(places[i]), object)
      end
    end
    assert.equal(value_of(places[first]), read(object), places[first])
  end
end

local VIDEO_PLACES = {
  "video_url", "url", "result_url", "output", "output.url", "output.video_url",
  "result.video_url", "result.url", "detail.upsample_video_url", "detail.url", "detail.video_url",
  "detail.draft_info.downloadable_url", "detail.draft_info.url",
}

local REASON_PLACES = {
  "error", "fail_reason", "failure_reason", "detail.failure_reason",
  "detail.pending_info.failure_reason", "detail.draft_info.reason_str", "error_message",
  "detail.error_message", "message",
}

describe("task.status", function()
  local classes = {
    succeeded = "completed complete success succeeded succeed finished finish done",
    failed = "failed failure fail error rejected expired video_generation_failed "
      .. "video_upsampling_failed",
    cancelled = "cancelled canceled",
    running = "pending queued submitted not_start created waiting preparing processing in_progress "
      .. "running generating image_downloading video_generating video_upsampling unknown whatever",
  }

  for class, words in pairs(classes) do
    it("knows the words for " .. class .. " in any case, padded or not", function()
      for word in words:gmatch("%S+") do
        assert.equal(class, task.status { status = word })
        assert.equal(class, task.status { status = " " .. word:upper() .. "\n" })
        assert.equal(class, task.status { data = { status = word } })
      end
    end)
  end

  it("is running where the status is absent or no word", function()
    assert.equal("running", task.status {})
    for name, value in pairs(ABSENT) do
      assert.equal("running", task.status { status = value }, name)
    end
    for _, value in ipairs { 1, true, { "completed" }, { status = "completed" }, print, "  " } do
      assert.equal("running", task.status { status = value })
    end
  end)

  it("believes a disputed word only beside a video's URL", function()
    for _, word in ipairs { "video_generation_completed", "VIDEO_UPSAMPLING_COMPLETED" } do
      assert.equal("running", task.status { status = word })
      assert.equal("running", task.status { status = word, video_url = " ` ", output = "text" })
      assert.equal("succeeded", task.status { status = word, detail = { url = URL } })
    end
  end)

  it("decides on the top level where that has a word", function()
    local answer = { status = "pending", detail = { status = "completed", url = URL },
      data = { status = "failed" } }
    assert.equal("running", task.status(answer))
    answer = { status = "completed", detail = { status = "failed" }, data = { status = "failed" } }
    assert.equal("succeeded", task.status(answer))
    assert.equal("succeeded", task.status { detail = { status = "completed" } })
  end)

  it("looks into an envelope", function()
    assert.equal("succeeded",
      task.status { code = "success", message = "", data = { status = "SUCCESS" } })
    for name, value in pairs(ABSENT) do
      assert.equal("failed", task.status { status = value, data = { status = "FAILURE" } }, name)
    end
    assert.equal("failed", task.status { status = "FAILURE", progress = "100%", data = null })
    assert.equal("running", task.status { data = { status = 1 } })
    assert.equal("running", task.status { data = "completed" })
  end)

  it("does not take 100 % for success", function()
    assert.equal("failed", task.status { status = "FAILURE", progress = "100%" })
    assert.equal("running", task.status { progress = 100 })
    assert.equal("succeeded", task.status { progress = 100, video_url = URL }) -- by the URL
  end)
end)

describe("task.word", function()
  it("is what the service calls the status", function()
    assert.equal("in_progress", task.word { status = " IN_PROGRESS " })
    assert.equal("success", task.word { code = "success", data = { status = "SUCCESS" } })
    for name, value in pairs(ABSENT) do
      assert.is_nil(task.word { status = value }, name)
    end
  end)
end)

describe("task.progress", function()
  it("reads progress_pct as a fraction and progress as a percentage, whatever the size", function()
    local function pct(value)
      return task.progress { detail = { pending_info = { progress_pct = value } } }
    end
    assert.equal(0.9302178175176704, pct(0.9302178175176704))
    assert.equal(1, pct(1))
    assert.equal(0, pct(0))
    assert.equal(0.5, pct("0.5"))
    assert.equal(0.5, pct("50%"))
    assert.equal(0.01, task.progress { progress = 1 })
    assert.equal(0.005, task.progress { progress = 0.5 })
    assert.equal(0, task.progress { progress = 0 })
    assert.equal(1, task.progress { progress = 100 })
  end)

  it("reads strings, with and without a percent sign", function()
    for text, value in pairs { ["0"] = 0, ["50"] = 0.5, ["100%"] = 1, [" 25 % "] = 0.25,
      ["12.5%"] = 0.125, ["75."] = 0.75 } do
      assert.equal(value, task.progress { progress = text }, text)
    end
    for _, text in ipairs { "", "%", "half", "0x10", "1e2", "5 0", "50%%", ("9"):rep(100) } do
      assert.is_nil(task.progress { progress = text }, text)
    end
  end)

  it("stays within 0..1 and is never NaN", function()
    assert.equal(1, task.progress { progress = 150 })
    assert.equal(1, task.progress { progress = math.huge })
    assert.equal(0, task.progress { progress = -1 })
    assert.equal(0, task.progress { progress = "-1" })
    assert.is_nil(task.progress { progress = 0 / 0 })
  end)

  it("prefers progress_pct and falls back to progress", function()
    local answer = { progress = 50, detail = { pending_info = { progress_pct = 0.25 } } }
    assert.equal(0.25, task.progress(answer))
    for name, value in pairs(ABSENT) do
      answer.detail.pending_info.progress_pct = value
      assert.equal(0.5, task.progress(answer), name)
      answer.progress = value
      assert.is_nil(task.progress(answer), name)
      answer.progress = 50
    end
  end)

  it("looks into data", function()
    assert.equal(0.3, task.progress { code = "success", data = { status = "X", progress = "30%" } })
    assert.equal(0.3, task.progress { status = "pending", data = { progress = "30%" } })
  end)

  it("is told beside a failure, too", function()
    assert.equal(1, task.progress { status = "FAILURE", progress = "100%", data = null })
  end)
end)

describe("task.video_url", function()
  local function url_of(place) return "https://cdn.example/" .. place .. ".mp4" end

  it("knows every place in order of preference", function()
    check_order(VIDEO_PLACES, task.video_url, url_of)
  end)

  it("knows the same places under data, after those of the task", function()
    local places = {}
    for _, place in ipairs(VIDEO_PLACES) do places[#places + 1] = "data." .. place end
    for _, place in ipairs(places) do
      assert.equal(URL, task.video_url(at(place, URL)), place)
      assert.equal(URL, task.video_url(at(place, URL, { status = "completed" })), place)
      local enveloped = at(place, URL)
      enveloped.data.status = "SUCCESS"
      assert.equal(URL, task.video_url(enveloped), place)
    end
    for _, place in ipairs(VIDEO_PLACES) do
      assert.equal(URL, task.video_url(at(place, URL, { data = { video_url = "https://x/y" } })))
    end
    assert.equal(URL, task.video_url { data = { url = URL, data = { video_url = "https://x/y" } } })
    assert.equal(URL, task.video_url { status = "SUCCESS", data = { data = { video_url = URL } } })
  end)

  it("passes over what is absent, no text or no URL", function()
    for _, place in ipairs { "video_url", "url", "output", "result.url", "detail.video_url" } do
      for name, value in pairs(ABSENT) do
        local answer = at("detail.draft_info.url", URL)
        at(place, value, answer)
        assert.equal(URL, task.video_url(answer), place .. ": " .. name)
      end
      for _, value in ipairs { 42, true, " ` ", "a cat, dancing", "ftp://x/y", "//x/y", "http://",
        "/assets/a.mp4", "data:image/png;base64,AAAA", print, { 1 } } do
        local answer = at("detail.draft_info.url", URL)
        at(place, value, answer)
        assert.equal(URL, task.video_url(answer), place)
      end
    end
  end)

  it("survives a wrong type at every step of every path", function()
    for _, value in ipairs { 42, "text", true, false, null, print } do
      for _, key in ipairs { "output", "result", "detail", "data" } do
        assert.is_nil(task.video_url { [key] = value })
      end
      assert.is_nil(task.video_url { detail = { draft_info = value } })
      assert.is_nil(task.video_url { data = { data = value } })
    end
  end)

  it("trims spaces and backticks and changes nothing else", function()
    assert.equal(URL, task.video_url { video_url = " `" .. URL .. "` \n" })
    assert.equal("HTTP://x/%2f?a=%20 b", task.video_url { video_url = "HTTP://x/%2f?a=%20 b" })
  end)

  it("never returns an input", function()
    assert.is_nil(task.video_url {
      images = { { url = URL } },
      input = { images = { URL } },
      detail = { images = { { url = URL } }, input = { images = { URL } },
        req = { images = { URL } }, gif_url = URL,
        draft_info = { encodings = { md = { path = URL } } } },
    })
  end)

  it("takes the upscaled video of a Veo task", function()
    assert.equal(URL, task.video_url {
      video_url = URL,
      detail = { video_url = "https://x/small.mp4", upsample_video_url = "https://x/other.mp4" },
    })
  end)

  it("takes linear time over a padding of any length", function()
    local started = os.clock()
    assert.is_nil(task.video_url { video_url = (" "):rep(2e5) })
    assert.is_nil(task.video_url { video_url = "x" .. (" "):rep(2e5) .. "x" })
    assert.is_true(os.clock() - started < 2)
  end)
end)

describe("task.failure", function()
  it("knows every place in order of preference", function()
    check_order(REASON_PLACES, task.failure, function(place) return "reason at " .. place end,
      function() return { status = "failed" } end)
  end)

  it("knows the same places under data", function()
    for _, place in ipairs(REASON_PLACES) do
      local outer, inner = { status = "FAILURE" }, { data = { status = "failed" } }
      assert.equal("why", task.failure(at("data." .. place, "why", outer)), place)
      assert.equal("why", task.failure(at("data." .. place, "why", inner)), place)
    end
  end)

  it("takes an error with message and code", function()
    local failed = { status = "failed",
      error = { code = "moderation_blocked", message = "policy" } }
    assert.equal("policy", task.failure(failed))
    failed.error.message = null
    assert.equal("moderation_blocked", task.failure(failed))
    failed.error.code = 1001
    assert.equal("1001", task.failure(failed))
  end)

  it("passes over what is absent", function()
    for _, place in ipairs(REASON_PLACES) do
      for name, value in pairs(ABSENT) do
        local answer = at(place, value, { status = "failed", data = { fail_reason = "why" } })
        assert.equal("why", task.failure(answer), place .. ": " .. name)
      end
    end
    assert.is_nil(task.failure { status = "failed" })
    assert.is_nil(task.failure { status = "failed", error = 42, detail = null, message = true })
  end)

  it("reads the forms that occur", function()
    local forms = {
      { detail = { pending_info = { failure_reason = "content policy" } } },
      { detail = { draft_info = { reason_str = "content policy", url = null } } },
      { error = { code = "moderation_blocked", message = "content policy" }, progress = 0 },
      { error = "content policy" },
      { fail_reason = " content policy ", progress = "100%", data = null },
    }
    for _, form in ipairs(forms) do
      form.status = "error"
      assert.equal("content policy", task.failure(form))
    end
  end)

  it("takes the message of an envelope last, and not a polite one", function()
    local envelope = { code = "success", message = "success", data = { status = "FAILURE" } }
    assert.is_nil(task.failure(envelope))
    envelope.message = "content policy"
    assert.equal("content policy", task.failure(envelope))
    envelope.data.fail_reason = "too long"
    assert.equal("too long", task.failure(envelope))
  end)

  it("is read only when the status is failed", function()
    for _, status in ipairs { "completed", "pending", "cancelled", "never seen", "" } do
      assert.is_nil(task.failure {
        status = status, error = "left over", message = "left over",
        detail = { error_message = "left over", video_generation_error = "left over" },
      })
    end
  end)
end)

describe("task, the rest of an answer:", function()
  it("tells the time of the status in seconds", function()
    assert.equal(1759763651.908, task.updated_at { status_update_time = 1759763651908 })
    assert.equal(1759763651, task.updated_at { status_update_time = 1759763651 })
    assert.equal(1759763651.5, task.updated_at { status_update_time = "1759763651500" })
    assert.is_nil(task.updated_at { status_update_time = 0 })
    assert.is_nil(task.updated_at { status_update_time = null })
  end)

  it("tells the place in the queue", function()
    local info = { progress_pos_in_queue = 3, estimated_queue_wait_time = 42.5 }
    local position, seconds = task.queue { detail = { pending_info = info } }
    assert.equal(3, position)
    assert.equal(42.5, seconds)
    assert.is_nil((task.queue { detail = { pending_info = { progress_pos_in_queue = null } } }))
  end)
end)

describe("task.describe", function()
  it("is one line with id, status and what matters", function()
    local id = "sora-2:task_01k6x15vhrff09dkkqjrzwhm60"
    local info = { progress_pct = 0.9302178175176704, progress_pos_in_queue = 0 }
    assert.equal(id .. " pending 93 %",
      task.describe { id = id, status = "pending", detail = { pending_info = info } })
    info.progress_pos_in_queue = 3
    assert.equal(id .. " pending 93 %, 3 in the queue",
      task.describe { id = id, status = "pending", detail = { pending_info = info } })
    assert.equal(id .. " completed, video at cdn.example",
      task.describe { id = id, status = "completed", video_url = URL })
    assert.equal(id .. " completed, no video yet", task.describe { id = id, status = "completed" })
    assert.equal(id .. " error: content policy",
      task.describe { id = id, status = "error", error = "content policy" })
    assert.equal("x cancelled", task.describe { task_id = "x", status = "cancelled" })
    assert.equal("task running", task.describe {})
    assert.equal("x 29 %", (task.describe { id = "x", progress = "29%" }:gsub("running ", "")))
  end)

  it("holds no signature, no password and no control character", function()
    local line = task.describe {
      id = "x\27[31m\n\194\155", status = "fail\0ed",
      video_url = "https://user:pass@cdn.example/a.mp4?sig=SECRET",
    }
    assert.is_nil(line:find("%c"))
    assert.is_nil(line:find("\194\155"))
    local url = "https://u:SECRET@h.example?sig=SECRET"
    line = task.describe { id = "x", status = "done", url = url }
    assert.equal("x done, video at h.example", line)
    line = task.describe { id = "x", status = "failed",
      error = "cannot read https://u:SECRET@h/in.png?sig=SECRET#SECRET, sorry" }
    assert.equal("x failed: cannot read https://h/in.png sorry", line)
  end)

  it("is bounded and cuts between characters", function()
    local line = task.describe { id = "x", status = "failed", error = ("无"):rep(1e4) }
    assert.equal("x failed: " .. ("无"):rep(66) .. "...", line)
    assert.is_true(#task.describe { id = ("i"):rep(1e5), status = ("s"):rep(1e5) } < 200)
  end)
end)

describe("task functions", function()
  it("raise at the caller's level over anything but a table", function()
    local sora = require "sora"
    for _, name in ipairs { "status", "progress", "video_url", "failure" } do
      for _, value in ipairs { "id", 42, true, null } do
        local ok, message = pcall(function()
          local result = sora[name](value)
          return result
        end)
        assert.is_false(ok)
        assert.matches("task_spec.lua:%d+: bad argument #1 to '" .. name .. "' %(task", message)
      end
      assert.has_error(function() sora[name](nil) end)
    end
  end)
end)

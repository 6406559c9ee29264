-- Why a task has failed and what a service complains of: which text, which code is told.

local complaints = require "sora.answers.complaints"
local layers = require "sora.answers.layers"
local reasons = require "sora.answers.reasons"
local task = require "sora.answers.task"

local function read(value) return { reasons.read(value) } end

describe("a reason", function()
  it("is what a person wants to know", function()
    for _, row in ipairs {
      -- value, reason, code
      { " why ", "why" }, { "", nil }, { "  ", nil }, { "success", nil }, { "OK.", nil },
      { 42, nil }, { true, nil }, { {}, nil },
      { { message = "why" }, "why" }, { { msg = "why" }, "why" }, { { Message = "why" }, "why" },
      { { errorMessage = "why" }, "why" }, { { message_zh = "why", message = "" }, "why" },
      { { message = "why", code = "c" }, "why", "c" }, { { message = "why", code = "" }, "why" },
      { { message = "why", code = 7, type = "t" }, "why", 7 },
      { { Code = "c", Message = "why" }, "why", "c" },
      { { message = "", name = "n", code = "c", type = "t" }, "n", "c" },
      { { message = "", code = "c", type = "t" }, "c", "c" },
      { { code = 1001 }, "1001", 1001 }, { { type = "t" }, "t" }, { { message = "", type = "" } },
      { { error = { message = "why", code = "inner" }, code = "outer" }, "why", "inner" },
      { { message = { text = 1, message = "why" } }, "why" },
      { { "a", "b", "a" }, "a; b" },
      { { { message = "a", code = 1 }, { message = "b" } }, "a; b", 1 },
      { { "a", "b", "c", "d" }, "a; b; c" }, { { {}, "" }, nil },
    } do
      local got = read(row[1])
      assert.equal(row[2], got[1])
      assert.equal(row[3], got[2])
    end
  end)

  it("is that of JSON inside, as deep as it goes", function()
    for _, row in ipairs {
      { [[{"message":"why","code":"c"}]], "why", "c" },
      { [[400 - {"error":{"message":"why","code":"c"}}]], "why", "c" },
      { [=[[ERROR] {"error":"why"} (id 1)]=], "why" },
      { [[{"error":{"message":"{\"error\":{\"message\":\"why\",\"code\":\"c\"}}","code":"o"}}]],
        "why", "c" },
      { [=[["why"]]=], "why" },
      { [[{"code":"c"}]], "c", "c" },
      { [[{"a":1} then {"message":"why"}]], "why" },
      { [[Error code: 400 - {'error': {'message': "it's why", 'code': 'c'}}]], "it's why", "c" },
      { [[{'message': 'why', 'code': None}]], "why" },
      { [[{"error":{"message":"why","type":"cut o]], "why" },
    } do
      local got = read(row[1])
      assert.equal(row[2], got[1], row[1])
      assert.equal(row[3], got[2], row[1])
      assert.same(got, read { message = row[1] })
    end
  end)

  it("is the text where there is no JSON in it", function()
    for _, text in ipairs { "a {b} c", "[x] {", "{}", "{{{{", "}", "[]", "a \\ b", "{\"msg\":" } do
      assert.same({ text }, read(text))
    end
  end)

  it("is found in bounded time, whatever the text", function()
    local started = os.clock()
    for _, text in ipairs { ("{"):rep(1e5), ("[{"):rep(1e4), ("{\"message\":'"):rep(5000),
      ("{\"message\":\""):rep(5000), ("{'code':\""):rep(5000), ("}"):rep(1e5) } do
      read(text)
    end
    local deep = "why"
    for _ = 1, 10 do deep = '{"message":"' .. deep:gsub('[\\"]', "\\%0") .. '"}' end
    assert.same({ "why" }, read(deep))
    local nested = { message = "why" }
    for _ = 1, 100 do nested = { error = nested } end
    assert.same({ "why" }, read(nested))
    nested.error, nested.message, nested.data = nested, nested, { nested, nested }
    assert.same({}, read(nested))
    assert.is_true(os.clock() - started < 2)
  end)
end)

local REASON_PLACES = [[
  error error.message error.1 error.1.message fail_reason failReason failure_reason
  detail.failure_reason detail.pending_info.failure_reason detail.draft_info.reason_str
  error_message errorMessage error_msg detail.error_message detail.error_msg video_generation_error
  detail.video_generation_error detail.error errors.1 errors.1.message task_status_msg
  data.task_status_msg status_msg fail_msg failMsg failure_message failure_msg err_msg errmsg reason
  status_reason status_message error_detail error_details output.message output.error result.error
  metadata.error task_result.error base_resp.status_msg error_info detail.message metadata.url
  result_url detail detail.1.msg message msg message_zh failure info description data.fail_reason
  data.error.message data.data.error_msg]]

describe("task.failure", function()
  it("knows every place", function()
    for place in REASON_PLACES:gmatch("%S+") do
      local value = "why it failed"
      for key in place:reverse():gmatch("[^.]+") do
        local name = key:reverse()
        value = { [tonumber(name) or name] = value }
      end
      value.status = "failed"
      assert.equal("why it failed", task.failure(value), place)
    end
  end)

  it("does not take a URL for a reason where it may be one", function()
    assert.is_nil(task.failure { status = "failed", metadata = { url = "https://x/a.mp4" } })
    assert.is_nil(task.failure { status = "failed", result_url = "/v1/videos/x/content" })
  end)

  it("comes with the innermost code", function()
    local function code(fields)
      fields.status = "failed"
      return task.code(fields)
    end
    assert.equal("c", code { error = { message = "why", code = "c" } })
    assert.equal("c", code { error = '{"error":{"message":"why","code":"c"}}', error_code = "o" })
    assert.equal("E1", code { error_msg = "why", error_code = "E1" })
    assert.equal(7, code { error = { message = "why", code = 7 } })
    assert.equal("blocked", code { detail = { pending_info = {
      moderation_result = { code = "blocked" } } } })
    assert.is_nil(code { error = { message = "why", code = "" }, code = "success" })
    assert.is_nil(code { error = "why", code = 0, error_code = 0 })
  end)

  it("tells of moderation where that is all there is", function()
    for _, answer in ipairs {
      { status = "done", video = { respect_moderation = false, url = "" } },
      { status = "done", video = { respectModeration = false } },
      { status = "done", respect_moderation = false },
      { status = "done", videos = { { respect_moderation = false } } },
      { status = "completed", moderated = true }, { status = "completed", nsfw = true },
      { status = "completed", is_moderated = true }, { status = "completed", blocked = 1,
        moderation = { flagged = true } },
      { status = "completed", content_filtered = true },
      { status = "in_progress", progress = 100, video = { respect_moderation = false } },
      { status = "failed", video = { respect_moderation = false } },
      { status = "completed", response = { raiMediaFilteredCount = 1 } },
    } do
      assert.equal("failed", task.status(answer))
      assert.matches("^moderated: ", task.failure(answer))
    end
    for _, answer in ipairs {
      { status = "pending", respect_moderation = false }, { status = "queued", moderated = true },
      { status = "completed", moderated = false }, { status = "completed", nsfw = "false" },
      { status = "completed", response = { raiMediaFilteredCount = 0 } },
      { status = "completed", moderated = true, url = "https://x/a.mp4" },
    } do
      assert.are_not.equal("failed", task.status(answer))
      assert.is_nil(task.failure(answer))
    end
  end)
end)

describe("a complaint", function()
  local function find(answer) return complaints.find(answer, nil, layers.of(answer)) end

  it("is final where a repeat is for nothing", function()
    for _, code in ipairs { 400, 401, 403, 404, 422, "401", "task_not_exist", "TaskNotFound",
      "NO_SUCH_TASK", "invalid_api_key", "Unauthorized", "access_denied", "forbidden",
      "insufficient_user_quota", "fail_to_fetch_task", "unknown_task" } do
      local complaint = find { code = code, message = "boom" }
      assert.equal(code, complaint.code)
      assert.equal(code ~= "fail_to_fetch_task" or complaint.missing, complaint.final)
    end
    for _, code in ipairs { 1, 7, 408, 425, 429, 500, 502, 2001, "500", "busy", "rate_limited" } do
      assert.is_false(find({ code = code, message = "boom" }).final)
    end
  end)

  it("says that there is no such task, in many languages", function()
    for _, message in ipairs { "task not found", "Task does not exist", "The task doesn't exist",
      "No such task", "unknown task id", "Could not find the task", "record not found",
      "任务不存在", "任務不存在", "未找到任务", "找不到该任务", "没有找到任务", "查无此任务", "タスクが見つかりません",
      "タスクは存在しません", "작업을 찾을 수 없습니다", "존재하지 않는 작업", "задача не найдена",
      "Такой задачи не существует", "tarea no encontrada", "La tarea no existe",
      "tarefa não encontrada", "tâche introuvable", "La tâche n'existe pas",
      "Aufgabe nicht gefunden", "L'attività non esiste", "Taak niet gevonden",
      "Nhiệm vụ không tồn tại", "tugas tidak ditemukan", "Görev bulunamadı",
      "Nie znaleziono zadania", "المهمة غير موجودة", "ไม่พบงาน", "task_not_exist" } do
      local complaint = find { success = false, message = message }
      assert.is_true(complaint.missing, message)
      assert.is_true(complaint.final, message)
      assert.equal(message, complaint.message)
    end
    for _, message in ipairs { "busy", "the task exists", "系统繁忙", "found 3 errors" } do
      local complaint = find { success = false, message = message }
      assert.is_false(complaint.missing, message)
      assert.is_false(complaint.final, message)
    end
  end)

  it("is none where there is a task, or a word of success", function()
    for _, answer in ipairs {
      {}, { id = "x" }, { id = "x", message = "queued" }, { id = "x", detail = "queued" },
      { code = 7, data = { id = "x" } }, { code = 7, data = { task_id = 7 } },
      { code = 7, data = { video_url = "https://x/a.mp4" } }, { code = 7, message = "Success" },
      { code = 10000, data = { id = "x" } }, { code = 1, msg = "ok" }, { message = "queued" },
      { id = "x", success = true, code = 0 }, { id = "x", error = { message = "", code = "" } },
      { id = "x", error = { message = "success", code = 0 } }, { id = "x", error = false },
    } do
      assert.is_nil(find(answer))
    end
  end)

  it("is there in all its forms", function()
    for _, answer in ipairs {
      { error = "boom" }, { error = { message = "boom" } }, { errors = { "boom" } },
      { err = "boom" }, { Error = { Message = "boom" } }, { error_info = { message = "boom" } },
      { ResponseMetadata = { Error = { Message = "boom", Code = "c" } } },
      { Response = { Error = { Message = "boom" } } }, { fault = { message = "boom" } },
      { err_code = 5, err_msg = "boom" }, { errcode = 5, errmsg = "boom" },
      { error_code = 5, error_msg = "boom" }, { errno = 5, errmsg = "boom" },
      { base_resp = { status_code = 5, status_msg = "boom" } }, { ret = -1, msg = "boom" },
      { success = false, message = "boom" }, { status = false, msg = "boom" },
      { ok = false, message = "boom" }, { success = "false", message = "boom" },
      { status = 500, message = "boom" }, { status = "500", message = "boom" },
      { detail = "boom" }, { detail = { { msg = "boom" } } }, { error_message = "boom" },
      { error = true, message = "boom" }, { code = 5, title = "boom" },
      { success = false, error = { code = 5 }, message = "boom" },
      { id = "x", error = { message = "boom" } }, { success = false, data = { id = "x" },
        message = "boom" },
    } do
      local complaint = find(answer)
      assert.is_truthy(complaint)
      assert.is_truthy(complaint.message == "boom" or complaint.message == "5", complaint.message)
    end
  end)

  it("is that nothing is there", function()
    for _, answer in ipairs {
      { code = "success" }, { code = 0, message = "ok" }, { data = {} }, { code = 0, data = {} },
      { code = 200, data = { items = {}, total = 0 } }, { data = { list = {} } }, { items = {} },
    } do
      assert.equal("the answer holds no task", find(answer).message)
      assert.is_false(find(answer).final)
    end
  end)
end)

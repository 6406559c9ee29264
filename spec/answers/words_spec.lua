-- Which class each word for a status belongs to: the list that no word changes by accident.

local files = require "spec.support.files"
local words = require "sora.answers.words"

local CLASSES = {
  succeeded = [[
    completed complete success succeeded succeed finished finish done
    成功 已成功 完成 已完成 生成成功 生成完成 任务成功 任务完成 処理完了 完了 完成了 已生成
    성공 완료 완료됨 завершено завершен готово completado completada terminado concluído concluido
    terminé termine abgeschlossen fertig completato selesai tamamlandı]],
  failed = [[
    failed failure fail error rejected expired video_generation_failed video_upsampling_failed
    timeout timed_out blocked moderated content_moderated nsfw refused unsuccessful exception
    not_found not_exist aborted terminated deleted
    失败 失敗 生成失败 生成失敗 已失败 任务失败 错误 出错 异常 超时 已过期 审核不通过 审核未通过 违规
    エラー 실패 오류 ошибка неудача fallido fallida fallo falhou erro échoué échec fehlgeschlagen
    fehler fallito gagal başarısız]],
  cancelled = [[
    cancelled canceled 已取消 取消 任务取消 キャンセル 취소 취소됨 отменено отменен cancelado
    cancelada annulé abgebrochen annullato dibatalkan]],
  disputed = [[
    video_generation_completed video_upsampling_completed ready ok generated finalized
    partial_success completed_with_warnings]],
  running = [[
    pending queued queueing in_queue submitted not_start not_started created waiting preparing
    processing in_progress running generating image_downloading video_generating video_upsampling
    排队中 等待中 处理中 生成中 进行中 运行中 執行中 处理中]],
}

--- Words in no list.
local BY_END = {
  failed = [[
    generation_failed MEDIA_GENERATION_STATUS_FAILED image_download_failed videofailed
    upload_failure internal_error moderation_rejected GenerationFailed Generation-Failed
    video.failed 视频生成失败 動画生成失敗]],
  cancelled = "user_cancelled task_canceled 用户已取消",
  disputed = [[
    generation_completed MEDIA_GENERATION_STATUS_SUCCESSFUL task_succeeded TASK_STATUS_SUCCEED
    upload_success videoCompleted video.completed 视频生成成功 渲染完成]],
}

--- Words that only look like one of those.
local UNKNOWN = [[
  unfailed no_error not_failed not_completed non_completed insucceeded notsuccess
  not_successful not_succeeded incomplete failed_once errors completion 未完成 未成功 没有失败 尚未完成
  unknown whatever archived x _ 42nd]]

describe("a word for a status", function()
  for class, list in pairs(CLASSES) do
    it("is listed as " .. class .. ", in any case", function()
      for word in list:gmatch("%S+") do
        assert.equal(class, words.class(word), word)
        assert.equal(class, words.class((word:gsub("[a-z]", string.upper))), word)
        assert.equal(class, words.class((word:gsub("_", " "))), word)
        assert.equal(class, words.class((word:gsub("_", "-"))), word)
      end
    end)
  end

  it("is in the list of its class here where the module has it, and nowhere else", function()
    local text, here, there = files.read "lua/sora/answers/words.lua", {}, {}
    for class, list in text:gmatch "\n  (%l+) = %[%[(.-)%]%]" do
      for word in list:gmatch "%S+" do there[word] = class end
    end
    for class, list in pairs(CLASSES) do
      for word in list:gmatch "%S+" do here[word] = class end
    end
    assert.same(there, here)
  end)

  for class, list in pairs(BY_END) do
    it("in no list is " .. class .. " by its end", function()
      for word in list:gmatch("%S+") do assert.equal(class, words.class(word), word) end
    end)
  end

  it("that only looks like an end is unknown", function()
    for word in UNKNOWN:gmatch("%S+") do assert.is_nil(words.class(word), word) end
  end)

  it("means the same in a locale with other letters", function()
    for _, locale in ipairs { "tr_TR.UTF-8", "tr_TR", "de_DE.UTF-8" } do
      if os.setlocale(locale) then
        local classes = { words.class "FAILED", words.class "FINISHED", words.class "FAILURE" }
        os.setlocale "C"
        assert.same({ "failed", "succeeded", "failed" }, classes)
      end
    end
  end)

  it("may be that of an envelope", function()
    for _, word in ipairs { "ok", "OK", "success", "Success", "succeed", "successful" } do
      assert.is_true(words.is_of_envelope(word))
    end
    for _, word in ipairs { "completed", "done", "running", "成功" } do
      assert.is_false(words.is_of_envelope(word))
    end
  end)
end)

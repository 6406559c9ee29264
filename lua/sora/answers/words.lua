--- Words for a task's status. A new one is an entry in a list.

local text = require "sora.answers.text"

local M = {}

--- "disputed" words mean success only beside a video's URL. "running" ones need no entry, since a
-- word that nobody knows means the same; those that are here are believed even inside of an answer
-- that says "success" on its outside. Everything is written as `plain_form` makes it.
local CLASS = {}
for class, words in pairs {
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
} do
  for word in words:gmatch("%S+") do CLASS[word] = class end
end

--- How a word that is in no list is judged, by its end.
local ENDS = {
  { "failed", "failed" }, { "_failure", "failed" }, { "_error", "failed" },
  { "_rejected", "failed" }, { "_cancelled", "cancelled" }, { "_canceled", "cancelled" },
  { "_completed", "disputed" }, { "successful", "disputed" }, { "succeeded", "disputed" },
  { "_succeed", "disputed" }, { "_success", "disputed" },
  { "失败", "failed" }, { "失敗", "failed" }, { "已取消", "cancelled" },
  { "成功", "disputed" }, { "完成", "disputed" },
}

--- What turns the meaning of such an end: "unsuccessful", "not_completed".
local NEGATIONS = { "un", "in", "no_", "not_", "non_", "未", "不", "没有", "沒有", "尚未" }

local function ends_with(word, ending)
  return #word >= #ending and word:sub(-#ending) == ending
end

local function is_negated(before)
  for _, negation in ipairs(NEGATIONS) do
    if ends_with(before, negation) then return true end
  end
  return false
end

local function class_by_end(word)
  for _, row in ipairs(ENDS) do
    local ending, class = row[1], row[2]
    if ends_with(word, ending) then
      local bare = ending:gsub("^_", "") -- the "_" of "not_completed" belongs to "not_"
      return not is_negated(word:sub(1, -#bare - 1)) and class or nil
    end
  end
  return nil
end

--- "GenerationFailed", "Generation failed" and "generation.failed" as "generation_failed".
local function plain_form(word)
  word = word:gsub("([a-z])([A-Z])", "%1_%2")
  return (text.lower(word):gsub("[ \t.:/-]+", "_"))
end

--- What a word for a status means.
---@param word string  trimmed
---@return "succeeded"|"failed"|"cancelled"|"disputed"|"running"|nil class  nil: nobody knows it
function M.class(word)
  local form = plain_form(word)
  return CLASS[form] or class_by_end(form)
end

--- Words that an envelope has for "here is your answer", whatever that says.
local ENVELOPES = { ok = true, success = true, succeed = true, successful = true }

---@param word string
function M.is_of_envelope(word) return ENVELOPES[text.lower(word)] or false end

return M

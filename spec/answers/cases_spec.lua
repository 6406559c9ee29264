-- Answers of many relays, in fixtures/answers.jsonl, and what is made of them. For a new relay: a
-- row in a table of lua/sora/answers, and a line there.
--
-- Each line has `body`, `http` (default 200), `id` (that was asked for), and what is expected: of a
-- task its `status`, `url`, `progress`, `reason`, `id` and `code` (false: none) and `reason_has`, a
-- part of the reason, or `error`, a part of the message (false: nothing is said), with `code`,
-- `final` and `missing`.

local reading = require "sora.answers.reading"
local sora = require "sora"
local task = require "sora.answers.task"

local function or_false(value)
  if value == nil then return false end
  return value
end

local function check_complaint(expect, message, code, final, missing)
  if not expect.error then return assert.is_nil(message) end
  assert.is_truthy(message and message:find(expect.error, 1, true), message)
  if expect.code ~= nil then assert.equal(expect.code, code) end
  if expect.final ~= nil then assert.equal(expect.final, final) end
  if expect.missing ~= nil then assert.equal(expect.missing, missing) end
end

local READ = {
  status = task.status, url = task.video_url, progress = task.progress, id = task.id,
  code = task.code,
}

local function check_task(expect, read, said)
  assert.is_table(read, said)
  for name, fn in pairs(READ) do
    if expect[name] ~= nil then assert.equal(expect[name], or_false(fn(read)), name) end
  end
  local reason = task.failure(read) or said
  if expect.reason_has then
    assert.is_truthy(reason:find(expect.reason_has, 1, true), reason)
    if expect.reason then assert.is_truthy(reason:find(expect.reason, 1, true), reason) end
  elseif expect.reason ~= nil then
    assert.equal(expect.reason, or_false(reason))
  end
end

describe("an answer with", function()
  for line in io.lines "spec/support/fixtures/answers.jsonl" do
    local case = assert(sora.decode(line))
    it(case.name, function()
      for _, null in ipairs { false, sora.null, 7 } do -- what its nulls become
        local opts = { null = null or nil }
        local body = sora.decode(line, opts).body
        local read, said, code, final, missing =
          reading.read(body, case.http or 200, opts.null, case.id)
        if case.expect.error ~= nil then
          assert.is_nil(read)
          check_complaint(case.expect, said, code, final, missing)
        else
          check_task(case.expect, read, said)
        end
      end
    end)
  end
end)

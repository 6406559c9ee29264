-- sora.metrics: what is counted, in the text format of Prometheus.

local files = require "spec.support.files"
local metrics = require "sora.metrics"
local shell = require "spec.support.shell"
local unpacked = require "spec.support.unpacked"

local function attempt(fields)
  local info = {
    method = "GET", url = "https://Relay.example/v1/video/query", attempt = 1, status = 200,
    bytes = 100, reused = true, seconds = { queue = 0, total = 0.04 },
  }
  for name, value in pairs(fields or {}) do info[name] = value end
  return info
end

--- The value of a line, by what stands before it.
local function value(text, series)
  return text:match("\n" .. series:gsub("%p", "%%%0") .. " ([^\n]+)\n")
end

local GOOD = '{host="relay.example",kind="none"}'

describe("metrics", function()
  it("count attempts by host and kind", function()
    local mine = metrics.new()
    mine.observe(attempt())
    mine.observe(attempt { reused = false, bytes = 7 })
    mine.observe(attempt { kind = "http", status = 503, next_in = 2 })
    mine.observe(attempt { url = "http://127.0.0.1:80/a" })
    local text = mine.text()
    assert.equal("2", value(text, "sora_attempts_total" .. GOOD))
    assert.equal("107", value(text, "sora_answer_bytes_total" .. GOOD))
    assert.equal("1", value(text, "sora_connections_total" .. GOOD))
    assert.equal("0", value(text, "sora_retries_total" .. GOOD))
    assert.equal("1", value(text, 'sora_retries_total{host="relay.example",kind="http"}'))
    assert.equal("1", value(text, 'sora_attempts_total{host="127.0.0.1:80",kind="none"}'))
  end)

  it("sum up their times in buckets", function()
    local mine = metrics.new()
    for _, seconds in ipairs { 0.01, 0.04, 0.04, 3, 100 } do
      mine.observe(attempt { seconds = { queue = 0.5, total = seconds } })
    end
    local text = mine.text()
    local function bucket(name, bound)
      return value(text, ('sora_%s_seconds_bucket{host="relay.example",kind="none",le="%s"}')
        :format(name, bound))
    end
    assert.same({ "1", "1", "3", "3", "4", "4", "5" }, {
      bucket("attempt", "0.01"), bucket("attempt", "0.025"), bucket("attempt", "0.05"),
      bucket("attempt", "2.5"), bucket("attempt", "5"), bucket("attempt", "60"),
      bucket("attempt", "+Inf"),
    })
    assert.equal("103.09", value(text, "sora_attempt_seconds_sum" .. GOOD))
    assert.equal("5", value(text, "sora_attempt_seconds_count" .. GOOD))
    assert.same({ "0", "5" }, { bucket("queue", "0.25"), bucket("queue", "0.5") })
  end)

  it("are kept where nginx's workers share them", function()
    local numbers = {}
    local dictionary = {
      incr = function(_, key, by, init) numbers[key] = (numbers[key] or init) + by end,
      get_keys = function(_, most)
        assert.equal(0, most)
        local keys = {}
        for key in pairs(numbers) do keys[#keys + 1] = key end
        return keys
      end,
      get = function(_, key) return numbers[key] end,
    }
    metrics.new(dictionary).observe(attempt())
    local other = metrics.new(dictionary)
    other.observe(attempt())
    assert.equal("2", value(other.text(), "sora_attempts_total" .. GOOD))
  end)

  it("have no label of more than a host and a kind, and none that breaks a line", function()
    local mine = metrics.new()
    mine.observe(attempt { url = 'https://a"b\\c\n/x', id = "sora-2:task_1" })
    local none = attempt()
    none.url = nil
    mine.observe(none)
    local text = mine.text()
    assert.equal("1", value(text, [[sora_attempts_total{host="a\"b\\c\n",kind="none"}]]))
    assert.equal("1", value(text, 'sora_attempts_total{host="unknown",kind="none"}'))
    assert.is_nil(text:find("task_1", 1, true))
  end)

  it("are what Prometheus' own checker wants", function()
    local promtool = unpacked.command("prometheus", "promtool")
    if not promtool then return pending "there is no promtool" end
    local mine, path = metrics.new(), os.tmpname()
    for _, text in ipairs { mine.text(), (function()
      mine.observe(attempt())
      mine.observe(attempt { kind = "timeout", seconds = { queue = 1 / 3, total = 30.0001 } })
      return mine.text()
    end)() } do
      files.write(path, text)
      assert.equal("0", shell.output_of(promtool .. " check metrics <" .. path .. " 2>&1; echo $?"))
    end
    os.remove(path)
  end)
end)

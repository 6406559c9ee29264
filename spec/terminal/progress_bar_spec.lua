-- Progress bars: for one task, many, a download; on terminals of all kinds, and on none.

local display = require "sora.terminal.display"
local progress_bar = require "sora.terminal.progress_bar"
local screen_of = require("spec.support.terminal").lines

local ID = "sora-2:task_01k6x15vhrff09dkkqjrzwhm60"

--- A stream that remembers, a clock that stands still, and a bar above both. With `columns` the
-- stream is a terminal.
local function make(columns, opts)
  local seen = { text = "", now = 1000 }
  local stream = {
    write = function(_, ...)
      for _, part in ipairs { ... } do seen.text = seen.text .. part end
      return true
    end,
    flush = function() return true end,
  }
  opts = opts or {}
  opts.stream, opts.terminal, opts.width = stream, columns ~= nil, columns
  local new = progress_bar.bind {
    now = function() return seen.now end,
    terminal = function() error("not asked for other streams") end,
  }
  return new(opts), seen
end

local function pending(percent, id)
  return { id = id or ID, status = "pending", progress = percent }
end

--- Runs fn with an environment of these variables.
local function with_environment(variables, fn)
  local getenv = os.getenv
  os.getenv = function(name)  -- luacheck: ignore 122
    return variables[name]
  end
  local ok, err = pcall(fn)
  os.getenv = getenv          -- luacheck: ignore 122
  if not ok then error(err, 0) end
end

describe("a progress bar for one task", function()
  it("redraws one line and ends it with the task", function()
    with_environment({}, function()
      local bar, seen = make(100)
      bar.on_update(pending(), { elapsed = 0 })
      bar.on_update(pending(50), { elapsed = 40, eta = 45 })
      assert.same({ ID .. "  pending  [############------------]   50 %  0:40, 0:45 left" },
        screen_of(seen.text))
      bar.on_update({ id = ID, status = "completed" }, { elapsed = 80 })
      assert.same({
        ID .. "  completed  [##############################]  100 %  1:20", "",
      }, screen_of(seen.text))
    end)
  end)

  it("cuts the id at its start, then leaves out the bar, the status and the times", function()
    with_environment({}, function()
      for columns, line in pairs {
        [80] = "...sk_01k6x15vhrff09dkkqjrzwhm60  pending  [#####-----]   50 %  0:40, 0:45 left",
        [60] = "...6x15vhrff09dkkqjrzwhm60  pending   50 %  0:40, 0:45 left",
        [40] = "...dkkqjrzwhm60   50 %  0:40, 0:45 left",
        [24] = "...9dkkqjrzwhm60   50 %",
        [8] = "",
      } do
        local bar, seen = make(columns)
        bar.on_update(pending(50), { elapsed = 40, eta = 45 })
        local shown = screen_of(seen.text)
        assert.equal(1, #shown)
        assert.is_true(display.width(shown[1]) < columns)
        if line ~= "" then assert.equal(line, shown[1]) end
      end
    end)
  end)

  it("never writes in the last column, whatever the label", function()
    with_environment({ LANG = "C.UTF-8" }, function()
      for _, label in ipairs { "视频生成任务", "a", ("x"):rep(200), "é视" } do
        for columns = 2, 120 do
          local bar, seen = make(columns, { label = label })
          bar.on_update(pending("93%"), { elapsed = 4000, eta = 45 })
          bar.on_progress(1e6, 3e7)
          for _, line in ipairs(screen_of(seen.text)) do
            assert.is_true(display.width(line) < columns, line)
          end
        end
      end
    end)
  end)

  it("leaves nothing of a longer line behind", function()
    with_environment({}, function()
      local bar, seen = make(100)
      bar.on_update({ id = ID, status = "a_very_long_word" }, { elapsed = 1 })
      bar.on_update({ id = ID, status = "short" }, { elapsed = 2 })
      assert.same({ ID .. "  short  0:02" }, screen_of(seen.text))
    end)
  end)

  it("ends the line of a failure without a bar of its own", function()
    local bar, seen = make(100)
    bar.on_update(pending(50), { elapsed = 40 })
    bar.on_update({ id = ID, status = "failed" }, { elapsed = 41 })
    assert.equal("", screen_of(seen.text)[2])
    assert.matches("failed", screen_of(seen.text)[1])
  end)

  it("ends the line on finish and with on_result, once", function()
    for _, ending in ipairs { "finish", "on_result" } do
      local bar, seen = make(100)
      bar.finish()
      assert.equal("", seen.text)
      bar.on_update(pending(50), { elapsed = 40 })
      bar[ending](ID, nil, "error")
      bar.finish()
      assert.equal(2, #screen_of(seen.text))
      assert.equal("", screen_of(seen.text)[2])
    end
  end)

  it("prints above its line", function()
    with_environment({}, function()
      local bar, seen = make(100)
      bar.on_update(pending(), { elapsed = 1 })
      bar.print("connection reset")
      assert.same({ "connection reset", ID .. "  pending  0:01" }, screen_of(seen.text))
      bar.finish()
      bar.print("bye")
      assert.same({ "connection reset", ID .. "  pending  0:01", "bye", "" }, screen_of(seen.text))
    end)
  end)

  it("is one line for all tasks, and measures the time where it is not told", function()
    with_environment({}, function()
      local bar, seen = make(100)
      bar.on_update(pending(nil, "a"))
      for _ = 1, 50 do
        seen.now = seen.now + 0.1
        bar.on_update { id = "a", status = "queued" }
        seen.now = seen.now + 0.1
        bar.on_update(pending(nil, "b"))
      end
      assert.same({ "b  pending  0:10" }, screen_of(seen.text))
      bar.on_update { id = "a", status = "failed" }
      bar.on_result("a", nil, "error")
      bar.on_update(pending(nil, "b"))
      assert.same({ "a  failed  0:10", "b  pending  0:10" }, screen_of(seen.text))
      bar.on_result("c", nil, "error")
      assert.same(2, #screen_of(seen.text))
    end)
  end)

  it("writes a plain line for a change of a task, whatever others do meanwhile", function()
    local bar, seen = make(nil)
    for percent = 0, 29 do
      bar.on_update(pending(percent, "a"), { elapsed = 1 })
      bar.on_update(pending(percent, "b"), { elapsed = 1 })
    end
    assert.equal(6, select(2, seen.text:gsub("\n", "")))
  end)

  it("says how many columns it can write in", function()
    assert.equal(39, make(40).columns())
    assert.is_nil(make(nil).columns())
  end)

  it("survives tasks without anything and never asks to stop", function()
    local bar = make(100)
    assert.is_nil(bar.on_update({}, {}))
    assert.is_nil(bar.on_update({ id = {}, status = 1, progress = "x" }, {}))
    assert.is_nil(bar.on_progress(1, 2))
    assert.is_nil(bar.on_result("x", nil, "error"))
  end)

  it("writes no control characters of a service", function()
    local bar, seen = make(100)
    bar.on_update({ id = "x\27[2J", status = "a\7b\n" }, { elapsed = 1 })
    assert.is_nil(seen.text:gsub("^\r", ""):find("%c"))
  end)
end)

describe("a progress bar's colours", function()
  local function colours(environment, terminal)
    local text
    with_environment(environment, function()
      local bar, seen = make(terminal ~= false and 100 or nil)
      bar.on_update({ id = ID, status = "completed" }, { elapsed = 1 })
      text = seen.text
    end)
    return text:find("\27[32mcompleted\27[0m", 1, true) ~= nil, text:find("\27", 1, true) ~= nil
  end

  it("are there on a terminal", function()
    assert.is_true(colours {})
    assert.is_true(colours { NO_COLOR = "", TERM = "xterm" })
  end)

  it("are absent under NO_COLOR, TERM=dumb and elsewhere", function()
    assert.is_false((select(2, colours { NO_COLOR = "1" })))
    assert.is_false((select(2, colours { TERM = "dumb" })))
    assert.is_false((select(2, colours({}, false))))
  end)
end)

describe("a progress bar's characters", function()
  it("are Unicode only where the locale says UTF-8", function()
    for _, case in ipairs {
      { { LANG = "de_DE.UTF-8" }, true }, { { LC_ALL = "C", LANG = "de_DE.UTF-8" }, false },
      { { LC_ALL = "", LC_CTYPE = "en_US.utf8" }, true }, { { LANG = "de_DE" }, false },
      { {}, false },
    } do
      with_environment(case[1], function()
        local bar, seen = make(100)
        bar.on_update(pending(50), { elapsed = 1 })
        assert.equal(case[2], seen.text:find("█", 1, true) ~= nil)
        assert.equal(not case[2], seen.text:find("#", 1, true) ~= nil)
      end)
    end
  end)
end)

describe("a progress bar's width", function()
  local function longest(environment, columns, opts)
    local length
    with_environment(environment, function()
      local new = progress_bar.bind {
        now = os.time,
        terminal = function(fd)
          assert.equal(1, fd)
          return columns
        end,
      }
      local text, stdout = "", io.stdout
      local stream = { write = function(_, ...) text = text .. table.concat { ... } end,
        flush = function() end }
      io.stdout, opts.stream = stream, stream  -- luacheck: ignore 122
      local ok, err = pcall(function()
        new(opts).on_update({ id = ("x"):rep(300), status = "queued" }, { elapsed = 1 })
      end)
      io.stdout = stdout                       -- luacheck: ignore 122
      assert(ok, err)
      length = #text:gsub("^\r", ""):gsub("\n", "")
    end)
    return length
  end

  it("is the terminal's, $COLUMNS or the option, in rising order", function()
    assert.equal(49, longest({}, 50, {}))
    assert.equal(59, longest({ COLUMNS = "60" }, 50, {}))
    assert.equal(69, longest({ COLUMNS = "60" }, 50, { width = 70 }))
    assert.equal(49, longest({ COLUMNS = "0" }, 50, {}))
    assert.equal(79, longest({}, nil, { terminal = true }))
  end)

  it("does not matter where the stream is no terminal", function()
    assert.equal(#(("x"):rep(80) .. "... queued (0:01)"), longest({ COLUMNS = "20" }, nil, {}))
  end)
end)

describe("a progress bar for many tasks", function()
  it("sums them up on one line", function()
    with_environment({}, function()
      local bar, seen = make(100, { tasks = 4 })
      bar.on_update(pending(50), { elapsed = 10 })
      seen.now = seen.now + 10
      bar.on_result("a", {}, nil)
      seen.now = seen.now + 10
      bar.on_result("b", nil, "error")
      assert.same({
        "1/4 done, 1 failed, 2 running  [###############---------------]   50 %"
          .. "  0:20, 0:20 left",
      }, screen_of(seen.text))
      seen.now = seen.now + 10
      bar.on_result("c", {}, nil)
      bar.on_result("d", {}, nil)
      bar.on_update(pending(50), { elapsed = 10 })
      bar.finish()
      assert.same({
        "3/4 done, 1 failed, 0 running  [##############################]  100 %  0:30", "",
      }, screen_of(seen.text))
    end)
  end)

  it("fits into 40 columns", function()
    with_environment({}, function()
      local bar, seen = make(40, { tasks = 10000 })
      for _ = 1, 1234 do bar.on_result("a", {}, nil) end
      seen.now = seen.now + 100
      bar.on_result("b", nil, "error")
      assert.same({ "1234/10000, 1 failed   12 %" }, screen_of(seen.text))
    end)
  end)

  it("redraws ten times a second at most", function()
    local bar, seen = make(100, { tasks = 10000 })
    for i = 1, 10000 do
      seen.now = 1000 + i / 10000
      bar.on_result(i, {}, nil)
    end
    local _, drawn = seen.text:gsub("\r", "")
    assert.is_true(drawn <= 25, drawn)
  end)

  it("writes a plain line for each tenth", function()
    local bar, seen = make(nil, { tasks = 1000, label = "cats:" })
    for i = 1, 1000 do bar.on_result(i, {}, i % 100 == 0 and "error" or nil) end
    local _, lines = seen.text:gsub("\n", "")
    assert.equal(11, lines)
    assert.matches("cats: 990/1000 done, 10 failed, 0 running 100 %% %(0:00%)\n$", seen.text)
    assert.is_nil(seen.text:find("\r"))
  end)
end)

describe("a progress bar for a transfer", function()
  it("shows size, rate and time left", function()
    with_environment({}, function()
      local bar, seen = make(100, { label = "cat.mp4" })
      bar.on_progress(0, 10485760)
      seen.now = seen.now + 2
      bar.on_progress(2097152, 10485760)
      assert.same({
        "cat.mp4  2.0 MiB of 10.0 MiB, 1.0 MiB/s  [######------------------------]   20 %"
          .. "  0:02, 0:08 left",
      }, screen_of(seen.text))
      seen.now = seen.now + 2
      bar.on_progress(10485760, 10485760)
      assert.same({
        "cat.mp4  10.0 MiB, 2.5 MiB/s  [##############################]  100 %  0:04", "",
      }, screen_of(seen.text))
    end)
  end)

  it("measures what came now, not what was there before, nor after a new start", function()
    with_environment({}, function()
      local bar, seen = make(100)
      bar.on_progress(8 * 1048576, 10 * 1048576)
      seen.now = seen.now + 1
      bar.on_progress(9 * 1048576, 10 * 1048576)
      assert.matches("1%.0 MiB/s", screen_of(seen.text)[1])
      bar.on_progress(0, 10 * 1048576)
      seen.now = seen.now + 1
      bar.on_progress(2 * 1048576, 10 * 1048576)
      assert.matches("2%.0 MiB/s", screen_of(seen.text)[1])
    end)
  end)

  it("does without a total, and with one of 0", function()
    local bar, seen = make(nil)
    for i = 0, 1000 do bar.on_progress(i * 1024) end
    local _, lines = seen.text:gsub("\n", "")
    assert.is_true(lines <= 12, lines)
    bar, seen = make(100)
    bar.on_progress(0, 0)
    assert.matches("100 %%", screen_of(seen.text)[1])
    assert.equal("", screen_of(seen.text)[2])
  end)
end)

describe("a progress bar without a terminal", function()
  it("writes a line when the status changes or a tenth is done, and only text", function()
    local bar, seen = make(nil)
    for _ = 1, 3 do bar.on_update(pending(), { elapsed = 0 }) end
    for percent = 0, 29 do bar.on_update(pending(percent), { elapsed = percent, eta = 60 }) end
    bar.on_update({ id = ID, status = "completed" }, { elapsed = 80 })
    bar.finish()
    assert.equal(table.concat({
      ID .. " pending (0:00)", ID .. " pending 0 % (0:00, 1:00 left)",
      ID .. " pending 10 % (0:10, 1:00 left)", ID .. " pending 20 % (0:20, 1:00 left)",
      ID .. " completed 100 % (1:20)", "",
    }, "\n"), seen.text)
  end)
end)

describe("a progress bar that is quiet", function()
  it("writes nothing but what the caller prints", function()
    local bar, seen = make(100, { quiet = true })
    bar.on_update(pending(50), { elapsed = 40 })
    bar.on_progress(1, 2)
    bar.on_result(ID, nil, "error")
    bar.finish()
    assert.equal("", seen.text)
    bar.print("error")
    assert.equal("error\n", seen.text)
  end)
end)

describe("a progress bar's options", function()
  it("are checked at the caller's level", function()
    for option, value in pairs { quite = true, quiet = 1, width = "40", tasks = {}, label = 1 } do
      local ok, err = pcall(function()
        local bar = progress_bar.bind { now = os.time, terminal = function() end } {
          [option] = value,
        }
        return bar
      end)
      assert.is_false(ok)
      assert.matches("progress_bar_spec.lua:%d+: .*option '" .. option .. "'", err)
    end
  end)

  it("are a table", function()
    local ok, err = pcall(function()
      local bar = progress_bar.bind { now = os.time, terminal = function() end } (5)
      return bar
    end)
    assert.is_false(ok)
    assert.matches("progress_bar_spec.lua:%d+: options must be a table, not a number", err)
  end)

  it("may be left out", function()
    local bar = progress_bar.bind { now = os.time, terminal = function() end } ()
    assert.is_function(bar.on_update)
  end)
end)

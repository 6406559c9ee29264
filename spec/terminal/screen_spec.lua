-- What is drawn on a terminal in place, and what is printed in other streams: screen.lua.

local screens = require "sora.terminal.screen"

local function make(opts)
  local seen = { text = "", now = 1000, columns = 20 }
  local stream = {
    write = function(_, ...) seen.text = seen.text .. table.concat { ... } end,
    flush = function() seen.flushed = #seen.text end,
  }
  opts = opts or {}
  opts.stream = stream
  local screen = screens.new(opts, {
    now = function() return seen.now end,
    terminal = function() return seen.columns end,
  })
  return screen, seen
end

describe("screen", function()
  it("takes no unknown stream for a terminal unless told", function()
    assert.is_false(make().terminal)
    assert.is_true(make({ terminal = true }).terminal)
  end)

  it("asks the terminal for its columns each time, for they change", function()
    local columns = 100
    local screen = screens.new({ width = nil }, {
      now = os.time,
      terminal = function(fd)
        assert.equal(2, fd)
        return columns
      end,
    })
    assert.is_true(screen.terminal)
    if not os.getenv("COLUMNS") then
      assert.equal(99, screen:width())
      columns = 40
      assert.equal(39, screen:width())
    end
  end)

  it("redraws in place, wipes what is left of a longer line, and goes back behind the text",
    function()
      local screen, seen = make { terminal = true, width = 20 }
      screen:draw("longer")
      assert.equal("\rlonger", seen.text)
      screen:draw("long")
      assert.equal("\rlonger\rlong  \b\b", seen.text)
      assert.equal(#seen.text, seen.flushed)
    end)

  it("cuts what is too long", function()
    local screen, seen = make { terminal = true, width = 11 }
    screen:draw(("x"):rep(11))
    assert.equal(10, #seen.text:gsub("…", "."):gsub("^\r", ""))
  end)

  it("wipes no more than fits when the terminal has shrunk", function()
    local screen, seen = make { terminal = true, width = 40 }
    screen:draw(("x"):rep(39))
    screen.fixed, seen.text = 11, ""
    screen:draw("y")
    assert.equal("\ry" .. (" "):rep(9) .. ("\b"):rep(9), seen.text)
  end)

  it("ends an open line once", function()
    local screen, seen = make { terminal = true, width = 20 }
    screen:close()
    screen:draw("x")
    screen:close()
    screen:close()
    assert.equal("\rx\n", seen.text)
  end)

  it("prints above an open line and draws it again", function()
    local screen, seen = make { terminal = true, width = 20 }
    screen:draw("bar")
    seen.text = ""
    screen:print("text")
    assert.equal("\r   \rtext\nbar", seen.text)
  end)

  it("prints to another stream that is the same terminal, in the same order", function()
    local screen, seen = make { terminal = true, width = 20 }
    screen:draw("bar")
    seen.text = ""
    screen:print("text", { write = function(_, ...) screen.stream:write(...) end,
      flush = function() end })
    assert.equal("\r   \rtext\nbar", seen.text)
  end)

  it("is due when a subject's key is new, on a terminal also after a while", function()
    local screen, seen = make { terminal = true }
    assert.is_true(screen:is_due("x", "a"))
    screen:draw("a")
    assert.is_false(screen:is_due("x", "a"))
    assert.is_true(screen:is_due("x", "b"))
    seen.now = seen.now + 0.2
    assert.is_true(screen:is_due("x", "b"))
    screen, seen = make { terminal = false }
    assert.is_true(screen:is_due("x", "a"))
    assert.is_true(screen:is_due("y", "a"))
    seen.now = seen.now + 100
    assert.is_false(screen:is_due("x", "a"))
  end)
end)

-- Texts in columns of a terminal: their width, how they are cut, durations, sizes, bars.

local display = require "sora.terminal.display"

describe("display.width", function()
  it("counts columns, not bytes", function()
    for text, width in pairs {
      [""] = 0, ["task_01"] = 7, ["é"] = 1, ["视频"] = 4, ["ア"] = 2, ["한국"] = 4, ["🎬"] = 2,
      ["e\204\129"] = 1, ["█▏…"] = 3, ["a视b"] = 4, ["𠀀"] = 2,
    } do
      assert.equal(width, display.width(text), text)
    end
  end)

  it("survives what is no UTF-8", function()
    assert.is_number(display.width("\255\254a\128\128"))
    assert.is_number(display.width("\228\184"))
  end)
end)

describe("display.cut", function()
  it("leaves alone what fits", function()
    assert.equal("视频", display.cut("视频", 4, "..."))
    assert.equal("", display.cut("", 0, "..."))
  end)

  it("cuts the end or the start, never through a character", function()
    assert.equal("abc...", display.cut("abcdefghij", 6, "..."))
    assert.equal("...hij", display.cut("abcdefghij", 6, "...", true))
    assert.equal("视…", display.cut("视频视频", 4, "…"))
    assert.equal("…频", display.cut("视频视频", 4, "…", true))
    assert.equal("…", display.cut("视频", 2, "…"))
  end)

  it("never exceeds its columns", function()
    for _, text in ipairs { "abcdefghij", "视频视频", "a视b频", "e\204\129e\204\129e\204\129" } do
      for columns = 0, 12 do
        for _, ellipsis in ipairs { "…", "..." } do
          for _, keep_end in ipairs { true, false } do
            local cut = display.cut(text, columns, ellipsis, keep_end)
            assert.is_true(display.width(cut) <= columns, cut)
          end
        end
      end
    end
  end)
end)

describe("display.duration", function()
  it("is minutes and seconds, with hours where there are some", function()
    for seconds, text in pairs {
      [0] = "0:00", [0.4] = "0:00", [45] = "0:45", [59.6] = "1:00", [80] = "1:20",
      [3600] = "1:00:00", [3723.2] = "1:02:03", [-1] = "0:00", [720000] = "200 h",
      [1e300] = "1000000 h",
    } do
      assert.equal(text, display.duration(seconds))
    end
  end)
end)

describe("display.size", function()
  it("takes the unit that leaves less than four digits", function()
    for bytes, text in pairs {
      [0] = "0 B", [999] = "999 B", [1000] = "1.0 KiB", [1536] = "1.5 KiB",
      [47815066] = "45.6 MiB", [5e9] = "4.7 GiB",
    } do
      assert.equal(text, display.size(bytes))
    end
  end)
end)

describe("display.bar", function()
  it("is as wide as asked for, whatever the fraction", function()
    for i = 0, 200 do
      for _, unicode in ipairs { true, false } do
        assert.equal(20, display.width(display.bar(i / 200, 20, unicode)))
      end
    end
  end)

  it("is filled by the fraction", function()
    assert.equal("[--------]", display.bar(0, 10, false))
    assert.equal("[####----]", display.bar(0.5, 10, false))
    assert.equal("[########]", display.bar(1, 10, false))
    assert.equal("▕██▌ ▏", display.bar(0.625, 6, true))
    assert.equal("▕███▉▏", display.bar(0.99, 6, true))
    assert.equal("▕████▏", display.bar(1, 6, true))
  end)
end)

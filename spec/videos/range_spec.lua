-- The rules of a part and of an answer, without a network: transfer/range.c, content.c, address.c.

local parts = require("spec.support.helpers").load "parts"

local NONE, TAG, DATE, ALL = 0, 1, 2, 3 -- doubts
local STRETCH = 4096
local ETAG, WEAK = '"a"', 'W/"a"'
local MODIFIED = "Mon, 06 Oct 2025 15:14:11 GMT"

describe("Content-Range", function()
  for _, case in ipairs {
    { "bytes 0-0/1", 0, 0, 1 }, { "bytes 5-9/10", 5, 9, 10 }, { "Bytes 5-9/*", 5, 9, -1 },
    { "bytes */10", -1, -1, 10 }, { "bytes 0-9007199254740991/9007199254740992", 0,
      9007199254740991, 9007199254740992 },
  } do
    it("is read: " .. case[1], function()
      assert.same({ case[2], case[3], case[4] }, { parts.parse(case[1]) })
    end)
  end

  for _, text in ipairs {
    "", "bytes", "bytes ", "bytes 5-9", "bytes 9-5/10", "bytes 5-10/10", "bytes -5/10", "bytes */*",
    "bytes 5-9/10 ", "bytes 5-9/10,", "bytes=5-9/10", "seconds 5-9/10", "bytes 5-9/-1",
    "bytes 99999999999999999999-99999999999999999999/*", "bytes 0x5-9/10", "bytes 5 - 9/10",
  } do
    it("is none: '" .. text .. "'", function() assert.is_nil((parts.parse(text))) end)
  end
end)

describe("what is asked for", function()
  local function check(expected, if_range, known, bytes, own, doubt)
    assert.same({ expected, if_range }, { parts.ask(known, bytes, own, doubt) })
  end

  it("is the rest, where this download has written the part under a strong validator", function()
    check(9000, ETAG, { etag = ETAG, total = 10000 }, 9000, true)
    check(9000, MODIFIED, { modified = MODIFIED, strong_date = 1, total = 10000 }, 9000, true)
    check(9000, MODIFIED, { etag = WEAK, modified = MODIFIED, strong_date = 1 }, 9000, true)
  end)

  it("begins a stretch before that for any other part", function()
    check(9000 - STRETCH, ETAG, { etag = ETAG }, 9000, false)
    check(9000 - STRETCH, nil, { etag = WEAK, total = 10000 }, 9000, true)
    check(9000 - STRETCH, MODIFIED, { modified = MODIFIED, total = 10000 }, 9000, true)
    check(9000 - STRETCH, nil, { total = 10000 }, 9000, true)
  end)

  it("begins an eighth before the end of a small part", function()
    check(3500, nil, { total = 10000 }, 4000, true)
    check(7, nil, { total = 10000 }, 8, true)
    check(0, nil, { total = 10000 }, 7, true)
  end)

  it("is all, where nothing could prove the rest", function()
    check(0, nil, {}, 9000, true)
    check(0, nil, { etag = WEAK }, 9000, true)
    check(0, nil, { etag = WEAK, modified = MODIFIED }, 9000, true)
    check(0, nil, { total = 10000 }, 1, true)
    check(0, nil, { etag = ETAG, total = 8999 }, 9000, true)
    check(0, nil, { etag = ETAG, total = 10000 }, 0, true)
  end)

  it("falls back from the tag to the date, to the stretch, to all", function()
    local known = { etag = ETAG, modified = MODIFIED, strong_date = 1, total = 10000 }
    check(9000, ETAG, known, 9000, true, NONE)
    check(9000, MODIFIED, known, 9000, true, TAG)
    check(9000 - STRETCH, nil, known, 9000, true, DATE)
    check(0, nil, known, 9000, true, ALL)
  end)
end)

describe("an answer", function()
  local KNOWN = { etag = ETAG, modified = MODIFIED, strong_date = 1, total = 10000 }
  local SIZED = { total = 10000 } -- neither tag nor date

  local function judge(known, own, doubt, answer)
    return { parts.judge(known, 9000, own, doubt, answer) }
  end
  local function verdict(known, own, doubt, answer)
    local outcome = judge(known, own, doubt, answer)
    return outcome[1], outcome[2]
  end

  it("of the rest is taken under the validator that was asked with", function()
    assert.same({ "take", NONE, 9000, 10000, 10000 }, judge(KNOWN, true, NONE,
      { status = 206, range = "bytes 9000-9999/10000", length = 1000, etag = ETAG }))
    assert.equal("take", (verdict(KNOWN, true, TAG,
      { status = 206, range = "bytes 9000-9999/10000", modified = MODIFIED })))
    assert.equal("take", (verdict(KNOWN, true, NONE,
      { status = 206, range = "bytes 9000-9499/10000", etag = ETAG }))) -- less than was asked for
  end)

  it("without a validator proves nothing: the last stretch has to", function()
    assert.same({ "again", DATE }, { verdict(KNOWN, true, NONE,
      { status = 206, range = "bytes 9000-9999/10000" }) })
    assert.equal("take", (verdict(KNOWN, true, DATE,
      { status = 206, range = "bytes 4904-9999/10000" })))
    assert.equal("take", (verdict(SIZED, false, NONE,
      { status = 206, range = "bytes 4904-9999/10000" })))
  end)

  it("that is of another video is asked for again, from the start", function()
    for _, answer in ipairs {
      { range = "bytes 9000-9999/10000", etag = '"b"' },
      { range = "bytes 9000-9999/10000", modified = "Tue, 07 Oct 2025 15:14:11 GMT" },
      { range = "bytes 9000-9999/10001", etag = ETAG },
      { range = "bytes 8999-9999/10000", etag = ETAG },
      { range = "bytes 0-9999/10000", etag = ETAG },
      { range = "bytes 9000-9999/10000", etag = ETAG, length = 999 },
      { range = "bytes 9000-9999/10000", etag = ETAG, encoded = 1 },
      { range = "", etag = ETAG },
    } do
      answer.status = 206
      assert.same({ "again", ALL }, { verdict(KNOWN, true, NONE, answer) })
    end
    assert.same({ "again", ALL }, { verdict(SIZED, false, NONE,
      { status = 206, range = "bytes 4904-9999/10001" }) })
    assert.same({ "again", ALL }, { verdict(SIZED, false, NONE,
      { status = 206, range = "bytes 4904-9999/*" }) })
  end)

  it("of 200 with the slice is a slice; one that tells all is all", function()
    assert.same({ "take", NONE, 9000, 10000, 10000 }, judge(KNOWN, true, NONE,
      { range = "bytes 9000-9999/10000", length = 1000, etag = ETAG }))
    assert.same({ "again", ALL }, { verdict(KNOWN, true, NONE,
      { range = "bytes 5000-9999/10000", etag = ETAG }) })
    assert.same({ "fresh", NONE, 0, 7, 7 }, judge(KNOWN, true, NONE,
      { range = "bytes 0-6/7", length = 7 }))
    assert.equal("refuse", (verdict(KNOWN, true, ALL, { range = "bytes 5-6/7", length = 2 })))
  end)

  it("from the start is compared where it seems to be the same, else written anew", function()
    assert.same({ "take", TAG, 0, 10000, 10000 }, judge(KNOWN, true, NONE,
      { length = 10000, etag = ETAG }))
    assert.same({ "take", DATE, 0, 10000, 10000 }, judge(KNOWN, true, TAG, { length = 10000 }))
    assert.same({ "take", DATE, 0, 10000, 10000 }, judge(KNOWN, true, DATE, { length = 10000 }))
    assert.same({ "take", TAG, 0, -1, -1 }, judge(KNOWN, true, NONE, { etag = ETAG }))
    assert.equal("fresh", (verdict(KNOWN, true, NONE, { length = 10000, etag = '"b"' })))
    assert.equal("fresh", (verdict(KNOWN, true, NONE, { length = 10001, etag = ETAG })))
    assert.equal("fresh", (verdict(KNOWN, true, NONE, {})))
  end)

  it("whose length is that of its coding tells no size", function()
    assert.same({ "fresh", NONE, 0, -1, -1 }, judge({}, true, NONE, { length = 99, encoded = 1 }))
  end)

  it("of a part that nobody has asked for is a beginning, or nothing", function()
    assert.same({ "fresh", NONE, 0, 100, 500 }, judge({}, true, ALL,
      { status = 206, range = "bytes 0-99/500" }))
    assert.same({ "fresh", NONE, 0, 100, -1 }, judge({}, true, ALL,
      { status = 206, range = "bytes 0-99/*" }))
    assert.equal("refuse", (verdict({}, true, ALL, { status = 206 })))
    assert.equal("refuse", (verdict({}, true, ALL, { status = 206, range = "bytes 5-9/10" })))
  end)

  it("of 416 says that the part is whole, where its size is the part's", function()
    local unsized = { etag = ETAG }
    assert.same({ "whole", NONE, 9000, 9000, 9000 }, judge(unsized, true, NONE,
      { status = 416, range = "bytes */9000" }))
    assert.same({ "again", ALL }, { verdict(unsized, true, NONE,
      { status = 416, range = "bytes */8000" }) })
    assert.same({ "again", ALL }, { verdict(unsized, true, NONE,
      { status = 416, range = "bytes */9000", etag = '"b"' }) })
    assert.same({ "again", ALL }, { verdict(unsized, true, NONE, { status = 416 }) })
    assert.same({ "again", ALL }, { verdict(unsized, false, NONE,
      { status = 416, range = "bytes */9000" }) })
    assert.equal("refuse", (verdict(unsized, true, ALL, { status = 416, range = "bytes */9000" })))
  end)
end)

describe("a body", function()
  local MP4 = "\0\0\0\24ftypmp42\0\0\0\0mp42isom"
  for _, case in ipairs {
    { "video", "video/mp4", MP4 }, { "video", "text/plain", MP4 }, { "video", "", MP4 },
    { "video", "text/html", MP4 }, { "video", "text/plain", "\26\69\223\163\1\0\0\0" },
    { "video", "text/plain; charset=utf-8", "\0\0\0\20ftypqt  \0\0\0\0" },
    { "video", "text/plain", "\0\0\0\8wide\0\0\1\0mdat" }, { "video", "", "GIF89a\1\0\1\0" },
    { "video", "video/mp4", ("V"):rep(100) }, { "video", "application/octet-stream", "\1\2\3" },
    { "video", "", "\0\0\0\0" }, { "video", "VIDEO/MP4", ("V"):rep(100) },
    { "html", "video/mp4", "<!DOCTYPE html><html>" }, { "html", "", "\239\187\191 \n<html>" },
    { "html", "application/octet-stream", "<!doctype HTML>" }, { "html", "text/html", "sorry" },
    { "html", "application/xhtml+xml", "<?xml version='1.0'?>" }, { "html", "TEXT/HTML", "" },
    { "playlist", "application/vnd.apple.mpegurl", "#EXTM3U\n#EXT-X-VERSION:3\n" },
    { "playlist", "video/mp4", "\239\187\191#EXTM3U\n" },
    { "text", "application/vnd.apple.mpegurl", "nothing" },
    { "text", "application/json", "1" }, { "text", "application/problem+json", '{"a":1}' },
    { "text", "video/mp4", '{ "error": "gone" }' }, { "text", "binary/octet-stream", "[{}]" },
    { "text", "video/mp4", "<?xml version='1.0'?><Error/>" }, { "text", "application/xml", "x" },
    { "text", "", "expired" }, { "text", "application/octet-stream", "expired\r\n" },
    { "text", "text/plain; charset=utf-8", "\1\2\3" }, { "text", "", "h\195\164" },
  } do
    it(("is %s: %s, %q"):format(case[1], case[2], case[3]), function()
      assert.equal(case[1], parts.content(case[2], case[3]))
    end)
  end
end)

describe("an address", function()
  for _, address in ipairs {
    "127.0.0.1", "127.255.255.255", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1",
    "192.0.0.1", "192.0.2.1", "::", "::1", "fe80::1", "fc00::1", "fd12:3456::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
    "2001::1", "fec0::1", "::127.0.0.1",
  } do
    it("is private: " .. address, function()
      assert.same({ true, true }, { parts.is_private(address) })
    end)
  end

  for _, address in ipairs {
    "8.8.8.8", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.0", "169.253.0.1",
    "192.167.1.1", "223.255.255.255", "11.0.0.0", "2606:4700::1111", "2001:4860:4860::8888",
    "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::",
  } do
    it("is public: " .. address, function()
      assert.same({ false, false }, { parts.is_private(address) })
    end)
  end

  it("is private as the names of this machine", function()
    for _, name in ipairs {
      "localhost", "LOCALHOST", "localhost.", "x.localhost", "a.b.Localhost",
    } do
      assert.is_true(select(2, parts.is_private(name)))
    end
    for _, name in ipairs { "example.com", "notlocalhost", "localhost.example", "" } do
      assert.is_false(select(2, parts.is_private(name)))
    end
  end)
end)

describe("what a memo says of a URL", function()
  for url, expected in pairs {
    ["https://h/a/b.mp4?sig=s#f"] = "https://h/a/b.mp4",
    ["https://u:p@h:8/a@b?x"] = "https://h:8/a@b",
    ["https://u@v:p@h/a"] = "https://h/a",
    ["https://h?x=://y@z"] = "https://h",
    ["https://h#@"] = "https://h",
  } do
    it("is without its secrets: " .. url, function() assert.equal(expected, parts.url(url)) end)
  end
end)

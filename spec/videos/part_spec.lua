-- The file of a download, without a network: transfer/part.c, memo.c, sync.c.

local files = require "spec.support.files"
local helpers = require "spec.support.helpers"
local parts = helpers.load "parts"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local unix = helpers.load "unix"

local URL = "https://cdn.example/a/src.mp4?sig=s3cr3t"
local ETAG = '"a"'

local folder, path
local open = {} -- parts that a spec has left open

before_each(function()
  folder = files.folder()
  path = folder .. "/video.mp4"
end)

after_each(function()
  for i = #open, 1, -1 do
    open[i]:abandon()
    open[i] = nil
  end
  files.remove(folder)
end)

local function open_part(target, most)
  local part, why = parts.open(target or path, most)
  open[#open + 1] = part
  return part, why
end

--- Has the part ask and take an answer; returns the first byte that was asked for.
local function take(part, answer, url)
  local from = part:ask(url or URL)
  answer.length = answer.length or answer.total and answer.total - from
  if from > 0 then
    answer.status = 206
    answer.range = ("bytes %d-%d/%s"):format(from, answer.total - 1, answer.total)
  end
  assert.equal("take", part:accept(answer))
  return from
end

local function bytes(size, letter) return (letter or "v"):rep(size) end

--- Leaves `there` bytes of a video of `size`.
local function leave(there, size, etag, letter)
  local part = open_part()
  take(part, { total = size, etag = etag })
  assert.equal("written", part:write(bytes(there, letter)))
  part:abandon()
end

--- The names in the folder.
local function names() return shell.output_of("ls -A " .. shell.quote(folder)) end

local function mode_of(name) return shell.output_of("stat -c %a " .. shell.quote(name)) end

describe("a part", function()
  it("gets its name when it is whole, and nothing else is left", function()
    files.write(path, "old")
    local part = open_part()
    take(part, { total = 10, etag = ETAG })
    assert.equal("written", part:write(bytes(4)))
    assert.equal("old", files.read(path))
    assert.equal("written", part:write(bytes(6)))
    assert.is_true(part:finish(true))
    assert.is_true((part:commit()))
    assert.equal(bytes(10), files.read(path))
    assert.equal("video.mp4", names())
  end)

  it("is not given its name before it is whole", function()
    local part = open_part()
    take(part, { total = 10 })
    part:write(bytes(4))
    assert.is_false(part:finish(true))
    assert.is_false((part:commit()))
    part:abandon()
    assert.equal(4, #files.read(path .. ".part"))
  end)

  it("leaves nothing where nothing came", function()
    open_part():abandon()
    assert.equal("", names())
  end)

  it("goes on in a later opening, its last stretch compared", function()
    leave(6000, 10000, ETAG)
    local part = open_part()
    local from, if_range = part:ask(URL)
    assert.same({ 6000 - 4096, ETAG }, { from, if_range })
    take(part, { total = 10000, etag = ETAG }, URL .. "2")
    assert.equal("written", part:write(bytes(4096 + 4000)))
    assert.is_true(part:finish(true))
    assert.is_true((part:commit()))
    assert.equal(bytes(10000), files.read(path))
  end)

  it("whose last stretch differs is asked for anew", function()
    leave(6000, 10000, ETAG)
    local part = open_part()
    take(part, { total = 10000, etag = ETAG })
    assert.equal("differs", part:write(bytes(4096, "w")))
    part:finish(false)
    assert.equal(0, (part:ask(URL)))
    take(part, { total = 10000, etag = ETAG })
    assert.equal("written", part:write(bytes(10000, "w")))
    assert.is_true(part:finish(true))
    part:commit()
    assert.equal(bytes(10000, "w"), files.read(path))
  end)

  it("of another URL, or without a memo, is not gone on with", function()
    leave(6000, 10000, ETAG)
    assert.equal(0, (open_part():ask "https://cdn.example/b/src.mp4?sig=s3cr3t"))
    open[#open]:abandon()
    assert.equal(6000, #files.read(path .. ".part"))
    os.remove(path .. ".part.memo")
    assert.equal(0, (open_part():ask(URL)))
  end)

  it("that another file has taken the place of is not gone on with", function()
    leave(6000, 10000, ETAG)
    os.rename(path .. ".part", folder .. "/away")
    files.write(path .. ".part", bytes(6000, "x"))
    assert.equal(0, (open_part():ask(URL)))
  end)

  for _, case in ipairs { "", "sora part 2\n", "sora part 1\n", "sora part 1\nurl " .. URL,
    ("x"):rep(100000), "sora part 1\npart x y\nurl \nsize -\n" } do
    it("survives a memo that is none: " .. case:sub(1, 20), function()
      leave(6000, 10000, ETAG)
      files.write(path .. ".part.memo", case)
      assert.equal(0, (open_part():ask(URL)))
    end)
  end

  it("keeps what it has while a server sends all again, and cuts it where that differs", function()
    leave(6000, 10000, ETAG)
    local part = open_part()
    part:ask(URL)
    assert.equal("take", part:accept { length = 10000, etag = ETAG })
    part:write(bytes(500))
    part:finish(false)
    assert.equal(6000, (part:state()))
    part:ask(URL)
    assert.equal("take", part:accept { length = 10000, etag = ETAG })
    assert.equal("written", part:write(bytes(500) .. bytes(9500, "w")))
    assert.is_true(part:finish(true))
    part:commit()
    assert.equal(bytes(500) .. bytes(9500, "w"), files.read(path))
  end)

  it("takes no more than was announced", function()
    local part = open_part()
    take(part, { total = 10 })
    assert.equal("differs", part:write(bytes(11)))
    assert.equal(0, (part:state()))
  end)

  it("may have a largest size", function()
    local part = open_part(nil, 10)
    part:ask(URL)
    assert.equal("refuse", part:accept { length = 11 })
    assert.is_true((select(3, part:state())))
    part:ask(URL)
    assert.equal("take", part:accept {})
    assert.equal("written", part:write(bytes(10)))
    assert.equal("failed", part:write "v")
    assert.is_true((select(3, part:state())))
    part:abandon(true)
    assert.equal("", names())
  end)

  it("holds no secret on disk", function()
    leave(6000, 10000, ETAG)
    local memo = files.read(path .. ".part.memo")
    assert.is_truthy(memo:find("url https://cdn.example/a/src.mp4\n", 1, true))
    assert.is_nil(memo:find("s3cr3t", 1, true))
    assert.equal("600", mode_of(path .. ".part.memo"))
  end)

  it("may have a name as long as the folder allows, and two are two", function()
    for length = 235, 255 do
      local one = folder .. "/" .. ("n"):rep(length - 1) .. "1"
      local part, why = open_part(one)
      assert.is_nil(why)
      local other = open_part(folder .. "/" .. ("n"):rep(length - 1) .. "2")
      assert.not_equal((select(4, part:state())), (select(4, other:state())))
      take(part, { total = 1 })
      part:write "v"
      part:finish(true)
      assert.is_true((part:commit()))
      assert.equal("v", files.read(one))
    end
    assert.is_nil((open_part(folder .. "/" .. ("n"):rep(256))))
  end)

  it("has the permissions of the file that it replaces, else those of the umask", function()
    for _, mode in ipairs { "600", "664", "444", "none" } do
      files.remove(path)
      if mode ~= "none" then
        files.write(path, "old")
        os.execute(("chmod %s %s"):format(mode, path))
      end
      local before = unix.umask(tonumber("027", 8))
      local part = open_part()
      unix.umask(before)
      take(part, { total = 1 })
      part:write "v"
      part:finish(true)
      part:commit()
      assert.equal(mode == "none" and "640" or mode, mode_of(path))
    end
  end)
end)

describe("what is at the part's or the target's name", function()
  local makers = {
    { "folder", "mkdir %s", "is a folder" },
    { "FIFO", "mkfifo %s", "is a FIFO" },
    { "symbolic link", "ln -s /etc/hostname %s", "is a symbolic link" },
    { "dangling link", "ln -s elsewhere %s", "is a symbolic link" },
  }
  for _, suffix in ipairs { "", ".part" } do
    for _, case in ipairs(makers) do
      it(("is refused and left as it was: a %s at video.mp4%s"):format(case[1], suffix), function()
        local name = path .. suffix
        os.execute(case[2]:format(name))
        local before = shell.output_of("ls -lA --time-style=full-iso " .. folder)
        local part, why = open_part()
        assert.is_nil(part)
        assert.is_truthy(why:find(name .. ": " .. case[3], 1, true), why)
        assert.equal(before, shell.output_of("ls -lA --time-style=full-iso " .. folder))
      end)
    end
  end

  it("is refused where it is a device, or has a second name", function()
    assert.is_nil((open_part "/dev/null"))
    files.write(folder .. "/other", "other")
    os.execute(("ln %s/other %s.part"):format(folder, path))
    local part, why = open_part()
    assert.is_nil(part)
    assert.is_truthy(why:find("another name", 1, true))
    assert.equal("other", files.read(folder .. "/other"))
  end)

  it("is not found in a missing folder, or beneath a file", function()
    assert.is_truthy((select(2, open_part(folder .. "/missing/v.mp4"))):find "missing/v.mp4.part: ")
    files.write(path, "old")
    assert.is_nil((open_part(path .. "/")))
    assert.is_nil((open_part(path .. "/v.mp4")))
  end)

  it("is looked at once more before it is replaced", function()
    local part = open_part()
    take(part, { total = 1 })
    part:write "v"
    part:finish(true)
    os.execute("mkfifo " .. path)
    assert.is_false((part:commit()))
    os.remove(path)
    assert.is_true((part:commit()))
  end)

  it("is not replaced by a part that somebody has changed meanwhile", function()
    local part = open_part()
    take(part, { total = 10 })
    part:write(bytes(10))
    part:finish(true)
    os.rename(path .. ".part", folder .. "/away")
    assert.is_false((part:commit()))
    assert.is_nil(files.read(path))
  end)
end)

describe("two downloads of one path", function()
  local function refused(why)
    return type(why) == "string" and why:find("another download", 1, true) ~= nil
  end

  it("are told apart in one process, whatever the spelling", function()
    local first = open_part()
    assert.is_true(refused((select(2, open_part()))))
    assert.is_true(refused((select(2, open_part(folder .. "/../" .. folder:match "[^/]+$"
      .. "/./video.mp4")))))
    first:abandon()
    assert.is_truthy(open_part())
  end)

  it("are told apart in two processes, and after a fork", function()
    local first = open_part()
    local function is_refused()
      local part, why = parts.open(path)
      assert(not part and refused(why), why)
    end
    assert.equal(0, unix.wait(unix.child(is_refused)))
    local child = unix.child(function() -- that lives on with a copy of the descriptor
      assert(not first:ask(URL), "a child has its parent's part")
      os.execute "sleep 1"
    end)
    first:abandon()
    local second = open_part()
    assert.is_truthy(second)
    assert.equal(0, unix.wait(child))
    take(second, { total = 1 })
    second:write "v"
    second:finish(true)
    assert.equal(0, unix.wait(unix.child(function()
      second:abandon(true)
      assert(files.read(path .. ".part") == "v", "a child removes its parent's part")
    end)))
    assert.is_true((second:commit()))
  end)
end)

-- unchecked: another library is preloaded than the checker's
describe("a file system #unchecked", function()
  --- Runs a script with the helper under a shim; returns what it prints.
  local function under(shim, script)
    local name = folder .. "/script.lua"
    files.write(name, ([[
      local parts = package.loadlib(%q, "luaopen_parts")()
      local path, URL = %q, %q
      local function take(part, answer)
        part:ask(URL)
        return part:accept(answer)
      end
    ]]):format(helpers.build() .. "parts.so", path, URL) .. script)
    shim.LD_PRELOAD = helpers.build() .. "no_files.so"
    local result = program.run(shell.LUA .. " " .. name, { env = shim })
    assert.equal("", result.err)
    return (result.out:gsub("%s+$", ""))
  end
  local WHOLE = [[
    local part = assert(parts.open(path))
    local taken, written = take(part, { length = 3 }), part:write "vvv"
    print(taken .. " " .. written .. " " .. tostring(part:finish(true)) .. " "
      .. tostring(part:sync()) .. " " .. tostring((part:commit())))
  ]]
  local ENOSYS, ENOLCK, ENOTSUP, EINVAL, EIO, EXDEV, EPERM = "38", "37", "95", "22", "5", "18", "1"

  for _, number in ipairs { ENOSYS, ENOLCK, ENOTSUP, EINVAL, EPERM } do
    it("may have no locks: error " .. number, function()
      assert.equal("take written true 0 true", under({ NO_FLOCK = number }, WHOLE))
      assert.equal("vvv", files.read(path))
    end)
  end

  it("without locks still keeps two downloads of one process apart", function()
    assert.equal("true", under({ NO_FLOCK = ENOSYS }, [[
      local first = parts.open(path)
      local second, why = parts.open(path)
      print(second == nil and why:find "another download" ~= nil)
    ]]))
  end)

  for _, number in ipairs { ENOSYS, EINVAL, ENOTSUP } do
    it("may be unable to flush: error " .. number, function()
      assert.equal("take written true 0 true", under({ NO_FSYNC = number }, WHOLE))
    end)
  end

  it("says so where it has lost bytes", function()
    assert.equal("take written true 5 true", under({ NO_FSYNC = EIO }, WHOLE))
  end)

  it("that cannot rename is found out before the first byte", function()
    assert.equal("refuse failed false 0 false", under({ NO_RENAME = EXDEV }, WHOLE))
    assert.is_nil(files.read(path))
  end)

  --- Runs a command of the shell in namespaces of its own, as root where that is allowed.
  local function as_root(command)
    local result = program.run("unshare -rm sh -c " .. shell.quote(command))
    return result.code == 0 and result.out or nil, result.err
  end
  local function lua(script)
    return ("%s -e %s"):format(shell.LUA, shell.quote(([[
      local parts = package.loadlib(%q, "luaopen_parts")()
      local path, URL = %q, %q
    ]]):format(helpers.build() .. "parts.so", path, URL) .. script))
  end

  if as_root "true" then
    it("on which something is mounted at the target is refused", function()
      files.write(path, "old")
      files.write(folder .. "/other", "other")
      local said = assert(as_root(("mount --bind %s/other %s; %s"):format(folder, path, lua [[
        local part, why = parts.open(path)
        print(part, why:match "[^/]+$")
      ]])))
      assert.equal("nil\tvideo.mp4: Invalid cross-device link\n", said)
      assert.equal("video.mp4", (names():gsub("other\n", "")))
    end)

    it("that is full is an error, keeps what is there, and goes on when there is room", function()
      local said = assert(as_root(("mount -t tmpfs -o size=64k tmpfs %s; %s"):format(folder, lua [[
        local part = assert(parts.open(path))
        part:ask(URL)
        assert(part:accept { length = 100000, etag = '"a"' } == "take")
        local first = part:write(("v"):rep(100000))
        local kept, why = part:state()
        part:abandon()
        print(first, kept > 0 and kept < 65536, why:match "[^:]+$")
        part = parts.open(path)
        print(part:ask(URL) == kept - 4096)
      ]])))
      assert.equal("failed\ttrue\t No space left on device\ntrue\n", said)
    end)

    it("that cannot be written to is an error", function()
      local said = assert(as_root(("mount -t tmpfs -o ro tmpfs %s; %s"):format(folder, lua [[
        print((select(2, parts.open(path)):match "[^:]+$"))
      ]])))
      assert.equal(" Read-only file system\n", said)
    end)
  end
end)

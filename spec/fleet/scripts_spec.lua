-- The scripts that run in Redis, by themselves, in a real one, with a clock of the spec's.

local chance = require "spec.support.chance"
local files = require "spec.support.files"
local redis = require "spec.support.redis"

local PREFIX = "sora:{spec}:"
local TTL = 3600

local server

setup(function() server = redis.start() end)
teardown(function() server:stop() end)
before_each(function() server:call "FLUSHALL" end)

local function run(name, ...)
  return server:call("EVAL", assert(files.read("lua/sora/fleet/scripts/" .. name .. ".lua")), 1,
    PREFIX, ...)
end

local now -- seconds
before_each(function() now = 1e9 end)

local function add(id, seconds, data)
  return assert(run("add", now, id, seconds or 600, TTL, "{}", data or ""))
end

--- opts: most, lease, interval, horizon, worker
local function claim(opts)
  opts = opts or {}
  local reply = assert(run("claim", now, opts.worker or "w", 0, opts.most or 10, opts.lease or 60,
    opts.interval or 0, opts.horizon or 0.2))
  return reply[2], tonumber(reply[1])
end

local function report(id, token, word, delay, text, state)
  return assert(run("report", now, TTL, id, token, word, delay or 0, state or "{}", text or ""))[1]
end

local function call(...) return assert(server:call(...)) end

local function due(id) return tonumber((server:call("ZSCORE", PREFIX .. "due", id))) end

local function ids(claims)
  local list = {}
  for i, one in ipairs(claims) do list[i] = one[1] end
  return list
end

describe("open.lua", function()
  it("marks the keys of a new fleet, and knows them again", function()
    assert.equal("ok", run("open", "", "1"))
    assert.equal("ok", run("open", "", "1"))
    assert.equal("1", call("GET", PREFIX .. "format"))
  end)

  it("refuses the keys of another format, and somebody else's", function()
    call("SET", PREFIX .. "format", "2")
    assert.matches("are of the format '2', this version knows '1'", (run("open", "", "1")))
    call("DEL", PREFIX .. "format")
    call("SET", PREFIX .. "due", "x")
    assert.matches("due is somebody else's: a string", (run("open", "", "1")))
    assert.equal(0, call("EXISTS", PREFIX .. "format"))
  end)
end)

describe("add.lua", function()
  it("has a task watched once", function()
    assert.are.same({ "added" }, add "a")
    now = now + 5
    assert.are.same({ "watched" }, add "a")
    assert.equal(1e9, due "a")
    assert.equal(1, call("ZCARD", PREFIX .. "due"))
    assert.equal("1", call("HGET", PREFIX .. "counts", "added"))
  end)

  it("keeps the latest time until which anybody wants it", function()
    local function wanted() return tonumber(call("HGET", PREFIX .. "task:a", "wanted")) end
    add("a", 600)
    add("a", 60)
    assert.equal(now + 600, wanted())
    add("a", 6000)
    assert.equal(now + 6000, wanted())
    assert.near((6000 + TTL) * 1000, call("PTTL", PREFIX .. "task:a"), 5000)
  end)

  it("tells how it ended, where that is known", function()
    add "a"
    report("a", claim()[1][2], "failed", 0, "{}")
    assert.are.same({ "ended", "failed\n\n{}" }, add "a")
    assert.is_nil(due "a")
  end)

  it("has anew what the fleet gave up", function()
    add "a"
    report("a", claim()[1][2], "gave_up", 0, "{}")
    assert.are.same({ "added" }, add "a")
    assert.equal(1e9, due "a")
    assert.equal(0, call("EXISTS", PREFIX .. "end:a"))
  end)
end)

describe("claim.lua", function()
  it("hands out what is due, the longest due first, and each once", function()
    for i, id in ipairs { "a", "b", "c" } do
      now = 1e9 + i
      add(id)
    end
    assert.are.same({ "a", "b" }, ids(claim { most = 2 }))
    assert.are.same({ "c" }, ids(claim()))
    assert.are.same({}, ids(claim()))
  end)

  it("hands a task out again when its lease is over, with a higher token", function()
    add "a"
    local first = claim { lease = 60 }[1]
    now = now + 59.9
    assert.are.same({}, claim())
    now = now + 0.1
    local second = claim()[1]
    assert.is_true(tonumber(second[2]) > tonumber(first[2]))
    assert.equal(1, first[3])
    assert.equal(2, second[3])
  end)

  it("gives a higher token where the clock has gone back", function()
    add "a"
    local first = claim { lease = -100 }[1]
    now = now - 50
    local second = claim()[1]
    assert.is_true(tonumber(second[2]) > tonumber(first[2]))
  end)

  it("tells the ages and what is left", function()
    add("a", 600)
    now = now + 10
    local one = claim()[1]
    assert.are.same({ 590, 10, 10 }, { tonumber(one[4]), tonumber(one[5]), tonumber(one[6]) })
    report("a", one[2], "next", 5, "ANSWER", "STATE")
    now = now + 7
    one = claim()[1]
    assert.are.same({ 583, 17, 7 }, { tonumber(one[4]), tonumber(one[5]), tonumber(one[6]) })
    assert.are.same({ "STATE", "ANSWER" }, { one[8], one[9] })
  end)

  it("gives permits one interval apart, those of the horizon and no more", function()
    for i = 1, 20 do add("id" .. i) end
    local function permits(claims)
      local list = {}
      for i, one in ipairs(claims) do list[i] = tonumber(one[7]) end
      return list
    end
    assert.are.same({ 0, 0.1, 0.2 }, permits(claim { interval = 0.1 }))
    local claims, wait = claim { interval = 0.1 }
    assert.are.same({}, claims)
    assert.near(0.1, wait, 1e-5)
    now = now + 0.1
    assert.are.same({ 0.2 }, permits(claim { interval = 0.1 }))
    now = now + 100 -- what was not used is not saved up
    assert.are.same({ 0, 0.1, 0.2 }, permits(claim { interval = 0.1 }))
  end)

  it("gives at most the rate in any span, whoever claims", function()
    for i = 1, 2000 do add("id" .. i) end
    local times, random = {}, chance.new(1)
    for _ = 1, 400 do
      now = now + random:number() * random:number() * 0.5
      local most = random:between(1, 10)
      for _, one in ipairs((claim { interval = 1 / 20, most = most })) do
        times[#times + 1] = now + one[7]
      end
    end
    assert.is_true(#times > 500, #times)
    for i = 21, #times do -- 20 a second: any 21 take more than a second
      assert.is_true(times[i] - times[i - 20] >= 1 - 1e-4, i)
    end
  end)

  it("tells when there may be more", function()
    add "a"
    add "b"
    local _, wait = claim { most = 1 }
    assert.equal(0, wait)
    _, wait = claim { lease = 60 }
    assert.equal(60, wait)
    report("b", call("HGET", PREFIX .. "task:b", "token"), "next", 7)
    _, wait = claim()
    assert.equal(7, wait)
  end)

  it("hands out nothing while the fleet is held back", function()
    add "a"
    assert.near(5, tonumber((run("hold", now, 5))), 1e-3)
    local claims, wait = claim()
    assert.are.same({}, claims)
    assert.near(5, wait, 1e-3)
    now = now + 5
    server:call("SET", PREFIX .. "hold", now) -- Redis' own clock has not gone on
    assert.are.same({ "a" }, ids(claim()))
  end)

  it("drops what has expired", function()
    add "a"
    call("DEL", PREFIX .. "task:a")
    assert.are.same({}, claim())
    assert.is_nil(due "a")
  end)

  it("goes by Redis' own clock when it is given none", function()
    run("add", "", "a", 600, TTL, "{}", "")
    local time = tonumber(call("TIME")[1])
    assert.near(time, due "a", 2)
    local reply = run("claim", "", "w", 0, 10, 60, 0, 0)
    assert.equal("a", reply[2][1][1])
    assert.near(time + 60, due "a", 2)
  end)
end)

describe("report.lua", function()
  it("sets when a task is due, and keeps its state and what was new", function()
    add "a"
    assert.equal("ok", report("a", claim()[1][2], "next", 5, "ANSWER", "STATE"))
    assert.equal(now + 5, due "a")
    now = now + 5
    report("a", claim()[1][2], "next", 5, "", "STATE 2")
    assert.are.same({ "STATE 2", "ANSWER" },
      call("HMGET", PREFIX .. "task:a", "state", "answer"))
    assert.equal("2", call("HGET", PREFIX .. "counts", "next"))
  end)

  it("takes a task back as it was", function()
    add "a"
    report("a", claim()[1][2], "back", 0)
    local one = claim()[1]
    assert.are.same({ 1, "{}" }, { one[3], one[8] })
  end)

  it("drops what a former holder says, and what was said before", function()
    add "a"
    local first = claim()[1]
    now = now + 60
    local second = claim()[1]
    assert.equal("stale", report("a", first[2], "succeeded", 0, "{}"))
    assert.equal(now + 60, due "a")
    assert.equal("ok", report("a", second[2], "next", 5))
    assert.equal("stale", report("a", second[2], "succeeded", 0, "{}"))
    assert.equal(now + 5, due "a")
    assert.equal("2", call("HGET", PREFIX .. "counts", "stale"))
  end)

  it("ends a task once, with its data, for a time", function()
    add("a", 600, '{"order":17}')
    local one = claim()[1]
    assert.equal("ok", report("a", one[2], "succeeded", 0, "TEXT"))
    assert.equal("stale", report("a", one[2], "failed", 0, "OTHER"))
    assert.is_nil(due "a")
    assert.equal(0, call("EXISTS", PREFIX .. "task:a"))
    assert.equal('succeeded\n{"order":17}\nTEXT', call("GET", PREFIX .. "end:a"))
    assert.equal(TTL, call("TTL", PREFIX .. "end:a"))
    assert.equal(1, call("XLEN", PREFIX .. "ends"))
    assert.are.same({ "id", "a" }, call("XRANGE", PREFIX .. "ends", "-", "+")[1][2])
  end)

  it("takes many at once, each by its own token", function()
    for _, id in ipairs { "a", "b", "c" } do add(id) end
    local claims = claim()
    local results = run("report", now, TTL, "a", claims[1][2], "next", 5, "{}", "",
      "b", "0", "next", 5, "{}", "", "c", claims[3][2], "failed", 0, "{}", "{}")
    assert.are.same({ "ok", "stale", "ok" }, results)
  end)

  it("drops from the stream what is older than an end is kept", function()
    now = tonumber(call("TIME")[1])
    call("XADD", PREFIX .. "ends", ("%d-0"):format((now - TTL - 1) * 1000), "id", "old")
    call("CONFIG", "SET", "stream-node-max-entries", 1) -- it goes by whole nodes
    add "a"
    report("a", claim()[1][2], "failed", 0, "{}")
    assert.equal(1, call("XLEN", PREFIX .. "ends"))
  end)

  it("tells who listens of a change and of an end", function()
    local listener = setmetatable({ port = server.port }, getmetatable(server))
    assert(listener:call("SUBSCRIBE", PREFIX .. "news:a"))
    add "a"
    report("a", claim()[1][2], "next", 0, "")
    report("a", claim()[1][2], "next", 0, "NEW")
    report("a", claim()[1][2], "failed", 0, "{}")
    local function message(word) return { "message", PREFIX .. "news:a", word } end
    assert.are.same({ message "next", message "failed", { "pong", "" } }, -- each reads one reply
      { (listener:call "PING"), (listener:call "PING"), (listener:call "PING") })
    listener:hang_up()
    assert.equal("2", call("HGET", PREFIX .. "counts", "next"))
  end)
end)

describe("hold.lua", function()
  it("keeps the longest silence", function()
    run("hold", now, 50)
    assert.near(50, tonumber((run("hold", now, 5))), 1e-3)
    assert.near(60, tonumber((run("hold", now, 60))), 1e-3)
    assert.is_true(call("PTTL", PREFIX .. "hold") <= 60001)
  end)
end)

describe("look.lua", function()
  it("tells what is known of a task", function()
    assert.are.same({ "unknown" }, run("look", "", "a"))
    add "a"
    assert.are.same({ "watched", "" }, run("look", "", "a"))
    report("a", claim()[1][2], "next", 0, "NEW")
    assert.are.same({ "watched", "NEW" }, run("look", "", "a"))
    report("a", claim()[1][2], "failed", 0, "TEXT")
    assert.are.same({ "ended", "failed\n\nTEXT" }, run("look", "", "a"))
  end)
end)

describe("remove.lua", function()
  it("forgets a task, whatever is known of it", function()
    add "a"
    assert.equal(1, run("remove", "", "a"))
    assert.equal(0, run("remove", "", "a"))
    assert.is_nil(due "a")
    add "a"
    local one = claim()[1]
    run("remove", "", "a")
    assert.equal("stale", report("a", one[2], "failed", 0, "{}"))
    assert.equal(0, call("XLEN", PREFIX .. "ends"))
  end)
end)

describe("stats.lua and leave.lua", function()
  local function stats()
    local reply, named = run("stats", now, 30), {}
    for i = 1, #reply, 2 do named[reply[i]] = tonumber(reply[i + 1]) end
    return named
  end

  it("count what there is", function()
    for i = 1, 5 do add("id" .. i) end
    local claims = claim { most = 2, worker = "one" }
    claim { most = 1, worker = "two" }
    report(claims[1][1], claims[1][2], "failed", 0, "{}")
    local found = stats()
    assert.are.same({ 4, 2, 2, 0, 3, 5, 1 }, { found.watched, found.due, found.workers, found.dead,
      found.in_flight, found.added, found.failed })
  end)

  it("tell a dead worker from one that has left", function()
    claim { worker = "one" }
    claim { worker = "two" }
    run("leave", now, "one", 3600)
    now = now + 31
    assert.are.same({ 0, 1 }, { stats().workers, stats().dead })
    now = now + 3600
    assert.equal(1, run("leave", now, "three", 3600))
    assert.equal(0, stats().dead)
  end)
end)

describe("consumers.lua", function()
  it("forgets readers that owe nothing, and no other", function()
    add "a"
    report("a", claim()[1][2], "failed", 0, "{}")
    local ends = PREFIX .. "ends"
    call("XGROUP", "CREATE", ends, "db", "0")
    call("XREADGROUP", "GROUP", "db", "owes", "STREAMS", ends, ">")
    call("XGROUP", "CREATECONSUMER", ends, "db", "leaves")
    call("XGROUP", "CREATECONSUMER", ends, "db", "stays")
    assert.equal(1, run("consumers", "", "db", "leaves", 60000))
    assert.equal(0, run("consumers", "", "db", "owes", 60000))
    assert.equal(2, #call("XINFO", "CONSUMERS", ends, "db"))
  end)
end)

describe("a full Redis", function()
  it("refuses new tasks, and goes on with those that it has", function()
    add "a"
    call("CONFIG", "SET", "maxmemory", 1)
    local reply, err = run("add", now, "b", 600, TTL, "{}", "")
    assert.is_nil(reply)
    assert.matches("OOM", err)
    assert.is_nil(due "b")
    assert.equal("ok", report("a", claim()[1][2], "next", 0))
    run("hold", now, 0)
    assert.equal("ok", report("a", claim { interval = 1 }[1][2], "succeeded", 0, "TEXT"))
    call("CONFIG", "SET", "maxmemory", 0)
    assert.equal("succeeded\n\nTEXT", call("GET", PREFIX .. "end:a"))
    assert.equal(1, call("XLEN", PREFIX .. "ends"))
  end)
end)

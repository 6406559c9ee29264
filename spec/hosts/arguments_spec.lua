-- What stands before the options: ids and tasks, alone and in lists.

local clients = require "spec.support.clients"
local sora = require "sora"
local standin = require "spec.support.standin"

local service = standin.shared()
local client

before_each(function() client = clients.new() end)

after_each(function() clients.finish(client) end)

local MANY = { "query_all", "wait_all" }

local function count(set)
  local size = 0
  for _ in pairs(set) do size = size + 1 end
  return size
end

--- Calls fn(...) one level below, and expects misuse that is raised there.
local function refused(expected, fn, ...)
  local before = client:stats().requests
  local ok, err = pcall(function(...) fn(...) end, ...)
  assert.is_false(ok)
  assert.matches("^spec/hosts/arguments_spec.lua:%d+: ", err)
  assert.is_truthy(err:find(expected, 1, true), err)
  assert.equal(before, client:stats().requests)
end

describe("a list of ids", function()
  local holes = {
    { "in the middle", 2, { "a", nil, "c" } },
    { "at its beginning", 1, { nil, "b" } },
    { "of any size", 3, { "a", "b", [1000000] = "c" } },
    { "of a table that says how long it is", 2,
      _VERSION ~= "Lua 5.1" and setmetatable({ "a" }, { __len = function() return 2 end })
      or { "a", nil, "b" } },
  }
  for _, hole in ipairs(holes) do
    local what, position, ids = hole[1], hole[2], hole[3]
    it("with a hole " .. what .. " is refused", function()
      for _, name in ipairs(MANY) do
        refused(("at position %d: task id (a string) expected, got nil"):format(position),
          client[name], client, ids)
      end
    end)
  end

  local others = {
    { "a number", { "a", 5 }, "at position 2: task id (a string) expected, got number" },
    { "false", { "a", false, "b" }, "at position 2: task id (a string) expected, got boolean" },
    { "an empty id", { "" }, "at position 1: task id is empty" },
    { "a control character", { "a", "b\n" }, "at position 2: task id contains a control" },
    { "a table without an id", { "a", {} }, "at position 2: task id expected, the task has none" },
    { "names", { "a", id = "b" }, "list of task ids expected, got named fields" },
    { "a place 0", { [0] = "a", "b" }, "got a value at 0" },
    { "a place between two", { "a", [1.5] = "b" }, "got a value at 1.5" },
    { "a place below 0", { [-1] = "b" }, "got a value at -1" },
    { "a task in the place of the list", { id = "a", status = "queued" }, "got named fields" },
  }
  for _, other in ipairs(others) do
    it("with " .. other[1] .. " is refused", function()
      for _, name in ipairs(MANY) do refused(other[3], client[name], client, other[2]) end
    end)
  end

  it("may be one that is read through a metatable", function()
    local id = service:id "queued"
    local proxy = setmetatable({}, { __index = { id } })
    assert.equal("queued", client:query_all(proxy)[id].status)
  end)

  it("is not changed, and may be changed while it is waited for", function()
    local ids = { service:id("queued", "completed"), service:id("queued", "completed") }
    local first, second = ids[1], ids[2]
    local tasks = client:wait_all(ids, clients.quick {
      on_update = function() ids[1], ids[2], ids[3] = nil, nil, 5 end,
    })
    assert.equal("completed", tasks[first].status)
    assert.equal("completed", tasks[second].status)
    ids = { first, first }
    client:query_all(ids)
    assert.same({ first, first }, ids)
  end)

  it("of a million ids, many of them twice, loses none", function()
    local ids = {}
    for i = 1, 1000000 do ids[i] = "id" .. i % 100000 end
    local told = 0
    local tasks, errs = client:wait_all(ids, {
      timeout = 1e-4, on_result = function() told = told + 1 end,
    })
    assert.equal(100000, count(tasks) + count(errs))
    assert.equal(100000, told)
    ids[777777] = 777777
    refused("at position 777777: task id (a string) expected, got number", client.query_all, client,
      ids)
  end)
end)

describe("a task in the place of its id", function()
  local task, id

  before_each(function()
    id = service:id("queued*3", "completed")
    task = client:query(id)
    assert.equal(id, sora.id(task))
  end)

  it("is asked for by it, in each call of one", function()
    assert.equal("queued", client:query(task).status)
    assert.equal("completed", client:wait(task, clients.quick()).status)
    local words = {}
    for seen in client:watch(task, clients.quick()) do words[#words + 1] = seen.status end
    assert.same({ "completed" }, words)
    assert.equal("completed", sora.query(task, { base_url = service.base_url,
      ca_file = service.ca_file, api_key = "sk-spec" }).status)
  end)

  it("is the same as its id in a list", function()
    local other = service:id "completed"
    local tasks = client:wait_all({ task, other, id }, clients.quick())
    assert.equal("completed", tasks[id].status)
    assert.equal("completed", tasks[other].status)
    assert.equal(2, count(tasks))
    assert.equal(1, #service:log(other))
  end)

  it("has to have one", function()
    for _, name in ipairs { "query", "wait", "watch" } do
      refused("bad argument #1 to '" .. name .. "' (task id", client[name], client,
        { status = "queued" })
    end
    refused("bad argument #1 to 'query' (task id", sora.query, { status = "queued" })
  end)
end)

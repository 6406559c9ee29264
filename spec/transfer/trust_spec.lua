-- Whom a client trusts that was told nothing: the system's folder of authorities, and its bundle
-- once the folder does not know one.

local files = require "spec.support.files"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"

local SYSTEM = "/etc/ssl/certs"
local BUNDLE = SYSTEM .. "/ca-certificates.crt"

local service = standin.shared()

local function ids()
  local list = {}
  for i = 1, 20 do list[i] = ("%q"):format(service:id "completed") end
  return table.concat(list, ",")
end

--- Runs a script where the service's authority is in the system's bundle, and not in its folder.
-- Returns what it prints.
local function run(script)
  local folder = files.folder()
  files.write(folder .. "/bundle", files.read(BUNDLE) .. files.read(service.ca_file))
  files.write(folder .. "/script.lua", ([[
    local sora = require "sora"
    local function client() return sora.client { base_url = %q, retries = 0 } end
    local ids = { %s }
    local function said(task, err) return task and task.status or tostring(err) end
  ]]):format(service.base_url, ids()) .. script)
  local said = shell.output_of(("unshare -m sh -c %s 2>&1"):format(shell.quote(
    ("mount --bind %s/bundle %s && exec %s %s/script.lua"):format(folder, BUNDLE, shell.LUA,
      folder))))
  files.remove(folder)
  return said
end

describe("an authority that only the system's bundle has", function()
  local function it_may(what, script, expected)
    it(what, function()
      if shell.output_of "unshare -m true 2>/dev/null && echo yes" ~= "yes" then
        return pending "needs root and unshare(1)"
      elseif not files.exists(BUNDLE) then
        return pending "no bundle where Debian has one"
      end
      assert.matches("^" .. expected .. "$", run(script))
    end)
  end

  it_may("is trusted by the first query, which tries once more", [[
    local asking = client()
    print(said(asking:query(ids[1])), asking:stats().requests)
  ]], "completed\t1")

  it_may("is trusted by all queries that began together", [[
    local tasks, errs = client():query_all(ids)
    local count = 0
    for _ in pairs(tasks) do count = count + 1 end
    print(count, said(nil, select(2, next(errs))))
  ]], "20\tnil")

  it_may("is trusted by a client that has asked before", [[
    local first, second = client(), client()
    print(second:query(ids[1], { base_url = "https://127.0.0.1:1" }))
    print(said(first:query(ids[1])))
    print(said(second:query(ids[1])))
  ]], "nil\t.-\ncompleted\ncompleted")
end)

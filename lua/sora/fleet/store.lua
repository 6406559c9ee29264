--- A fleet's tasks in Redis: the scripts beside this file, called, their replies made Lua values.
--
-- Knows the keys and the formats of replies; nothing of clients, of pollers or of what a text says.
-- docs/fleet.md has the list of keys.

local connections = require "sora.fleet.connection"
local core = require "sora.core"
local sources = require "sora.hosts.sources"

local M = {}

M.FORMAT = "1"                   -- of the keys; two that differ cannot share them
local PATIENCE = 10              -- seconds after which a worker that says nothing is taken for dead
local FORGOTTEN = 86400          -- seconds after which a dead worker is forgotten
local SCRIPTS = { "open", "add", "claim", "report", "hold", "look", "stats", "remove", "leave",
  "consumers" }

local scripts = {} -- by their names

--- Loads the scripts, once in a process. Raises where they are not installed.
function M.load()
  for _, name in ipairs(SCRIPTS) do
    local file = not scripts[name] and assert(sources.open("sora.fleet.scripts." .. name),
      "sora.fleet.scripts." .. name .. " is not installed")
    if file then
      scripts[name] = connections.script(file:read "*a")
      file:close()
    end
  end
end

---@class sora.store
---@field conn table  a connection of sora/fleet/connection.lua
---@field prefix string  of all keys
---@field ttl integer  seconds
local Store = {}
Store.__index = Store

---@param conn table
---@param name string  of the fleet
---@param ttl integer  seconds for which is kept how a task has ended
---@return sora.store
function M.new(conn, name, ttl)
  return setmetatable({ conn = conn, prefix = "sora:{" .. name .. "}:", ttl = ttl }, Store)
end

--- A script's or a command's word: whole numbers without a point, the others exactly.
local function word(value)
  if type(value) ~= "number" then return value end
  return (value % 1 == 0 and "%.0f" or "%.17g"):format(value)
end

local function run(self, name, ...)
  local words = { "" } -- Redis' own clock
  for i = 1, select("#", ...) do words[i + 1] = word((select(i, ...))) end
  return self.conn:script(scripts[name], { self.prefix }, words)
end

local function fault(message) return core.error { kind = "api", message = message } end

--- Looks once whether Redis is there, and whether the keys are a fleet's.
---@return boolean? ok
---@return sora.error? err
function Store:open()
  if self.opened then return true end
  local said, err = run(self, "open", M.FORMAT)
  if not said then return nil, err end
  if said ~= "ok" then return nil, fault(said) end
  self.opened = true
  return true
end

---@param id string
---@param timeout number  seconds for which it is wanted
---@param state string
---@param data string
---@return "added"|"watched"|"ended"|nil
---@return string|sora.error|nil outcome  how it ended, or the error
function Store:add(id, timeout, state, data)
  local reply, err = run(self, "add", id, timeout, self.ttl, state, data)
  if not reply then return nil, err end
  return reply[1], reply[2]
end

---@class sora.claim
---@field id string
---@field token string
---@field tries integer  how often it was claimed without a report
---@field left number  seconds until its deadline
---@field age number  seconds since it was added
---@field idle number  seconds since the last report
---@field permit number  seconds until it may be asked about
---@field state string
---@field answer string  "": none yet

---@param opts { worker: string, held: integer, most: integer, lease: number, interval: number,
---   horizon: number }
---@return number? wait  seconds after which there may be more
---@return sora.claim[]|sora.error claims
function Store:claim(opts)
  local reply, err = run(self, "claim", opts.worker, opts.held, opts.most, opts.lease,
    opts.interval, opts.horizon)
  if not reply then return nil, err end
  local claims = {}
  for i, one in ipairs(reply[2]) do
    claims[i] = {
      id = one[1], token = one[2], tries = one[3], left = tonumber(one[4]), age = tonumber(one[5]),
      idle = tonumber(one[6]), permit = tonumber(one[7]), state = one[8], answer = one[9],
    }
  end
  return tonumber(reply[1]), claims
end

---@class sora.report
---@field id string
---@field token string
---@field word "next"|"back"|"succeeded"|"failed"|"gave_up"
---@field delay number?  seconds until it is due; of an end nothing
---@field state string?
---@field text string?  what is new

---@param reports sora.report[]
---@return ("ok"|"stale")[]? results
---@return sora.error? err
function Store:report(reports)
  local words = { self.ttl }
  for _, report in ipairs(reports) do
    for _, value in ipairs { report.id, report.token, report.word, report.delay or 0,
      report.state or "", report.text or "" } do
      words[#words + 1] = value
    end
  end
  return run(self, "report", (table.unpack or unpack)(words))
end

--- Has claims find nothing for so many seconds.
---@return string? seconds  for which the fleet is silent now: a longer silence is not cut short
---@return sora.error? err
function Store:hold(seconds) return run(self, "hold", seconds) end

---@return "ended"|"watched"|"unknown"|nil
---@return string|sora.error|nil text  how it ended, the last answer ("": none yet), or the error
function Store:look(id)
  local reply, err = run(self, "look", id)
  if not reply then return nil, err end
  return reply[1], reply[2]
end

---@return boolean? known  whether anything was known of it
---@return sora.error? err
function Store:remove(id)
  local reply, err = run(self, "remove", id)
  if not reply then return nil, err end
  return reply == 1
end

---@return table<string, number>? stats
---@return sora.error? err
function Store:stats()
  local reply, err = run(self, "stats", PATIENCE)
  if not reply then return nil, err end
  local stats = {}
  for i = 1, #reply, 2 do stats[reply[i]] = tonumber(reply[i + 1]) end
  return stats
end

--- A worker has ended.
function Store:leave(worker) return run(self, "leave", worker, FORGOTTEN) end

-- Delivery: a stream of the ids that have ended, for groups of readers.

--- Makes a group, where there is none, that begins with the oldest end that is kept.
---@return boolean? ok
---@return sora.error? err
function Store:make_group(group)
  local reply, err = self.conn:command("XGROUP", "CREATE", self.prefix .. "ends", group, "0",
    "MKSTREAM")
  if not reply and not err.message:find "BUSYGROUP" then return nil, err end
  return true
end

--- Entries of a stream as a list of { entry, id }. One that a reader owes and that was dropped
-- meanwhile has the id "", under which no end is kept: it is acknowledged, and told nobody. (For
-- such a one XAUTOCLAIM of Redis 6.2 has null, without the entry's name: that is left out.)
local function entries_of(reply)
  local list = {}
  for _, entry in ipairs(reply or {}) do
    local fields = entry and entry[2]
    if entry then list[#list + 1] = { entry = entry[1], id = fields and fields[2] or "" } end
  end
  return list
end

--- What a reader has to deliver: from "0" on what it was given before and has not acknowledged;
-- from ">" on what no reader of the group was given yet.
---@return { entry: string, id: string }[]? list
---@return sora.error? err
function Store:read(group, reader, from, count)
  local reply, err = self.conn:command("XREADGROUP", "GROUP", group, reader, "COUNT", word(count),
    "STREAMS", self.prefix .. "ends", from)
  if reply == nil then return nil, err end
  return entries_of(reply and reply[1] and reply[1][2])
end

--- What other readers were given and have not acknowledged for so long, from `cursor` on.
---@return { entry: string, id: string }[]? list
---@return string|sora.error cursor  "0-0": that is all
function Store:take_over(group, reader, idle, cursor, count)
  local reply, err = self.conn:command("XAUTOCLAIM", self.prefix .. "ends", group, reader,
    word(math.ceil(idle * 1000)), cursor, "COUNT", word(count))
  if not reply then return nil, err end
  return entries_of(reply[2]), reply[1]
end

--- How tasks ended; false for one whose end is not kept any more.
---@return (string|false)[]? outcomes
---@return sora.error? err
function Store:outcomes(list)
  local keys = {}
  for i, item in ipairs(list) do keys[i] = self.prefix .. "end:" .. item.id end
  return self.conn:command("MGET", (table.unpack or unpack)(keys))
end

function Store:acknowledge(group, entry)
  return self.conn:command("XACK", self.prefix .. "ends", group, entry)
end

--- Forgets a reader that ends, and others that have been gone for long, where they owe nothing.
function Store:forget_readers(group, reader)
  return run(self, "consumers", group, reader, FORGOTTEN * 1000)
end

-- News

--- Calls fn() whenever something new is known of a task, and when something may have been missed.
---@param inbox sora.inbox  that holds the subscription
function Store:listen(id, fn, inbox)
  return self.conn:subscribe(self.prefix .. "news:" .. id, fn, inbox)
end

--- Calls fn() whenever a task has ended, and when something may have been missed.
function Store:listen_to_ends(fn, inbox)
  return self.conn:subscribe(self.prefix .. "ends", fn, inbox)
end

return M

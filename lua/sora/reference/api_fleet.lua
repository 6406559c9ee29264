---@meta _

-- Fleets, in LuaLS annotations; see api.lua.

-- luacheck: ignore 212 241

-- A fleet -----------------------------------------------------------------------------------------

---What `sora.fleet` returns: many processes and machines share one watch for each task and one
---rate, through Redis. Without Redis, or with one that will not do, each call returns the error;
---what has begun goes on by itself when Redis is back. docs/fleet.md says what is promised.
---@class sora.fleet
local fleet = {}

---Has a task watched, once, from whatever process and however often it is added. How it ended is
---told where that is known; what the fleet gave up is watched anew.
---@param id string  or a task
---@param opts? sora.fleet_add_options
---@return "added"|"watched"|"ended"|nil state  nil on an error
---@return sora.task|sora.error|nil task  that has succeeded; the error where `state` is nil
---@return sora.error? err  how it ended otherwise
function fleet:add(id, opts) end

---Waits in any process for the end of a task that was added. It asks Redis, not the service.
---@param id string  or a task
---@param opts? sora.fleet_wait_options
---@return sora.task? task  as `sora.wait` returns it
---@return sora.error? err  its `not_found` says that the fleet knows no such task
function fleet:wait(id, opts) end

---`fleet:wait` as an iterator, as `sora.watch` is one of `sora.wait`.
---@param id string  or a task
---@param opts? sora.fleet_wait_options
---@return fun(): sora.task?
function fleet:watch(id, opts) end

---Works until `fleet:stop()`: claims what is due, asks the service, reports. Returns the error
---where that cannot begin.
---@param opts? sora.fleet_work_options
---@return boolean? ok
---@return sora.error? err
function fleet:work(opts) end

---Tells of ends until `fleet:stop()`: each at least once to each group, acknowledged when
---`on_result` has returned. An error that this raises ends the call, and the end is told again.
---@param opts sora.fleet_results_options
---@return boolean? ok
---@return sora.error? err
function fleet:results(opts) end

---Ends `work` and `results` of this fleet in this process. What is in flight may come to its end;
---what was claimed and not asked about is given back.
function fleet:stop() end

---Forgets a task: it is not watched any more.
---@param id string  or a task
---@return boolean? known  whether anything was known of it
---@return sora.error? err
function fleet:remove(id) end

---What the fleet does, in figures.
---@return sora.fleet_stats? stats
---@return sora.error? err
function fleet:stats() end

---Ends `work` and `results`, and the connections to Redis.
function fleet:close() end

---Options of `sora.fleet`.
---@class sora.fleet_options
---@field redis string  redis://user:password@host:6379/0, rediss://…, unix:///path
---@field name string  of the fleet, in the names of all its keys
---@field client? sora.client  that asks, and whose host waits; default: the module's
---@field rate? { requests: integer, seconds: number }  of all workers; default: none
---@field lease? number  seconds after which a worker that says nothing has lost a task, default 60
---@field ttl? integer  seconds for which is kept how a task ended, default 86400
---@field interval? number  as of `wait`
---@field max_interval? number  as of `wait`
---@field max_errors? integer  as of `wait`
---@field connect_timeout? number  seconds, for Redis, default 5
---@field command_timeout? number  seconds, for Redis, default 5
---@field on_error? fun(err: sora.error)  told what Redis refuses while `work` and `results` go on

---Options of `fleet:add`.
---@class sora.fleet_add_options
---@field timeout? number  seconds for which the task is wanted, default 1800; the longest counts
---@field data? any  told with the end; what JSON has

---Options of `fleet:wait` and `fleet:watch`.
---@class sora.fleet_wait_options
---@field timeout? number  seconds, default 1800

---Options of `fleet:work`.
---@class sora.fleet_work_options
---@field concurrency? integer  tasks that it holds at once, default 100
---@field drain? number  seconds for what is in flight when it is stopped, default 10

---Options of `fleet:results`.
---@class sora.fleet_results_options
---@field group string  each group is told of each end
---@field on_result fun(id: string, task?: sora.task, err?: sora.error, data: any)
---@field consumer? string  the reader's name, default: one of chance
---@field idle? number  seconds after which another reader is told what this one owes, default 60

---What `fleet:stats` returns.
---@class sora.fleet_stats
---@field watched integer  tasks
---@field due integer  of them, to be asked about now
---@field in_flight integer  held by workers, as they said last
---@field held_back number  seconds of silence that are left after a 429
---@field rate? table  as it was given
---@field workers integer  that live
---@field dead_workers integer  that did not leave and said nothing for 10 seconds
---@field kept integer  ends that readers can be told of
---@field added integer  since the fleet was made, as all that follow
---@field polls integer  answers after which the task went on
---@field succeeded integer
---@field failed integer  as the service said: cancelled tasks and those without a video, too
---@field gave_up integer  timeouts, too many errors
---@field given_back integer  claims that were not used
---@field stale integer  reports that came after another claim
---@field holds integer  how often a 429 has silenced the fleet
---@field here sora.fleet_counts  of this process

---What a fleet has counted in one process.
---@class sora.fleet_counts
---@field polls integer  answers of the service
---@field unused integer  permits that came too late
---@field stale integer
---@field delivered integer  ends that were told and acknowledged
---@field errors integer  of Redis, while `work` and `results` went on

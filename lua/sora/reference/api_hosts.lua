---@meta _

-- What the modules of the hosts have beside the functions of `sora`, and what they lack, in LuaLS
-- annotations; see api.lua.

-- luacheck: ignore 212 241

-- The event loops of hosts ------------------------------------------------------------------------

---`require "resty.sora"`: sora in OpenResty. A call yields the light thread of nginx. Where nginx
---cannot wait, it returns an error of kind `cancelled` that says so. For the rest there are
---ngx.thread.spawn and ngx.sleep.
---@class sora.resty: sora

---`require "sora.cqueues"`: sora for programs on cqueues. A call yields to the controller that runs
---it; outside of every controller it blocks. For the rest there are
---controller:wrap and cqueues.sleep.
---@class sora.cqueues: sora

---`require "sora.luv"`: sora in Neovim, and in programs on luv. Inside a coroutine a call yields
---it. With a function as the last argument, after the options or in their place, it returns a
---handle at once, and the function is called later. The methods of its clients do the same.
---@class sora.luv: sora
local luv = {}

---Who is told of `query`, `wait` and `create`: the error comes first.
---@alias sora.task_callback fun(err?: sora.error, task?: sora.task)

---Who is told of `download`.
---@alias sora.bytes_callback fun(err?: sora.error, bytes?: integer)

---Who is told of `generate`.
---@alias sora.video_callback fun(err?: sora.error, bytes?: integer, task?: sora.task)

---Who is told of `call`.
---@alias sora.answer_callback fun(err?: sora.error, answer?: any)

---Who is told of `query_all` and `wait_all`, of tasks and of errors by id. `err` is only what a
---function among the options has raised.
---@alias sora.tasks_callback fun(err?: any, tasks?: table, errs?: table)

---`sora.query`, with a callback or in a coroutine.
---@overload fun(id: string, callback: sora.task_callback): sora.handle
---@param id string
---@param opts? sora.query_options
---@param callback? sora.task_callback
---@return sora.task|sora.handle|nil task  with a callback the handle
---@return sora.error? err
function luv.query(id, opts, callback) end

---`sora.wait`, with a callback or in a coroutine.
---@overload fun(id: string, callback: sora.task_callback): sora.handle
---@param id string
---@param opts? sora.wait_options
---@param callback? sora.task_callback
---@return sora.task|sora.handle|nil task  with a callback the handle
---@return sora.error? err
function luv.wait(id, opts, callback) end

---`sora.query_all`, with a callback or in a coroutine.
---@overload fun(ids: string[], callback: sora.tasks_callback): sora.handle
---@param ids string[]
---@param opts? sora.query_all_options
---@param callback? sora.tasks_callback
---@return table<string, sora.task>|sora.handle tasks  with a callback the handle
---@return table<string, sora.error>? errs
function luv.query_all(ids, opts, callback) end

---`sora.wait_all`, with a callback or in a coroutine.
---@overload fun(ids: string[], callback: sora.tasks_callback): sora.handle
---@param ids string[]
---@param opts? sora.wait_all_options
---@param callback? sora.tasks_callback
---@return table<string, sora.task>|sora.handle tasks  with a callback the handle
---@return table<string, sora.error>? errs
function luv.wait_all(ids, opts, callback) end

---`sora.download`, with a callback or in a coroutine.
---@overload fun(source: sora.task|string, path: string, callback: sora.bytes_callback): sora.handle
---@param source sora.task|string
---@param path string
---@param opts? sora.download_options
---@param callback? sora.bytes_callback
---@return integer|sora.handle|nil bytes  with a callback the handle
---@return sora.error? err
function luv.download(source, path, opts, callback) end

---`sora.create`, with a callback or in a coroutine.
---@overload fun(body: sora.body|string, callback: sora.task_callback): sora.handle
---@param body sora.body|string
---@param opts? sora.create_options
---@param callback? sora.task_callback
---@return sora.task|sora.handle|nil task  with a callback the handle
---@return sora.error? err
function luv.create(body, opts, callback) end

---`sora.generate`, with a callback or in a coroutine.
---@overload fun(body: sora.body|string, path: string, callback: sora.video_callback): sora.handle
---@param body sora.body|string
---@param path string
---@param opts? sora.generate_options
---@param callback? sora.video_callback
---@return integer|sora.handle|nil bytes  with a callback the handle
---@return sora.task|sora.error|nil task_or_err
function luv.generate(body, path, opts, callback) end

---`sora.call`, with a callback or in a coroutine.
---@overload fun(method: string, path: string, callback: sora.answer_callback): sora.handle
---@param method string
---@param path string
---@param opts? sora.call_options
---@param callback? sora.answer_callback
---@return any answer  with a callback the handle
---@return sora.error? err
function luv.call(method, path, opts, callback) end

---Runs a function in a coroutine of the loop, beside the caller and not before it goes on. An error
---in it is reported, in Neovim as that of any callback.
---@param fn fun(...)
---@param ... any  its arguments
---@return sora.handle handle
function luv.spawn(fn, ...) end

---Yields the coroutine for a while.
---@param seconds number
function luv.sleep(seconds) end

---What ends a call that was given a callback, or a coroutine that was started by `spawn`.
---@class sora.handle
local handle = {}

---Ends the call, whatever it waits for: the callback gets an error of kind `cancelled`. Without
---effect once it has been told. Of a coroutine it ends the call that this waits for, and every
---later one.
function handle:cancel() end

return luv

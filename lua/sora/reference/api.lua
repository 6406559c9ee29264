---@meta _

-- The public functions in LuaLS annotations; their options, and what they return, are in types.lua.
-- This is the one place where they are documented: editors read it (completion, hover), sora.help
-- prints it, make docs renders it, spec/project/api_spec.lua compares it with what there is. Nobody
-- has to load it. The first sentence of a text is its summary; two blanks stand between a type and
-- what is said of it.

-- luacheck: ignore 212 241

---`require "sora"` asks a video-generation service how a task is doing, waits for its end and
---fetches the video. Misuse raises an error where the call stands; everything else that can go
---wrong returns `nil, err`. A call blocks; see `sora.cqueues` and `sora.luv` for what does not.
---@class sora
---@field _VERSION string  such as "sora 0.1.0"
---@field versions table  of libcurl: `built` against, `libcurl` that is linked, its `tls`, `http2`
---@field empty_array table  encoded as `[]`; nothing can be put into it
---@field null lightuserdata  a JSON null, where one is kept; equals `cjson.null` and `ngx.null`
---@field driver sora.driver  what waits in this host; see docs/drivers.md
local sora = {}

-- Calls -------------------------------------------------------------------------------------------

---Asks once how a task is doing. Retries of that one question happen inside.
---@param id string  the task's id
---@param opts? sora.query_options
---@return sora.task? task  the decoded answer, whatever its status; nil on an error
---@return sora.error? err
function sora.query(id, opts) end

---Asks again and again until the task has ended. Bad answers are survived as long as fewer than
---`max_errors` come in a row; that there is no such task is believed when it was said three times
---over 15 seconds; an unknown status means that the task is running.
---@param id string
---@param opts? sora.wait_options
---@return sora.task? task  a succeeded task that has a video URL; nil on an error
---@return sora.error? err  `failed`, `cancelled`, `no_video` and `timeout` carry the last task
function sora.wait(id, opts) end

---Waits as an iterator: `for task in sora.watch(id) do … end`. It yields the task each time that
---its status or progress has changed, the succeeded one last, and raises the error where `wait`
---would return it. A loop that is left early cancels what is in flight: at once in Lua 5.4,
---elsewhere when the iterator is collected.
---@param id string
---@param opts? sora.wait_options
---@return fun(): sora.task?
function sora.watch(id, opts) end

---Asks once about each of many tasks. A duplicate id is asked once.
---@param ids string[]
---@param opts? sora.query_all_options
---@return table<string, sora.task> tasks  by id
---@return table<string, sora.error> errs  by id; every id is in one of the two
function sora.query_all(ids, opts) end

---Waits for many tasks, ten thousand if need be. One failure disturbs no other task. With the
---option `download` their videos are fetched meanwhile.
---@param ids string[]
---@param opts? sora.wait_all_options
---@return table<string, sora.task> tasks  by id
---@return table<string, sora.error> errs  by id; every id is in one of the two
function sora.wait_all(ids, opts) end

---Fetches a video into a file. The bytes go to `path.part`, which is renamed to `path` when it is
---whole; a former part is gone on with where it is provably of this video. The key is sent to the
---origin of `base_url` alone. A dead URL is looked up again, once, when a task or an id was given.
---@param source sora.task|string  a task, the URL of a video, or a task's id
---@param path string  of the file
---@param opts? sora.download_options
---@return integer? bytes  the size of the file; nil on an error
---@return sora.error? err
function sora.download(source, path, opts) end

---Starts a task (`POST`) and returns what the service answers, a task that knows its id. Local
---pictures among `images` become data URIs. It is repeated only where no task can have been made;
---docs/creating.md says more.
---@param body sora.body|string  the fields of the model family, or JSON as text
---@param opts? sora.create_options
---@return sora.task? task  nil on an error
---@return sora.error? err  its `sent` tells whether a task may have been made
function sora.create(body, opts) end

---Creates a task, waits for its end and fetches the video. The options are those of the three.
---@param body sora.body|string
---@param path string  of the file
---@param opts? sora.generate_options
---@return integer? bytes  the size of the file; nil on an error
---@return sora.task|sora.error task_or_err  an error says how far it came: its `step`, its `task`
function sora.generate(body, path, opts) end

---Sends any other request to the service, with the same key and connections, and decodes the
---answer. It is repeated where the method changes nothing, or where `retries` is given.
---@param method string  such as "POST"
---@param path string  behind the base URL, such as "/v1/videos/video_1/remix"
---@param opts? sora.call_options
---@return any? answer  decoded; an empty table where there is no body; nil on an error
---@return sora.error? err
function sora.call(method, path, opts) end

---Makes a client: the calls above as methods, with own defaults and own connections. The functions
---of the module share a client that is made on first use.
---@param opts? sora.client_options
---@return sora.client
function sora.client(opts) end

---Makes a fleet: many processes and machines share one watch for each task and one rate, through
---Redis (6.2 or later, or Valkey). It needs the module sora.redis, which is built where hiredis is.
---@param opts sora.fleet_options
---@return sora.fleet
function sora.fleet(opts) end

-- Reading a task ----------------------------------------------------------------------------------

---What a task's status means. All that is not known to be an end is "running".
---@param task table  a decoded answer, from this decoder or another
---@return "running"|"succeeded"|"failed"|"cancelled"
function sora.status(task) end

---How far a task is. It often jumps, and a failed task may say 1.
---@param task table
---@return number?  0 to 1; nil where the service does not say
function sora.progress(task) end

---The URL of a task's video, wherever the service put it. It is signed: use it byte for byte, and
---keep it out of logs. A path of the relay's own comes with the relay in front; a video inside of
---the answer is a `data:` URI. `download` takes all of them.
---@param task table
---@return string?
function sora.video_url(task) end

---Why a task failed. nil unless its status is "failed": finished tasks carry messages of inner
---retries.
---@param task table
---@return string?
function sora.failure(task) end

---The id in a task's answer, a number as its digits. It may differ from the one that was asked for;
---functions that take a task go on with that one, and it is this where the answer has none.
---@param task table
---@return string?
function sora.id(task) end

---Decodes JSON (RFC 8259, strictly) into Lua values. A null in an object is absent, in an array it
---is `sora.null`; the option `null` keeps them all. Integers are exact.
---@param text string
---@param opts? sora.decode_options
---@return any value  nil on an error
---@return sora.error? err  of kind `decode`; its message says where
function sora.decode(text, opts) end

---Encodes a Lua value as JSON. What `sora.decode` read, it writes: integers exactly, floats with
---the fewest digits that lead back to them, names sorted. A table with the indices 1 to n is an
---array; an empty one is `{}`, unless it was decoded from `[]`, is `sora.empty_array` or carries
---the mark of an array (lua-cjson's `array_mt`, `empty_array_mt`). `sora.null` is null.
---@param value any
---@param opts? sora.encode_options
---@return string? text  nil on an error
---@return sora.error? err  of kind `decode`; it names the place, such as `$.images[3].url`
function sora.encode(value, opts) end

---Verifies a webhook (Standard Webhooks, which OpenAI has as well) and decodes its body: signed by
---one of the secrets, no more than five minutes ago. docs/observing.md says where to call it.
---@param body string  as it came, byte for byte
---@param headers table  by name, in whatever case; `ngx.req.get_headers()`, lua-http's
---@param secret string|string[]  `whsec_…`; several while it is being changed
---@return table? event  decoded; nil on an error
---@return sora.error? err  of kind `api`: forged, too old, or no JSON
function sora.verify_webhook(body, headers, secret) end

-- In a terminal --------------------------------------------------------------------------------

---Makes callbacks that show progress: one line, redrawn in place, on a terminal; plain lines
---elsewhere. Give `on_update` and `on_result` to a wait, `on_progress` to a download.
---@param opts? sora.progress_bar_options
---@return sora.progress_bar bar  also `bar.print(text)` and `bar.finish()`
function sora.progress_bar(opts) end

---Prints a value as a person reads it, an answer above all: a line for each field, tables indented
---below, what one looks for first (id, status, progress) before the rest, which is sorted by name.
---Long strings are cut, and URLs have no query: use the field itself. Colours on a terminal, unless
---`$NO_COLOR` is set.
---@param value any
---@param err? any  shown as well: `sora.show(sora.query(id))` says what went wrong
function sora.show(value, err) end

---Prints a page of this reference. Without a topic it lists them.
---@param topic? string  such as "wait", "options", "max_errors", "no_video"
function sora.help(topic) end

-- A client ----------------------------------------------------------------------------------------

---Connections and defaults of their own. Collected when nobody holds it; `local client <close>`
---works in Lua 5.4.
---@class sora.client
local client = {}

---`sora.query` on this client.
---@param id string
---@param opts? sora.query_options
---@return sora.task? task
---@return sora.error? err
function client:query(id, opts) end

---`sora.wait` on this client.
---@param id string
---@param opts? sora.wait_options
---@return sora.task? task
---@return sora.error? err
function client:wait(id, opts) end

---`sora.watch` on this client.
---@param id string
---@param opts? sora.wait_options
---@return fun(): sora.task?
function client:watch(id, opts) end

---`sora.query_all` on this client.
---@param ids string[]
---@param opts? sora.query_all_options
---@return table<string, sora.task> tasks
---@return table<string, sora.error> errs
function client:query_all(ids, opts) end

---`sora.wait_all` on this client.
---@param ids string[]
---@param opts? sora.wait_all_options
---@return table<string, sora.task> tasks
---@return table<string, sora.error> errs
function client:wait_all(ids, opts) end

---`sora.download` on this client.
---@param source sora.task|string
---@param path string
---@param opts? sora.download_options
---@return integer? bytes
---@return sora.error? err
function client:download(source, path, opts) end

---`sora.create` on this client.
---@param body sora.body|string
---@param opts? sora.create_options
---@return sora.task? task
---@return sora.error? err
function client:create(body, opts) end

---`sora.generate` on this client.
---@param body sora.body|string
---@param path string
---@param opts? sora.generate_options
---@return integer? bytes
---@return sora.task|sora.error task_or_err
function client:generate(body, path, opts) end

---`sora.call` on this client.
---@param method string
---@param path string
---@param opts? sora.call_options
---@return any? answer
---@return sora.error? err
function client:call(method, path, opts) end

---Ends every call that has not returned, as `cancelled`, and all connections, and overwrites the
---key. A closed client raises when used.
function client:close() end

---Counts since the client was made.
---@return sora.stats
function client:stats() end

-- For event loops: a client is pollable as cqueues defines it. docs/drivers.md says how to use it.

---A descriptor that is readable when `client:step` has something to do. It stays the same.
---@return integer? fd  nil where there is none: go by the timeout then
function client:pollfd() end

---What to poll the descriptor for.
---@return "r"
function client:events() end

---How long nothing will have to be done unless the descriptor is readable.
---@return number? seconds  nil: for ever
function client:timeout() end

---Does what can be done without waiting.
function client:step() end

---How many requests have not ended.
---@return integer
function client:in_flight() end

---Ends every call that has not returned, as `cancelled`, also one that sleeps between two polls.
---The client can still be used.
function client:cancel() end

---Has a task asked for at once by every wait of this client that sleeps on it, wherever that
---waits: after a webhook, say. A wait that is asking already goes on as it does, and a service that
---has said 429 is left alone as long as it wants.
---@param id sora.task|string  as the wait was given it
---@return boolean woken  whether a wait slept on it; an id that nobody waits for is no error
function client:wake(id) end

---Whether it was closed.
---@return boolean
function client:closed() end

return sora

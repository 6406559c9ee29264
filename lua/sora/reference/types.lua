---@meta _

-- What goes into the public functions and comes out of them, in LuaLS annotations; see api.lua.

-- luacheck: ignore 212 241

-- Tables ------------------------------------------------------------------------------------------

---The decoded answer of the service: plain nested tables, nothing renamed. Nothing in it is sure to
---be there, `status` included; the functions of the module know where services hide what they say.
---Of an envelope (`{"code":"success","data":{…}}`) it is the innermost table that is the task.
---`tostring` gives one line.
---@class sora.task
---@field id? string  as the service writes it; it may differ from the one that was asked for
---@field status? string  the service's word; `sora.status` says what it means
---@field status_update_time? number  when the status last changed, in milliseconds or seconds
---@field video_url? string  of a finished task; `sora.video_url` finds it elsewhere as well
---@field detail? table  what the upstream said: input, pending_info, draft_info …
---@field [string] any  whatever else was sent

---A new task, for `create` and `generate`: the fields that the families of models know. Whatever
---else is in it is sent as well; which fields a model obeys, its service says.
---@class sora.body
---@field model string  such as "sora-2", "veo3.1-fast"
---@field prompt string
---@field images? string[]  URLs, data URIs, or paths of files, which become data URIs
---@field orientation? "portrait"|"landscape"  sora
---@field size? string  sora: "small", "large"; others: "720P", "1280x720"
---@field duration? integer  sora, grok: seconds
---@field seconds? string  of services that are built as OpenAI's
---@field watermark? boolean  sora
---@field private? boolean  sora
---@field character_url? string  sora: a video with the character in it
---@field character_timestamps? string  sora: from and to which second, such as "1,3"
---@field enhance_prompt? boolean  veo
---@field enable_upsample? boolean  veo
---@field aspect_ratio? string  veo, grok, jimeng: "16:9", "9:16", "1:1"
---@field notify_hook? string  where some services report the end
---@field [string] any

---What went wrong: a table that prints as one line. No text in it holds the key, or the query of
---a URL, where signatures are.
---@class sora.error
---@field kind sora.error_kind
---@field message string
---@field retryable boolean  whether the same call may go well later
---@field id? string  the task that was asked about
---@field status? integer  of HTTP
---@field code? string|number  the service's own code, the innermost
---@field not_found? boolean  true where the service says that it has no such task
---@field page? boolean  true where a page of HTML came in place of an answer
---@field request_id? string  for the service's support
---@field retry_after? number  seconds that the service asked to wait
---@field attempts? integer  how often it was tried
---@field body? string  the beginning of an answer that could not be used
---@field task? sora.task  the last answer that could be read
---@field sent? boolean  of `create` and `call`: some of the request may have reached the service
---@field step? "create"|"wait"|"download"  of `generate`, and of `wait_all` with `download`: where
---@field elapsed? number  seconds of the wait that ended with it
---@field polls? integer  answers in that wait, bad ones included

---The kinds of errors; there are no others.
---@alias sora.error_kind
---| "dns" # the name of the host was not found
---| "connect" # no connection to the host, or none that `private_networks` allows
---| "tls" # no trusted connection: the certificate, its name, or the handshake
---| "timeout" # the time ran out: of one attempt, of the call, or of the wait
---| "network" # the connection broke in the middle of an answer
---| "http" # a status that says no, without an error of the service's own; or a page, or a text
---| "api" # an error of the service's own, whatever the status
---| "decode" # an answer is no JSON object, a text no JSON, or a value cannot be JSON
---| "too_large" # the answer is longer than `max_body`, or the video than `max_size`
---| "cancelled" # by `client:close()`, `client:cancel()` or `on_update`, or at the service
---| "failed" # the task failed; `sora.failure(err.task)` says why
---| "no_video" # the task succeeded, but a URL did not come
---| "io" # a file could not be written
---| "memory" # memory is short

---What `on_update` is told beside the task.
---@class sora.info
---@field id string  that is waited for; the answer may carry another
---@field elapsed number  seconds since the wait began
---@field polls integer  answers so far, bad ones included
---@field next_poll number  seconds until the next question; 0 when there is none
---@field progress? number  0 to 1
---@field eta? number  seconds until the end, by the progress so far

---What `on_attempt` is told of an attempt that is over. No field holds a key, a URL's query or its
---user. docs/observing.md says more.
---@class sora.attempt
---@field id? string  of the task that is asked for; nil of a call
---@field method string  such as "GET"
---@field url? string  without its query
---@field attempt integer  1: the first of its query, create, call or download
---@field status? integer  of HTTP
---@field kind? sora.error_kind  what went wrong; nil: nothing did
---@field bytes integer  of the answer, headers included
---@field http_version? "1.0"|"1.1"|"2"|"3"  nil where no answer came
---@field reused boolean  the connection was there before
---@field next_in? number  seconds until the next attempt or poll; nil: this was the last
---@field seconds sora.attempt_seconds

---How long the phases of an attempt took, in seconds.
---@class sora.attempt_seconds
---@field queue number  until a connection or a stream was free
---@field dns? number  to look up the host; this and the next two of a new connection alone
---@field connect? number
---@field tls? number
---@field first_byte? number  from the attempt's beginning, the queue not included
---@field total number  the same to its end

---What a client has counted.
---@class sora.stats
---@field requests integer  that were started
---@field attempts integer  that were sent
---@field connections integer  that were opened
---@field open_connections integer  now
---@field in_flight integer  requests that have not ended
---@field queued integer  of these, how many wait for a connection or a stream

---What shows progress. Its callbacks are functions, not methods.
---@class sora.progress_bar
---@field on_update fun(task: sora.task, info?: sora.info)  for `wait` and `wait_all`
---@field on_progress fun(received: integer, total?: integer)  for `download`
---@field on_result fun(id: string, task?: sora.task, err?: sora.error)  for `wait_all`, `query_all`
---@field print fun(text: string, stream?: file*)  writes a line of your own above the bar
---@field columns fun(): integer?  that can be written in; nil where the stream is no terminal
---@field finish fun()  leaves the cursor on a clean line

-- Options -----------------------------------------------------------------------------------------

---Options of a client, and of every call on it that sends something. Those of the call win.
---@class sora.request_options
---@field api_key? string  sent as `Authorization: Bearer …`, default `$SORA_API_KEY`
---@field base_url? string  may have a path; default `$SORA_BASE_URL`, else https://az.gptplus5.com
---@field query_path? string  behind it, with the task's `{id}`; default `/v1/video/query?id={id}`
---@field content_path? string  of the video at the relay; default `/v1/videos/{id}/content`
---@field forwarded_host? string  sent as `X-Forwarded-Host`
---@field headers? table<string, string>  further headers of a query; not sent to the video's host
---@field request_timeout? number  seconds for an attempt, default 30; of a download, without a byte
---@field connect_timeout? number  seconds until a connection stands, default 10
---@field retries? integer  further attempts of a query or a download, default 2; of a poll, 0
---@field on_attempt? fun(info: sora.attempt)  told of each attempt when it is over
---@field null? any  decode every null as this value, in objects too; default: absent in objects
---@field max_depth? integer  nested arrays and objects in an answer, default 512
---@field max_body? integer  bytes of an answer, default 16777216
---@field ca_file? string  a file of trusted authorities (PEM) instead of the system's
---@field verify? boolean  check the server's certificate, default true
---@field proxy? string  a URL, default `$https_proxy` and its like; "" is none
---@field user_agent? string  default lua-sora and its version
---@field http_version? "1.1"|"2"|"3"  default: the best that both sides know
---@field max_size? integer  bytes that a video may have; default: any number
---@field private_networks? boolean  let downloads go to private networks, default true
---@field allow_http? boolean  let the key travel over plain http to another machine, default false

---Options of `sora.client`.
---@class sora.client_options: sora.request_options
---@field create_path? string  where tasks are made, default /v1/video/create
---@field max_connections? integer  to one host, default 8; over HTTP/2 many requests share one

---Options of `query`.
---@class sora.query_options: sora.request_options
---@field timeout? number  seconds for the whole call, sleeps included; default none, of waits 1800

---Options of `wait` and `watch`.
---@class sora.wait_options: sora.query_options
---@field interval? number  seconds before the second poll, default 5; later pauses grow
---@field max_interval? number  seconds: no pause grows beyond it, default 30
---@field max_errors? integer  bad answers in a row that end a wait, default 10
---@field on_update? fun(task: sora.task, info: sora.info): boolean?  at each change; false: stop

---Options of `query_all`.
---@class sora.query_all_options: sora.query_options
---@field concurrency? integer  queries in flight at once, default 100
---@field on_result? sora.on_result  told as each task ends

---Options of `wait_all`: those of `wait` and those of `query_all`. With `download` a task has ended
---when its video is there; `on_result` is told the path then, as a fourth argument.
---@class sora.wait_all_options: sora.wait_options, sora.query_all_options
---@field download? string|sora.place  a folder for the videos, or where each goes
---@field downloads? integer  at once, default 4

---Told of the end of a task; `path` is that of the video that was downloaded.
---@alias sora.on_result fun(id: string, task?: sora.task, err?: sora.error, path?: string)

---Where a video goes: the path of its file, or nil for none.
---@alias sora.place fun(id: string, task: sora.task): string?

---Options of `download`.
---@class sora.download_options: sora.query_options
---@field on_progress? fun(received: integer, total?: integer)  ten times a second, in bytes

---Options of `create`.
---@class sora.create_options: sora.query_options
---@field create_path? string  where tasks are made, default /v1/video/create
---@field files? table<string, string>  field -> path: the body is sent as a form, with these files
---@field idempotency_key? string  the same in all attempts, default: one of chance for each call

---Options of `generate`: those of `create`, `wait` and `download`.
---@class sora.generate_options: sora.create_options, sora.wait_options, sora.download_options

---Options of `call`.
---@class sora.call_options: sora.query_options
---@field body? any  a table is sent as JSON, a string as it is
---@field files? table<string, string>  field -> path: the body is sent as a form, with these files
---@field idempotency_key? string  default: one of chance, where the method changes something
---@field query? table<string, any>  added to the path; a list is one pair for each value

---Options of `decode`.
---@class sora.decode_options
---@field null? any  decode every null as this value, in objects too; default: absent in objects
---@field max_depth? integer  nested arrays and objects, default 512

---Options of `encode`.
---@class sora.encode_options
---@field indent? integer  spaces for each level, up to 16, default 0: all in one line
---@field max_depth? integer  nested arrays and objects, default 512

---Options of `progress_bar`.
---@class sora.progress_bar_options
---@field stream? file*  where it is drawn, default io.stderr
---@field quiet? boolean  draw nothing
---@field label? string  instead of the id
---@field tasks? integer  how many there are: one line sums them up
---@field width? integer  columns, default: the terminal's
---@field terminal? boolean  instead of what the stream is

--- The commands and their options: the one table by which the command line is read, and from which
-- --help, the man page and the completions are made.
--
-- An option is { name, what its value is called, kind, text }. Kinds: flag, text, number (above 0),
-- count (whole, above 0), file, list (a text, may be given several times).

local M = {}

M.summary = "makes, follows and fetches videos of a video-generation service"

M.text = {
  "sora starts tasks at a relay that answers GET /v1/video/query, waits for their ends and fetches "
    .. "the videos. Results go to standard output, all else to standard error: on a terminal one "
    .. "line that is redrawn, elsewhere a line for each change.",
  "What is sent again and when, and which answers are an end, is decided by the Lua module of the "
    .. "same name, which this command is written on.",
}

local JSON = { "json", nil, "flag", "events and results, one JSON object a line, no other words" }
local QUIET = { "quiet", nil, "flag", "results and errors only: no progress, no remarks" }
local HELP = { "help", nil, "flag", "print this" }

--- Of every command that asks the service.
local SERVICE = {
  { "base-url", "URL", "text", "the service, instead of $SORA_BASE_URL" },
  { "key-file", "FILE", "file", "a file whose first line is the key, instead of $SORA_API_KEY" },
  { "ca-file", "FILE", "file", "trust the authorities in this file (PEM) instead of the system's" },
  JSON, QUIET, HELP,
}

local TIMEOUT = { "timeout", "SECONDS", "number", "for all of it; default 1800" }
local INTERVAL = { "interval", "SECONDS", "number", "before the second question; default 5" }
local JOURNAL = { "journal", "FILE", "file",
  "keep what is done in this file: the same command goes on where a former run was killed" }

local function with(options, more)
  local list = {}
  for _, option in ipairs(options) do list[#list + 1] = option end
  for _, option in ipairs(more) do list[#list + 1] = option end
  return list
end

---@class sora.command
---@field name string
---@field arguments string  what stands behind it, for people
---@field least integer  arguments
---@field most integer?  arguments; nil: any number
---@field words string[]?  what the first argument may be
---@field kind string?  of its arguments, for completion: "file"
---@field summary string
---@field text string[]  paragraphs
---@field options table[]
---@field example string

---@type sora.command[]
M.list = {
  {
    name = "create", arguments = "PROMPT…", least = 1,
    summary = "start a task; with --out wait for its end and fetch the video",
    text = {
      "Prints the id of the new task, or, with --out, goes on until the video is there. The words "
        .. "of the prompt are joined by blanks; - reads it from standard input.",
      "A task costs money. It is never made twice by itself: with --journal a run that was killed "
        .. "goes on with the task that it has made. Where that run may have made one and did not "
        .. "live to note its id, the next ends with 5 and sends nothing, unless --again is given.",
    },
    options = with({
      { "model", "NAME", "text", "default sora-2" },
      { "image", "FILE|URL", "list", "a picture to begin with; may be given several times" },
      { "set", "NAME=VALUE", "list", "any other field, such as duration=10 or aspect_ratio=16:9" },
      { "out", "FILE|DIR", "file", "wait, and put the video there" },
      TIMEOUT, INTERVAL, JOURNAL,
      { "again", nil, "flag",
        "send once more what may have been made, with the same Idempotency-Key" },
    }, SERVICE),
    example = 'sora create --model veo3.1 "a cat on a skateboard" --image cat.png --out cat.mp4',
  },
  {
    name = "wait", arguments = "ID…", least = 1,
    summary = "wait until tasks have ended; with --out fetch their videos",
    text = {
      "Prints a line for each task as it ends. An id that is - stands for those on standard input, "
        .. "one a line; empty lines and lines that begin with # are skipped.",
      "With --out the videos are fetched meanwhile: into the folder, named after the ids, or, of a "
        .. "single task, into the file. What was cut off is gone on with by the next run.",
    },
    options = with({
      { "out", "DIR|FILE", "file", "put the videos there" },
      TIMEOUT, INTERVAL, JOURNAL,
      { "concurrency", "N", "count", "questions in flight; default 100" },
      { "downloads", "N", "count", "videos that are fetched at once; default 4" },
    }, SERVICE),
    example = "sora wait - --out videos --journal videos.journal < ids.txt",
  },
  {
    name = "query", arguments = "ID…", least = 1,
    summary = "ask once how tasks are doing",
    text = {
      "Prints a line for each task; of a single one all that the service said, URLs cut short. "
        .. "--json has all of it, as it was sent. The exit code is 0 when there was an answer for "
        .. "each, whatever it says. An id that is - stands for those on standard input.",
    },
    options = with({
      { "timeout", "SECONDS", "number", "for all of it; default none" },
    }, SERVICE),
    example = "sora query sora-2:task_01k6x15vhrff09dkkqjrzwhm60",
  },
  {
    name = "download", arguments = "ID|URL FILE", least = 2, most = 2, kind = "file",
    summary = "fetch the video of a finished task, or of a URL",
    text = {
      "The bytes go to FILE.part, which gets its name when it is whole; a part of a former run is "
        .. "gone on with where it is provably of this video.",
    },
    options = with({
      { "timeout", "SECONDS", "number", "for all of it; default none" },
      JOURNAL,
    }, SERVICE),
    example = "sora download sora-2:task_01k6x15vhrff09dkkqjrzwhm60 cat.mp4",
  },
  {
    name = "call", arguments = "METHOD PATH", least = 2, most = 2,
    words = { "GET", "POST", "PUT", "DELETE" },
    summary = "send any other request to the service",
    text = { "Prints the answer as JSON." },
    options = with({
      { "body", "JSON", "text", "what is sent; @FILE: what is in the file, -: standard input" },
      { "query", "NAME=VALUE", "list", "added to the path; may be given several times" },
      { "file", "FIELD=PATH", "list", "send a form with this file; may be given several times" },
      { "timeout", "SECONDS", "number", "for all of it; default none" },
    }, SERVICE),
    example = "sora call GET /v1/dashboard/billing/usage --query start_date=2026-01-01",
  },
  {
    name = "decode", arguments = "[FILE]", least = 0, most = 1, kind = "file",
    summary = "check JSON, strictly, and print it indented",
    text = { "Reads standard input unless a file is named. --json prints it in one line." },
    options = { JSON, HELP },
    example = "curl -s https://example.com/answer | sora decode",
  },
  {
    name = "fleet", arguments = "work", least = 1, most = 1, words = { "work" },
    summary = "work for a fleet, which shares tasks through Redis",
    text = {
      "Claims tasks that others have added, asks the service about them and reports, until Ctrl-C. "
        .. "Any number of workers on any number of machines share the watch of each task, and one "
        .. "rate.",
    },
    options = with({
      { "redis", "URL", "text", "instead of $SORA_REDIS, which alone may have a password in it" },
      { "name", "NAME", "text", "of the fleet" },
      { "concurrency", "N", "count", "tasks that it holds at once; default 100" },
      { "rate", "N", "number", "requests a second of all workers; default none" },
      { "lease", "SECONDS", "number", "after which a silent worker has lost a task; default 60" },
    }, SERVICE),
    example = "sora fleet work --redis redis://redis.internal:6379/0 --name videos",
  },
  {
    name = "completion", arguments = "bash|zsh|fish", least = 1, most = 1,
    words = { "bash", "zsh", "fish" },
    summary = "print a script that completes this command in a shell",
    text = { "make install puts them where the shells look." },
    options = { HELP },
    example = 'eval "$(sora completion bash)"',
  },
  {
    name = "man", arguments = "", least = 0, most = 0,
    summary = "print the manual page, for man -l -",
    text = { "make install puts it where man looks." },
    options = { HELP },
    example = "sora man | man -l -",
  },
  {
    name = "help", arguments = "[COMMAND]", least = 0, most = 1,
    summary = "explain a command",
    text = { "Without one, list them." },
    options = { HELP },
    example = "sora help create",
  },
}

M.environment = {
  { "SORA_API_KEY", "the key; no option takes one, since all users see what is in a command line" },
  { "SORA_BASE_URL", "the service" },
  { "SORA_REDIS", "Redis, for fleets" },
  { "https_proxy, no_proxy", "as of the curl program" },
  { "COLUMNS, NO_COLOR, LANG", "how progress and help are drawn" },
}

--- What --json prints. A journal holds some of these: see report.lua.
M.events = {
  { "begin", "create is about to be sent: key, body, service" },
  { "made", "the new task: id, key" },
  { "unmade", "none was made: key" },
  { "ask", "the first question is on its way: service, tasks (how many)" },
  { "update", "a change: id, status (running, succeeded, failed, cancelled), progress, elapsed" },
  { "attempt", "a request that went wrong: id, kind, status (of HTTP), next_in (seconds)" },
  { "progress", "of a download, once a second: id, received, total (bytes)" },
  { "result", "the end, a good one: id, task, and of a video path and bytes; of call: answer" },
  { "error", "the end, a bad one: id, kind, message, retryable, exit (the exit code); where known "
    .. "status, code, task" },
  { "interrupted", "Ctrl-C: resume says how to go on" },
}

---@param name string
---@return sora.command?
function M.find(name)
  for _, command in ipairs(M.list) do
    if command.name == name then return command end
  end
end

local help = M.find "help"
help.words = {}
for i, command in ipairs(M.list) do help.words[i] = command.name end

return M

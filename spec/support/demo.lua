-- The main job without a key and without a network: starts the stand-in service, runs
-- examples/wait.lua over its sample task, and ends the service. Usage: lua spec/support/demo.lua
-- The service ends with its standard input, so it never outlives this process, however that ends.

local VIDEO = "build/demo.mp4"

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local LUA = quote(arg[-1])

--- Runs a shell command to its end. Ctrl-C ends the command, and this goes on behind it.
---@param command string
---@return integer status  the command's exit status
local function run(command)
  local ok, _, status = os.execute(command)
  if type(ok) == "number" then return math.floor(ok / 256) end -- Lua 5.1
  return status
end

--- Starts the stand-in service.
---@return file* input  closing it ends the service
---@return table<string, string> announced  what it says of itself: base_url, ca_file, sample_id …
local function start_service()
  local mktemp = assert(io.popen("mktemp -d"))
  local folder = mktemp:read("*l")
  mktemp:close()
  local fifo = quote(folder .. "/announcement")
  assert(run("mkfifo " .. fifo) == 0, "no fifo")
  local input = assert(io.popen("exec " .. LUA .. " spec/support/service.lua >" .. fifo, "w"))
  local announced = {}
  for line in io.lines(folder .. "/announcement") do
    local name, value = line:match("^([^=]+)=(.*)$")
    announced[name] = value
    if name == "ready" then break end
  end
  run("rm -r " .. quote(folder))
  return input, announced
end

local input, service = start_service()
local status = 1
if service.ready then
  status = run(table.concat({
    "SORA_API_KEY=stand-in SORA_BASE_URL=" .. quote(service.base_url),
    LUA, "examples/wait.lua", quote(service.sample_id),
    "--ca-file", quote(service.ca_file), "--out", VIDEO,
  }, " "))
end
input:close()
os.exit(status)

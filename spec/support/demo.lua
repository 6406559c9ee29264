-- The main job without a key and without a network: starts the stand-in service, has the command
-- `sora` go from a prompt to a video, and ends the service.
-- Usage: lua spec/support/demo.lua [VIDEO]
-- The service ends with this process, however that ends.

package.path = "./?.lua;" .. package.path

local shell = require "spec.support.shell"
local standin = require "spec.support.standin"

local VIDEO = arg[1] or "build/demo.mp4"

local quote = shell.quote

local service = standin.start()
local status, how, code = os.execute(table.concat({
  "SORA_API_KEY=stand-in SORA_BASE_URL=" .. quote(service.base_url),
  quote(shell.LUA), "bin/sora create 'a cat that plays the piano' --interval 0.5",
  "--ca-file", quote(service.ca_file), "--out", quote(VIDEO),
}, " "))
service:stop()
if type(status) == "number" then -- Lua 5.1
  code, how = math.floor(status / 256), "exit"
end
os.exit(how == "exit" and code or 1)

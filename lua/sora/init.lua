--- require "sora": the plain module. It blocks, as a script wants; inside `sora.run` it does not.

local core = require "sora.core"
local host = require "sora.hosts.module"

local nginx = rawget(_G, "ngx")
local phase = nginx and nginx.get_phase and nginx.get_phase()
if phase and not phase:find "^init" then
  nginx.log(nginx.WARN, 'require "sora" blocks the whole worker whenever it waits; ',
    'require "resty.sora" has the same functions and does not')
end

--- A function of the standalone driver.
local function standalone(name) return host.in_module("sora.hosts.plain", name) end

---@type sora
local sora = host.new {
  now = core.now, park = standalone "park", wake = standalone "wake", attach = standalone "attach",
}
host.add_calls(sora, core.methods, core.default)

sora.query = core.query
sora.client = core.client
sora.run = standalone "run"
sora.spawn = standalone "spawn"
sora.sleep = standalone "sleep"

return sora

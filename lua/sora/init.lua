--- require "sora": the plain module. It blocks, as a script wants.

local core = require "sora.core"
local host = require "sora.hosts.module"

local nginx = rawget(_G, "ngx")
local phase = nginx and nginx.get_phase and nginx.get_phase()
if phase and not phase:find "^init" then
  nginx.log(nginx.WARN, 'require "sora" blocks the whole worker whenever it waits; ',
    'require "resty.sora" has the same functions and does not')
end

---@type sora
local sora = host.module(nil, core.default)
sora.query = core.query

return sora

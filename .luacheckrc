-- What every Lua version has; code that runs on all of them names the rest as it asks for it.
std = "min"
read_globals = {
  "jit", "unpack", "loadstring", "setfenv",
  table = { fields = { "unpack", "pack" } },
}
max_line_length = 100

files["spec"].std = "+busted"

files["lua/resty"].read_globals = { "ngx" }
files["examples/openresty"].globals = { "ngx" }
files["examples/fleet/node.lua"].globals = { "ngx" }
-- These run in Redis.
files["lua/sora/fleet/scripts"].read_globals = { "redis", "KEYS", "ARGV" }
-- The plugin for Neovim, which has LuaJIT.
files["plugin"] = { std = "luajit", globals = { "vim" } }
files["lua/sora_nvim"] = { std = "luajit", globals = { "vim" } }
files["lua/sora/health.lua"] = { std = "luajit", globals = { "vim" } }

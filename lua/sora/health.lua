--- :checkhealth sora. A part of the plugin (sora_nvim), in this folder because Neovim looks for
-- lua/sora/health.lua. sora itself has no module of that name.

local M = {}

local health = vim.health or require "health" -- a global module since Neovim 0.8
local start = health.start or health.report_start
local ok = health.ok or health.report_ok
local warn = health.warn or health.report_warn
local fail = health.error or health.report_error
local info = health.info or health.report_info

--- The C module: Neovim looks below the folders of plugins before it looks where Lua does.
local function core_path()
  return vim.api.nvim_get_runtime_file("lua/sora/core.so", false)[1]
    or package.searchpath("sora.core", package.cpath)
end

local function check_module()
  start "sora: the module"
  local found, sora = pcall(require, "sora.luv")
  if not found then
    local here = vim.api.nvim_get_runtime_file("lua/sora/health.lua", false)[1]
    fail(tostring(sora):match "^[^\n]*", {
      "build it for Neovim: make -C " .. vim.fn.fnamemodify(here, ":h:h:h") .. " nvim",
      "or install it for Lua 5.1, where package.cpath finds it; in a checkout: "
        .. "luarocks --lua-version=5.1 make",
    })
    return nil
  end
  local versions = sora.versions
  ok(("%s, built against libcurl %s"):format(sora._VERSION, versions.built))
  info("loaded from " .. tostring(core_path()))
  info(("linked with libcurl %s, TLS by %s"):format(versions.libcurl, versions.tls))
  if versions.http2 then
    ok "HTTP/2"
  else
    warn "this libcurl has no HTTP/2: it opens more connections"
  end
  info("the loop is libuv " .. (vim.uv or vim.loop).version_string())
  return sora
end

--- Options whose texts hold no secret. (A base URL may hold one: the client tells it, cut out.)
local PUBLIC = {
  ["client.ca_file"] = true, ["body.model"] = true, ["body.aspect_ratio"] = true,
  ["body.size"] = true, ["body.resolution"] = true,
}

--- The name of an option, with its value where that holds no secret.
local function describe(name, value)
  local is_shown = type(value) == "number" or type(value) == "boolean" or PUBLIC[name]
  return is_shown and name .. " = " .. tostring(value) or name
end

--- What setup() was given, one option after the other.
local function describe_all(given)
  local all = {}
  for _, group in ipairs { "client", "wait", "body" } do
    for name, value in pairs(given[group] or {}) do
      all[#all + 1] = describe(group .. "." .. tostring(name), value)
    end
  end
  if given.view then all[#all + 1] = "view = " .. given.view end
  table.sort(all)
  return #all > 0 and table.concat(all, ", ") or "nothing"
end

local function check_key(client_options)
  if client_options.api_key then
    ok "setup() was given a key"
  elseif (os.getenv "SORA_API_KEY" or "") ~= "" then
    ok "$SORA_API_KEY is set"
  else
    warn("there is no key", { "set $SORA_API_KEY, or give setup() the option client.api_key" })
  end
end

local function check_setup(sora)
  start "sora: the service"
  local given = require("sora_nvim").given
  info(given and "setup() was given " .. describe_all(given) or "setup() was not called")
  given = given or {}
  local made, client = pcall(sora.client, given.client)
  if not made then return fail("setup() was given a wrong option: " .. tostring(client)) end
  info("asks " .. tostring(client):match "%((.-), %d+ in flight")
  client:close()
  local right, why = pcall(require "sora.core".options, "wait", given.wait)
  if not right then fail("setup() was given a wrong option: " .. tostring(why)) end
  check_key(given.client or {})
end

local function check_display()
  start "sora: what is seen"
  local message = require("sora_nvim").view() == "message"
  info("progress is shown in " .. (message and "progress messages" or "windows"))
  local opener, why = require("sora_nvim.opener").found()
  if opener then
    ok("videos are opened by " .. opener)
  else
    warn(why, { "the video's address is shown instead", "download it: :Sora {id} {file}" })
  end
end

function M.check()
  local sora = check_module()
  if sora then check_setup(sora) end
  check_display()
end

return M

--- :checkhealth sora. The only file here that is named after the module: Neovim looks for
-- lua/sora/health.lua. It hides nothing, for the module has none of that name.

local M = {}

local health = vim.health or require "health" -- a global module since Neovim 0.8
local start = health.start or health.report_start
local ok = health.ok or health.report_ok
local warn = health.warn or health.report_warn
local fail = health.error or health.report_error
local info = health.info or health.report_info

local function check_module()
  start "sora: the module"
  local found, sora = pcall(require, "sora.luv")
  if not found then
    fail(tostring(sora):match "^[^\n]*", {
      "Neovim loads what is installed for Lua 5.1: luarocks --lua-version=5.1 install sora",
      "package.path and package.cpath must name its folders",
    })
    return nil
  end
  local versions = sora.versions
  ok(("%s, built against libcurl %s"):format(sora._VERSION, versions.built))
  info("loaded from " .. tostring(package.searchpath("sora.core", package.cpath)))
  info(("linked with libcurl %s, TLS by %s"):format(versions.libcurl, versions.tls))
  if versions.http2 then
    ok "HTTP/2"
  else
    warn "this libcurl has no HTTP/2: it opens more connections"
  end
  info("the loop is libuv " .. (vim.uv or vim.loop).version_string())
  return sora
end

local function check_service(sora)
  start "sora: the service"
  local made, client = pcall(sora.client)
  if made then
    info("asks " .. tostring(client):match "%((.-), %d+ in flight")
    client:close()
  else
    fail(client)
  end
  if (os.getenv "SORA_API_KEY" or "") == "" then
    warn("$SORA_API_KEY is not set", { "set it, or give setup() the option client.api_key" })
  else
    ok "$SORA_API_KEY is set"
  end
end

local function check_opener()
  start "sora: videos"
  local opener = vim.fn.has "mac" == 1 and "open" or "xdg-open"
  if vim.ui.open then
    ok "opened by vim.ui.open"
  elseif vim.fn.executable(opener) == 1 then
    ok("opened by " .. opener)
  else
    warn(opener .. " is not there to open a video", { "download it: :Sora {id} {file}" })
  end
end

function M.check()
  local sora = check_module()
  if sora then check_service(sora) end
  check_opener()
end

return M

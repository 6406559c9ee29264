-- luacheck: globals vim
-- Queries inside Neovim, by sora or by the curl program as plenary.curl does it. Neovim has no
-- command line for scripts everywhere, so the words are in $BENCH: sora|curl N URL CA.

local uv = vim.uv or vim.loop
local client_kind, count, url, authorities = vim.env.BENCH:match "^(%S+) (%S+) (%S+) (%S+)$"
count = tonumber(count)

local function query_by_curl(number, continue)
  local parts, output = {}, uv.new_pipe(false)
  local left = 2
  local function ended()
    left = left - 1
    if left > 0 then return end
    output:close()
    vim.schedule(function() continue(vim.fn.json_decode(table.concat(parts))) end)
  end
  local process
  process = uv.spawn("curl", {
    args = {
      "-sS", "--compressed", "--cacert", authorities, "-H", "Authorization: Bearer bench",
      url .. "/v1/video/query?id=sora-2%3Atask_" .. number,
    },
    stdio = { nil, output, nil },
  }, function()
    process:close()
    ended()
  end)
  output:read_start(function(_, bytes)
    if bytes then parts[#parts + 1] = bytes else ended() end
  end)
end

local function finish(ok)
  if not ok then os.exit(1) end
  vim.cmd "qa!"
end

if client_kind == "sora" then
  local client = require("sora.luv").client {
    base_url = url, ca_file = authorities, api_key = "bench",
  }
  local function go(number)
    if number > count then return finish(true) end
    client:query("sora-2:task_" .. number, {}, function(err, task)
      if err or not task.status then return finish(false) end
      go(number + 1)
    end)
  end
  go(1)
else
  local function go(number)
    if number > count then return finish(true) end
    query_by_curl(number, function(task)
      if not task.status then return finish(false) end
      go(number + 1)
    end)
  end
  go(1)
end

-- sora.luv inside Neovim. It loads the module of LuaJIT, so this runs with that one alone.

local contract = require "spec.support.driver_contract"
local neovim = require "spec.support.neovim"
local standin = require "spec.support.standin"

if not jit then return end

local service

--- Runs code that finds `sora`, a client `client`, `id(steps)`, a new id, and `finish()`.
local function run(code, options)
  options = options or {}
  options.env = options.env or {}
  options.env.SORA_BASE_URL, options.env.SORA_CA_FILE = service.base_url, service.ca_file
  options.env.SORA_API_KEY = "sk-neovim"
  options.env.TAG = service:id "":match "~(%d+)"
  return neovim.run([[
    local sora = require "sora.luv"
    local client = sora.client { ca_file = os.getenv "SORA_CA_FILE" }
    local serial = 0
    local function id(steps)
      serial = serial + 1
      return ("sora-2:task_%s~nvim%s-%d"):format(steps, os.getenv "TAG", serial)
    end
  ]] .. code, options)
end

--- What the code said; it ended well and quietly.
local function said(code, options)
  local ended = run(code, options)
  assert.are.equal("", ended.err)
  assert.are.equal(0, ended.code, ended.out)
  return ended.out
end

describe("sora.luv in Neovim", function()
  if not neovim.found() then
    pending "there is no nvim"
    return
  end

  service = standin.shared()

  describe("as a driver:", function()
    contract.specify(function()
      local ended = run [[
        package.path = "./?.lua;" .. package.path
        sora.spawn(function()
          require "spec.support.driver_contract".run {
            sora = sora, base_url = os.getenv "SORA_BASE_URL", ca_file = os.getenv "SORA_CA_FILE",
            tag = "nvim" .. os.getenv "TAG", path = os.getenv "HOME" .. "/video",
            spawn = sora.spawn, sleep = sora.sleep,
            emit = function(line) say(line) end,
          }
          finish()
        end)
      ]]
      return ended.out .. ended.err
    end)
  end)

  it("calls back where the API may be used", function()
    assert.are.equal("queued completed completed\n", said [[
      local seen = {}
      local function see(task)
        seen[#seen + 1] = task.status
        vim.api.nvim_buf_set_lines(0, 0, -1, true, { table.concat(seen, " ") })
      end
      client:wait(id "queued,completed", { interval = 0.05, on_update = see }, function(err, task)
        see(assert(task, err))
        say(vim.fn.getline(1))
        finish()
      end)
    ]])
  end)

  it("resumes a coroutine where the API may be used", function()
    assert.are.equal("succeeded\n", said [[
      coroutine.wrap(function()
        local task = assert(client:query(id "completed"))
        vim.fn.setline(1, sora.status(task))
        say(vim.fn.getline(1))
        finish()
      end)()
    ]])
  end)

  it("may be called where the API may not be used", function()
    assert.are.equal("completed\n", said [[
      local timer = vim.loop.new_timer()
      timer:start(10, 0, function()
        assert(vim.in_fast_event())
        timer:close()
        client:query(id "completed", function(err, task)
          say(err or task.status)
          finish()
        end)
      end)
    ]])
  end)

  it("reports an error in a callback as one of the editor's messages, and goes on", function()
    local ended = run [[
      client:query(id "completed", function() error "mine" end)
      client:query(id "completed;delay=0.3", function(err, task)
        say(err or task.status)
        vim.schedule(function()
          say(vim.fn.execute "messages")
          finish()
        end)
      end)
    ]]
    assert.are.equal(0, ended.code)
    assert.matches("^completed\n", ended.out)
    assert.matches("vim.schedule [^\n]*callback: [^\n]*code.lua:%d+: mine", ended.out)
  end)

  it("shows no message and no failure when the editor quits with queries in flight", function()
    for ending, code in pairs { ["qall!"] = 0, ["3cquit!"] = 3 } do
      local ended = run(([[
        for _ = 1, 100 do client:query(id "never", say) end
        client:wait(id "queued", say)
        client:download(id "never", os.getenv "HOME" .. "/video", say)
        vim.defer_fn(function() vim.cmd %q end, 200)
      ]]):format(ending))
      assert.are.equal(code, ended.code)
      assert.are.equal("", ended.out .. ended.err)
    end
  end)

  it("is called vim.uv where the editor has it", function()
    assert.are.equal("completed\n", said [[
      vim.uv, vim.loop = vim.loop, nil
      package.loaded["sora.luv"] = nil
      require "sora.luv".query(id "completed", { ca_file = os.getenv "SORA_CA_FILE" },
        function(err, task)
          say(err or task.status)
          finish()
        end)
    ]])
  end)

  it("gives the editor its turn after a few of many answers that come at once", function()
    local most = tonumber(said [[
      local left, in_turn, most, turns = 100, 0, 0, vim.loop.new_prepare()
      turns:start(function() in_turn = 0 end)
      for _ = 1, 100 do
        client:query(id "completed;delay=1", function(err)
          assert(not err, tostring(err))
          local busy = os.clock() + 0.001
          repeat until os.clock() >= busy
          left, in_turn = left - 1, in_turn + 1
          most = math.max(most, in_turn)
          if left > 0 then return end
          turns:close()
          say(most)
          finish()
        end)
      end
    ]])
    assert.is_true(most <= 10, most .. " callbacks of a millisecond in one turn")
  end)
end)

-- examples/repl.md: what it types in a REPL is answered as it says.

local files = require "spec.support.files"
local program = require "spec.support.program"
local shell = require "spec.support.shell"
local standin = require "spec.support.standin"

local ID = "sora-2:task_01k6x15vhrff09dkkqjrzwhm60"
local FILE = "examples/repl.md"

-- What the transcript types, and what it shows as the answer to each line.
local function transcript()
  local typed, answers = {}, {}
  for block in files.read(FILE):gmatch("```text\n(.-)```") do
    for line in block:gmatch("[^\n]+") do
      local input = line:match("^> (.*)$")
      if input then
        typed[#typed + 1] = input
        answers[#answers + 1] = ""
      else
        answers[#answers] = answers[#answers] .. line .. "\n"
      end
    end
  end
  return typed, answers
end

describe("the transcript of a session", function()
  local service, folder

  setup(function()
    service = standin.start()
    folder = files.folder()
    -- over plain http: the session trusts no certificate of the stand-in service
    local completed = {
      step = "body",
      text = ('{"id":"$ID","status":"completed","video_url":"%s/assets%%2F1%%2Fsrc.mp4?sig=x"}')
        :format(service.http_url),
    }
    local made = {
      step = "body",
      text = ('{"id":"$ID","model":"veo3.1-fast","status":"completed","progress":100,"detail":{'
        .. '"input":{"prompt":"a cat on a skateboard","images":[]},"pending_info":null},'
        .. '"video_url":"%s/assets%%2F1%%2Fsrc.mp4?sig=x"}'):format(service.http_url),
    }
    service:scripts {
      ["new tasks"] = { "queued", "pending;progress=0.5", made },
      [ID] = { "sample*3", completed },
      ["veo3.1-fast:42"] = { "queued", "pending", completed },
      ["grok:7"] = { "failed" },
      ["vidu:9"] = { "pending" },
    }
  end)

  teardown(function()
    service:stop()
    files.remove(folder)
  end)

  it("is what happens", function()
    local typed, answers = transcript()
    local input = table.concat(typed, "\n"):gsub('"video.mp4"', ("%q"):format(folder .. "/v.mp4"))
    local result = program.run(shell.quote(shell.LUA) .. " spec/support/repl.lua", {
      input = input .. "\n", env = { SORA_API_KEY = "sk-repl", SORA_BASE_URL = service.http_url },
    })
    local output = result.out:gsub("video at 127%.0%.0%.1:%d+", "video at cdn.example")
    output = output:gsub("http://127%.0%.0%.1:%d+", "https://cdn.example")
    output = output:gsub("libcurl [%d.]+ %(.-%)", "libcurl 7.88.1 (OpenSSL/3.0.19)")
    -- Lua 5.5 prints the digits that it takes to read the same number again
    output = output:gsub("%d%." .. ("%d"):rep(14) .. "+", function(float)
      return ("%.14g"):format(float)
    end)
    local place = 0
    for answer in output:gmatch("(.-)\1\n") do
      place = place + 1
      assert.are.equal("> " .. typed[place] .. "\n" .. answers[place],
        "> " .. typed[place] .. "\n" .. answer)
    end
    assert.are.equal(#typed, place)
    assert.are.equal("", result.err)
  end)
end)

-- What is sent to make a task, and the id that comes back.

local bodies = require "sora.creating.body"
local core = require "sora.core"
local files = require "spec.support.files"
local ids = require "sora.creating.ids"

local PICTURES = {
  jpeg = "\255\216\255\224\0\16JFIF\0", png = "\137PNG\r\n\26\n\0\0\0\rIHDR",
  gif = "GIF89a\1\0\1\0",
  webp = "RIFF\26\0\0\0WEBPVP8 ", bmp = "BM\70\0\0\0\0\0", avif = "\0\0\0\28ftypavif\0\0",
  heic = "\0\0\0\24ftypheic\0\0\0\0",
}

local BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

--- RFC 4648, the slow way.
local function from_base64(text)
  local bits, bytes = "", {}
  for letter in text:gsub("=", ""):gmatch "." do
    local value = BASE64:find(letter, 1, true) - 1
    for bit = 5, 0, -1 do
      bits = bits .. (math.floor(value / 2 ^ bit) % 2 == 1 and "1" or "0")
    end
    if #bits >= 8 then
      bytes[#bytes + 1] = string.char(tonumber(bits:sub(1, 8), 2))
      bits = bits:sub(9)
    end
  end
  return table.concat(bytes)
end

local folder

setup(function() folder = files.folder() end)
teardown(function() files.remove(folder) end)

local function picture(name, bytes)
  files.write(folder .. "/" .. name, bytes)
  return folder .. "/" .. name
end

local function sent(body, of_files)
  local payload, wrong = bodies.of_task(body, of_files)
  assert(payload, type(wrong) == "table" and wrong.message)
  return payload
end

local function refused(kind, part, body, of_files)
  local payload, wrong = bodies.of_task(body, of_files)
  assert.is_nil(payload)
  assert.are.equal(kind, wrong.kind)
  assert.is_truthy(wrong.message:find(part, 1, true), wrong.message)
end

describe("the body of a new task", function()
  it("is the table as JSON, or the text as it is", function()
    assert.are.equal('{"duration":10,"images":["https://a.example/"],"model":"m","prompt":"p"}',
      sent { model = "m", prompt = "p", duration = 10, images = { "https://a.example/" } }.body)
    assert.are.equal('{"images":[],"model":"m","prompt":"p"}',
      sent { model = "m", prompt = "p", images = {} }.body)
    local text = ' { "prompt" : "p", "model":"m","seed":12345678901234567890123 }\n'
    assert.are.equal(text, sent(text).body)
  end)

  it("has data URIs in the place of local pictures", function()
    for kind, bytes in pairs(PICTURES) do
      for length = #bytes, #bytes + 4 do
        local whole = bytes .. ("\254"):rep(length - #bytes)
        local uri = core.data_uri(picture("a picture." .. kind, whole), 1000)
        local type_, data = uri:match "^data:image/(%l+);base64,([A-Za-z0-9+/]+=?=?)$"
        assert.are.equal(kind, type_)
        assert.are.equal(0, #data % 4)
        assert.are.equal(whole, from_base64(data))
      end
    end
    local path = picture("cat.png", PICTURES.png)
    local images = { "http://a.example/x", path, "DATA:image/png;base64,AAAA", ("A"):rep(5000) }
    local body = { model = "m", prompt = "p", images = images }
    local list = core.decode(sent(body).body).images
    assert.are.equal(images[1], list[1])
    assert.are.equal(core.data_uri(path, 1000), list[2])
    assert.are.same({ images[3], images[4] }, { list[3], list[4] })
    assert.are.equal(path, body.images[2]) -- what was given is as it was
    body.images = path
    assert.are.equal(list[2], core.decode(sent(body).body).images)
    local text = assert(core.encode { model = "m", prompt = "p", images = { path } })
    assert.are.equal(list[2], core.decode(sent(text).body).images[1])
  end)

  it("names what is wrong with a picture", function()
    local function with(image)
      return { model = "m", prompt = "p", images = { "http://a/", image } }
    end
    refused("io", "images[2]: /nowhere/cat.png: No such file", with "/nowhere/cat.png")
    refused("io", "images[2]: " .. folder .. ": is a folder", with(folder))
    refused("io", "is empty", with(picture("empty.png", "")))
    refused("io", "is no picture that is known", with(picture("text.png", "no picture at all")))
    refused("io", "is no picture that is known", with(picture("a.mp4", "\0\0\0\24ftypisom\0\0")))
    refused("io", "path of a file expected", with "")
    refused("io", "path of a file expected", with "a\0b")
    refused("io", "is no regular file", with "/dev/zero")
    assert.are.same({ nil, "too_large", "is too large" },
      { core.data_uri(picture("cat.png", PICTURES.png), 5) })
  end)

  it("does not wait for a pipe", function()
    local path = folder .. "/pipe.png"
    os.execute("mkfifo " .. path)
    refused("io", "is no regular file", { model = "m", prompt = "p", images = { path } })
  end)

  it("has a model and a prompt", function()
    refused("api", "'prompt'", { model = "m" })
    refused("api", "'prompt'", { model = "m", prompt = " \n" })
    refused("api", "'prompt'", { model = "m", prompt = 7 })
    refused("api", "'model'", { prompt = "p" })
    refused("api", "'model'", '{"prompt":"p","model":null}')
  end)

  it("is an object that JSON can hold", function()
    refused("decode", "body: a JSON object expected", "[1]")
    refused("decode", "body: a JSON object expected", "7")
    refused("decode", "body: expected", "{")
    refused("decode", "at $.options.callback", { model = "m", prompt = "p",
      options = { callback = print } })
    refused("decode", "NaN at $.seed", { model = "m", prompt = "p", seed = 0 / 0 })
    local cycle = { model = "m", prompt = "p" }
    cycle.self = cycle
    refused("decode", "a table within itself at $.self", cycle)
    refused("decode", "ill-formed UTF-8", { model = "m", prompt = "\255" })
  end)

  it("is a form where there are files", function()
    local path = picture("cat.png", PICTURES.png)
    local payload = sent({ model = "m", prompt = "p", seconds = 10, loop = true,
      tags = { "a" }, none = core.null }, { input_reference = path })
    assert.is_nil(payload.body)
    assert.are.same({ { "loop", "true" }, { "model", "m" }, { "prompt", "p" }, { "seconds", "10" },
      { "tags", '["a"]' } }, payload.fields)
    assert.are.same({ { "input_reference", path, 512 * 1024 * 1024 } }, payload.files)
    payload = sent('{"model":"m","prompt":"p"}', { a = path, b = path })
    assert.are.equal(2, #payload.fields)
    assert.are.equal(2, #payload.files)
    refused("io", "files.a: path", { model = "m", prompt = "p" }, { a = 7 })
    refused("io", "files: a name", { model = "m", prompt = "p" }, { "cat.png" })
    refused("decode", "$.x", { model = "m", prompt = "p", list = { x = print } }, { a = path })
  end)
end)

describe("the id of a new task", function()
  it("is found wherever it is", function()
    for text, id in pairs {
      ['{"id":"a:b","status":"pending"}'] = "a:b", ['{"task_id":"a"}'] = "a",
      ['{"code":"success","data":{"task_id":"a"}}'] = "a", ['{"code":"success","data":"a"}'] = "a",
      ['{"data":[{"id":"a"}]}'] = "a", ['{"output":{"task_id":"a"},"request_id":"r"}'] = "a",
      ['{"request_id":"r","id":"a"}'] = "a", ['{"request_id":"r"}'] = "r",
      ['{"request_id":"r","data":{"task_id":"a"}}'] = "a", ['{"request_id":"r","data":"a"}'] = "a",
      ['{"task_id":408914860220871}'] = "408914860220871", ['{"id":""}'] = false,
      ['{"code":"success","data":null}'] = false, ["{}"] = false, ['{"id":{}}'] = false,
      ['{"data":{"request_id":"r"}}'] = "r",
    } do
      assert.are.equal(id or nil, ids.of(core.decode(text)), text)
    end
  end)

  it("may have to be asked for with the model in front", function()
    local client, other = {}, {}
    local function names(id) return { ids.names(client, id) } end
    ids.remember(client, "task_1", "sora-2")
    assert.are.same({ "task_1", "sora-2:task_1" }, names "task_1")
    assert.are.same({ "task_1" }, { ids.names(other, "task_1") })
    ids.keep(client, "task_1")
    assert.are.same({ "sora-2:task_1" }, names "task_1")
    ids.remember(client, "veo:task_2", "veo")
    assert.are.same({ "veo:task_2" }, names "veo:task_2")
    for i = 1, 10001 do ids.remember(client, "t" .. i, "m") end
    assert.are.same({ "t1", "m:t1" }, names "t1")
    for i = 1, 10001 do ids.remember(client, "u" .. i, "m") end
    assert.are.same({ "t1" }, names "t1")
    assert.are.same({ "u10001", "m:u10001" }, names "u10001")
  end)
end)

-- Which URL of an answer is the finished video's, and which texts are URLs at all.

local task = require "sora.answers.task"
local urls = require "sora.answers.urls"

local URL = "https://cdn.example/a%2Fb.mp4?sig=AbC%2Fd%3D"

--- Puts value at "a.b.1" of a new table.
local function at(path, value)
  for key in path:reverse():gmatch("[^.]+") do
    local name = key:reverse()
    value = { [tonumber(name) or name] = value }
  end
  return value
end

--- One of each kind of place.
local PLACES = [[
  video_url videoUrl VideoUrl videoURL upsample_video_url upsampleVideoUrl url URL result_url
  output output.url output.video_url result.video_url result.url result.data.1.url output.1
  output.1.url detail.upsample_video_url detail.url detail.video_url
  detail.draft_info.downloadable_url detail.draft_info.url detail.draft_info.encodings.source.path
  download_url downloadUrl output_url outputUrl file_url play_url hd_video_url video_urls.1
  videoUrls.1 unsigned_urls.1 urls.1 output_urls.1 result_urls.1 resultUrls.1 video video.url
  video.download_url video.uri videos.1 videos.1.url videos.1.video.url video_url.1 video_url.url
  url.1 data.1.url data.1 outputs.1.url result results.1.url creations.1.url generations.1.url
  generations.1.video.url generated_videos.1.video.uri artifacts.1.url works.1.resource.url
  clips.1.video_url samples.1.url content.video_url content.url task_result.videos.1.url
  assets.video assets.1.url file.download_url files.1.url metadata.url metadata.video_url
  metadata.output.url response.videos.1.url
  response.generateVideoResponse.generatedSamples.1.video.uri detail.video_urls.1
  detail.videos.1.url detail.video.url detail.result.url detail.generations.1.url watermarked_url
  watermark_url detail.draft_info.encodings.source_wm.path no_watermark_url no_watermark_video_url
  video_url_no_watermark url_no_watermark unwatermarked_url watermark_free_url clean_url
  download_urls.no_watermark detail.download_urls.no_watermark nwm_video_url data.video_url
  data.output data.data.video_url data.data.content.video_url data.file.download_url
  data.data.data.task_result.videos.1.url]]

--- Places of inputs and thumbnails.
local OTHERS = [[
  image image_url images images.1 images.1.url input input.video_url input.url input.images.1
  req.video_url request.video_url params.video_url param.url prompt prompt_image thumbnail
  thumbnail_url thumbnailUrl cover cover_url poster_url gif_url preview_url last_frame_url
  first_frame_url reference_video reference_images.1 detail.images.1.url detail.input.images.1
  detail.input.video_url detail.req.images.1 detail.req.video_url detail.gif_url
  detail.thumbnail_url detail.draft_info.encodings.thumbnail.path
  detail.draft_info.encodings.md.path detail.draft_info.encodings.gif.path metadata.image_url
  metadata.input.url assets.image assets.thumbnail video.cover_url video.thumbnail_url
  videos.1.cover_url videos.1.input.url output.thumbnail_url output.input.url
  content.1.image_url.url result.cover_url data.images.1.url data.input.video_url callback_url
  webhook_url notify_hook links.self]]

describe("a video's URL", function()
  it("is found in all its places", function()
    for place in PLACES:gmatch("%S+") do
      assert.equal(URL, task.video_url(at(place, URL)), place)
    end
  end)

  it("is never that of an input or a thumbnail", function()
    for place in OTHERS:gmatch("%S+") do
      local answer = at(place, URL)
      answer.status = "completed"
      assert.is_nil(task.video_url(answer), place)
      assert.equal("succeeded", task.status(answer))
    end
  end)

  it("is not that of an element of another kind", function()
    for _, kind in ipairs { "image", "image/png", "IMAGE_URL", "audio", "thumbnail", "cover",
      "input_video", "reference", "first_frame" } do
      for _, field in ipairs { "type", "kind", "role", "mime_type", "contentType" } do
        local list = { { [field] = kind, url = "https://x/other" }, { url = URL } }
        for _, place in ipairs { "outputs", "assets", "data", "content", "results" } do
          assert.equal(URL, task.video_url { status = "done", [place] = list })
        end
        assert.is_nil(task.video_url { status = "done", outputs = { list[1] } })
      end
    end
  end)

  it("is that of a picture only where the field is called a video", function()
    for _, ending in ipairs { "png", "jpg", "JPEG", "webp", "gif?x=1", "avif#x" } do
      local picture = "https://x/a." .. ending
      assert.is_nil(task.video_url { url = picture, output = { picture }, videos = { picture },
        result = { url = picture } })
      assert.equal(picture, task.video_url { video_url = picture })
    end
    assert.equal("https://x/a.mp4?p=b.png", task.video_url { url = "https://x/a.mp4?p=b.png" })
  end)

  it("is rather that of a clean copy", function()
    local marked = "https://x/marked.mp4"
    for _, answer in ipairs {
      { video_url = marked, no_watermark_url = URL },
      { video_url = marked, video_url_no_watermark = URL },
      { url = marked, detail = { download_urls = { watermark = marked, no_watermark = URL } } },
      { videos = { { url = URL, watermark_url = marked } } },
      { videos = { { watermark = true, url = marked }, { url = URL } } },
      { outputs = { { hasWatermark = true, url = marked }, { hasWatermark = false, url = URL } } },
      { creations = { { watermarked_url = marked, url = URL } } },
      { watermarked_url = marked, output = { URL } },
    } do
      assert.equal(URL, task.video_url(answer))
    end
    assert.equal(marked, task.video_url { videos = { { watermark = true, url = marked } } })
  end)

  it("may be JSON text", function()
    for _, text in ipairs { '{"url":"https://x/a.mp4"}', ' ["https://x/a.mp4"]',
      '{"resultUrls":["https://x/a.mp4"]}', '{"video":{"url":"https://x/a.mp4"}}' } do
      assert.equal("https://x/a.mp4", task.video_url { output = text })
      assert.equal("https://x/a.mp4", task.video_url { resultJson = text })
    end
    assert.is_nil(task.video_url { output = '{"images":["https://x/a.mp4"]}' })
    assert.is_nil(task.video_url { output = '{"url":"https://x/a.mp4"' })
  end)

  it("may be a data: URI, and no other scheme", function()
    for _, url in ipairs { "data:video/mp4;base64,AAAA", "DATA:VIDEO/webm,x",
      "data:application/octet-stream;base64,AAAA" } do
      assert.equal(url, task.video_url { video_url = " " .. url .. " " })
      assert.equal("succeeded", task.status { status = "ok", url = url })
    end
    for _, url in ipairs { "data:image/png;base64,AAAA", "data:video/mp4;base64,", "data:,x",
      "javascript:x", "file:///etc/passwd", "gs://bucket/a.mp4", "s3://bucket/a.mp4" } do
      assert.is_nil(task.video_url { video_url = url })
    end
  end)
end)

describe("urls.as_url", function()
  it("resolves what is a path of the relay's own", function()
    for _, row in ipairs {
      { "/v1/videos/x/content", "https://h", "https://h/v1/videos/x/content" },
      { "/v1/videos/x/content?i=0", "https://h:8/r", "https://h:8/r/v1/videos/x/content?i=0" },
      { "/r/v1/videos/x", "https://h/r", "https://h/r/v1/videos/x" },
      { "/static/a.mp4", "https://h/r", "https://h/static/a.mp4" },
      { " `/a` ", "https://h", "https://h/a" },
      { "v1/videos/x/content", "https://h/r", "https://h/r/v1/videos/x/content" },
      { "files/a.mp4", "https://h", "https://h/files/a.mp4" },
      { "//cdn.example/a.mp4", "https://h/r", "https://cdn.example/a.mp4" },
      { "https://x/y", "https://h/r", "https://x/y" },
    } do
      assert.equal(row[3], urls.as_url(row[1], row[2]))
    end
  end)

  it("takes nothing else for one", function()
    for _, text in ipairs { "", "/", "//", "///x", "/ a cat", "a cat", "a/b", "x.mp4", "a/b c.mp4",
      "/a\nb", "ftp://x/y.mp4", "http://", "https:///x" } do
      assert.is_nil(urls.as_url(text, "https://h"))
    end
    for _, value in ipairs { 1, true, {}, print } do
      assert.is_nil(urls.as_url(value, "https://h"))
    end
    assert.is_nil(urls.as_url "/v1/videos/x/content")
  end)
end)

describe("urls.data", function()
  it("decodes what a data: URI holds", function()
    assert.equal("\0\0\0\24ftypisom", urls.data "data:video/mp4;base64,AAAAGGZ0eXBpc29t")
    assert.equal("\0\0\0\24ftypisom", urls.data "DATA:video/mp4;codecs=x;BASE64,AAAAGGZ0eXBpc29t")
    assert.equal("a", urls.data "data:;base64,YQ==")
    assert.equal("ab", urls.data "data:;base64,YWI=")
    assert.equal("ab", urls.data "data:;base64,YWI")
    assert.equal("abc", urls.data "data:;base64,YW\nJj")
    assert.equal("\251\255", urls.data "data:;base64,-_8")
    assert.equal("\251\255", urls.data "data:;base64,%2B%2F8%3D")
    assert.equal("a b,c\0", urls.data "data:video/mp4,a%20b,c%00")
    assert.equal("", urls.data "data:,")
  end)

  it("decodes one of any length", function()
    local bytes = {}
    for i = 1, 10000 do bytes[i] = string.char(i * 7 % 256) end
    local whole = table.concat(bytes)
    local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for length = 9990, 10000 do
      local text = whole:sub(1, length)
      local encoded = text:gsub("..?.?", function(three)
        local a, b, c = three:byte(1, 3)
        local number = a * 65536 + (b or 0) * 256 + (c or 0)
        local four = ""
        for shift = 3, 0, -1 do
          local digit = math.floor(number / 64 ^ shift) % 64
          four = four .. digits:sub(digit + 1, digit + 1)
        end
        return four:sub(1, #three + 1) .. ("="):rep(3 - #three)
      end)
      assert.is_true(text == urls.data("data:video/mp4;base64," .. encoded))
    end
  end)

  it("refuses what is broken", function()
    for _, url in ipairs { "data:;base64,A", "data:;base64,AB*D", "data:;base64,ABCDE",
      "data:video", "https://x", "" } do
      assert.is_nil(urls.data(url))
    end
  end)
end)

rockspec_format = "3.0"
package = "sora"
version = "scm-1"

-- `luarocks make` builds the checkout that it is called in; a release names its archive here.
source = {
  url = "git+file://.",
}

description = {
  summary = "Asks a video-generation service how a task is doing and waits for its end",
  detailed = [[
    A C module on libcurl that queries a task and decodes the JSON answer straight into Lua tables,
    and Lua above it that waits for one task or ten thousand and downloads the videos.]],
  license = "MIT",
  labels = { "http", "json", "video", "curl" },
}

dependencies = {
  "lua >= 5.1, < 5.5",
  "lua-cjson",
}

external_dependencies = {
  CURL = { library = "curl" },
}

-- The Makefile knows the flags (exporting one symbol takes -fvisibility=hidden, which the type
-- "builtin" cannot pass); LuaRocks installs what it built, and the Lua files.
build = {
  type = "make",
  build_target = "build",
  build_variables = {
    BUILD = "build/luarocks",
    CFLAGS = "$(CFLAGS)",
    LIBFLAG = "$(LIBFLAG)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    CURL_CFLAGS = "-I$(CURL_INCDIR)",
    CURL_LIBS = "-L$(CURL_LIBDIR) -lcurl",
  },
  install_pass = false,
  install = {
    lib = {
      ["sora.core"] = "build/luarocks/sora/core.so",
    },
    lua = {
      ["resty.sora"] = "lua/resty/sora.lua",
      ["sora"] = "lua/sora/init.lua",
      ["sora.annotations"] = "lua/sora/annotations.lua",
      ["sora.api"] = "lua/sora/api.lua",
      ["sora.api_hosts"] = "lua/sora/api_hosts.lua",
      ["sora.arguments"] = "lua/sora/arguments.lua",
      ["sora.cqueues"] = "lua/sora/cqueues.lua",
      ["sora.display"] = "lua/sora/display.lua",
      ["sora.download"] = "lua/sora/download.lua",
      ["sora.heap"] = "lua/sora/heap.lua",
      ["sora.help"] = "lua/sora/help.lua",
      ["sora.host"] = "lua/sora/host.lua",
      ["sora.inbox"] = "lua/sora/inbox.lua",
      ["sora.luv"] = "lua/sora/luv.lua",
      ["sora.luv_loop"] = "lua/sora/luv_loop.lua",
      ["sora.many"] = "lua/sora/many.lua",
      ["sora.pace"] = "lua/sora/pace.lua",
      ["sora.poller"] = "lua/sora/poller.lua",
      ["sora.progress_bar"] = "lua/sora/progress_bar.lua",
      ["sora.screen"] = "lua/sora/screen.lua",
      ["sora.standalone"] = "lua/sora/standalone.lua",
      ["sora.task"] = "lua/sora/task.lua",
      ["sora.types"] = "lua/sora/types.lua",
      ["sora.wait"] = "lua/sora/wait.lua",
    },
  },
}

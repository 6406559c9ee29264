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
  "lua >= 5.1, < 5.6",
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
    bin = {
      ["sora"] = "bin/sora",
    },
    lua = {
      ["resty.sora"] = "lua/resty/sora.lua",
      ["sora"] = "lua/sora/init.lua",
      ["sora.reference.annotations"] = "lua/sora/reference/annotations.lua",
      ["sora.reference.api"] = "lua/sora/reference/api.lua",
      ["sora.reference.api_hosts"] = "lua/sora/reference/api_hosts.lua",
      ["sora.hosts.calls"] = "lua/sora/hosts/calls.lua",
      ["sora.hosts.arguments"] = "lua/sora/hosts/arguments.lua",
      ["sora.command.call"] = "lua/sora/command/call.lua",
      ["sora.command.commands"] = "lua/sora/command/commands.lua",
      ["sora.command.completion"] = "lua/sora/command/completion.lua",
      ["sora.command.create"] = "lua/sora/command/create.lua",
      ["sora.command.decode"] = "lua/sora/command/decode.lua",
      ["sora.command.download"] = "lua/sora/command/download.lua",
      ["sora.command.exits"] = "lua/sora/command/exits.lua",
      ["sora.command.files"] = "lua/sora/command/files.lua",
      ["sora.command.follow"] = "lua/sora/command/follow.lua",
      ["sora.command.help"] = "lua/sora/command/help.lua",
      ["sora.command"] = "lua/sora/command/init.lua",
      ["sora.command.journal"] = "lua/sora/command/journal.lua",
      ["sora.command.line"] = "lua/sora/command/line.lua",
      ["sora.command.man"] = "lua/sora/command/man.lua",
      ["sora.command.pages"] = "lua/sora/command/pages.lua",
      ["sora.command.query"] = "lua/sora/command/query.lua",
      ["sora.command.report"] = "lua/sora/command/report.lua",
      ["sora.command.service"] = "lua/sora/command/service.lua",
      ["sora.command.wait"] = "lua/sora/command/wait.lua",
      ["sora.cqueues"] = "lua/sora/cqueues.lua",
      ["sora.terminal.display"] = "lua/sora/terminal/display.lua",
      ["sora.videos.deliveries"] = "lua/sora/videos/deliveries.lua",
      ["sora.creating.body"] = "lua/sora/creating/body.lua",
      ["sora.creating.call"] = "lua/sora/creating/call.lua",
      ["sora.creating.create"] = "lua/sora/creating/create.lua",
      ["sora.creating.generate"] = "lua/sora/creating/generate.lua",
      ["sora.creating.ids"] = "lua/sora/creating/ids.lua",
      ["sora.videos.download"] = "lua/sora/videos/download.lua",
      ["sora.videos.quote"] = "lua/sora/videos/quote.lua",
      ["sora.videos.transfer"] = "lua/sora/videos/transfer.lua",
      ["sora.fleet.scripts.add"] = "lua/sora/fleet/scripts/add.lua",
      ["sora.fleet.scripts.claim"] = "lua/sora/fleet/scripts/claim.lua",
      ["sora.fleet.scripts.consumers"] = "lua/sora/fleet/scripts/consumers.lua",
      ["sora.fleet.scripts.hold"] = "lua/sora/fleet/scripts/hold.lua",
      ["sora.fleet.scripts.leave"] = "lua/sora/fleet/scripts/leave.lua",
      ["sora.fleet.scripts.look"] = "lua/sora/fleet/scripts/look.lua",
      ["sora.fleet.scripts.open"] = "lua/sora/fleet/scripts/open.lua",
      ["sora.fleet.scripts.remove"] = "lua/sora/fleet/scripts/remove.lua",
      ["sora.fleet.scripts.report"] = "lua/sora/fleet/scripts/report.lua",
      ["sora.fleet.scripts.stats"] = "lua/sora/fleet/scripts/stats.lua",
      ["sora.fleet.address"] = "lua/sora/fleet/address.lua",
      ["sora.fleet.connection"] = "lua/sora/fleet/connection.lua",
      ["sora.fleet.line"] = "lua/sora/fleet/line.lua",
      ["sora.fleet.messages"] = "lua/sora/fleet/messages.lua",
      ["sora.waiting.heap"] = "lua/sora/waiting/heap.lua",
      ["sora.reference.help"] = "lua/sora/reference/help.lua",
      ["sora.hosts.module"] = "lua/sora/hosts/module.lua",
      ["sora.hosts.guard"] = "lua/sora/hosts/guard.lua",
      ["sora.hosts.inbox"] = "lua/sora/hosts/inbox.lua",
      ["sora.luv"] = "lua/sora/luv.lua",
      ["sora.hosts.loading"] = "lua/sora/hosts/loading.lua",
      ["sora.hosts.luv_loop"] = "lua/sora/hosts/luv_loop.lua",
      ["sora.waiting.many"] = "lua/sora/waiting/many.lua",
      ["sora.waiting.pace"] = "lua/sora/waiting/pace.lua",
      ["sora.waiting.poller"] = "lua/sora/waiting/poller.lua",
      ["sora.terminal.progress_bar"] = "lua/sora/terminal/progress_bar.lua",
      ["sora.terminal.screen"] = "lua/sora/terminal/screen.lua",
      ["sora.hosts.plain"] = "lua/sora/hosts/plain.lua",
      ["sora.answers.complaints"] = "lua/sora/answers/complaints.lua",
      ["sora.answers.failures"] = "lua/sora/answers/failures.lua",
      ["sora.answers.layers"] = "lua/sora/answers/layers.lua",
      ["sora.answers.origin"] = "lua/sora/answers/origin.lua",
      ["sora.answers.places"] = "lua/sora/answers/places.lua",
      ["sora.answers.progress"] = "lua/sora/answers/progress.lua",
      ["sora.answers.reading"] = "lua/sora/answers/reading.lua",
      ["sora.answers.reasons"] = "lua/sora/answers/reasons.lua",
      ["sora.answers.task"] = "lua/sora/answers/task.lua",
      ["sora.answers.text"] = "lua/sora/answers/text.lua",
      ["sora.answers.urls"] = "lua/sora/answers/urls.lua",
      ["sora.answers.videos"] = "lua/sora/answers/videos.lua",
      ["sora.answers.words"] = "lua/sora/answers/words.lua",
      ["sora.reference.types"] = "lua/sora/reference/types.lua",
      ["sora.waiting.wait"] = "lua/sora/waiting/wait.lua",
      ["sora.health"] = "lua/sora/health.lua",
      ["sora_nvim"] = "lua/sora_nvim/init.lua",
      ["sora_nvim.command"] = "lua/sora_nvim/command.lua",
      ["sora_nvim.job"] = "lua/sora_nvim/job.lua",
      ["sora_nvim.message"] = "lua/sora_nvim/message.lua",
      ["sora_nvim.opener"] = "lua/sora_nvim/opener.lua",
      ["sora_nvim.text"] = "lua/sora_nvim/text.lua",
      ["sora_nvim.window"] = "lua/sora_nvim/window.lua",
    },
  },
  copy_directories = { "plugin", "doc" }, -- of the plugin for Neovim
}

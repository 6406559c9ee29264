rockspec_format = "3.0"
package = "sora-fleet"
version = "scm-1"

-- The second module in C, with which processes of one fleet speak to Redis: for who has hiredis. All
-- of it that is Lua comes with the rock `sora`.
source = {
  url = "git+file://.",
}

description = {
  summary = "What sora.fleet needs beside sora: the connection to Redis, through hiredis",
  license = "MIT",
  labels = { "redis" },
}

dependencies = {
  "lua >= 5.1, < 5.6",
  "sora",
}

external_dependencies = {
  HIREDIS = { header = "hiredis/hiredis.h", library = "hiredis" },
}

build = {
  type = "make",
  build_target = "fleet",
  build_variables = {
    BUILD = "build/luarocks-fleet",
    CFLAGS = "$(CFLAGS)",
    LIBFLAG = "$(LIBFLAG)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    HIREDIS = "hiredis",
    HIREDIS_CFLAGS = "-I$(HIREDIS_INCDIR)",
    HIREDIS_LIBS = "-L$(HIREDIS_LIBDIR) -lhiredis",
  },
  install_pass = false,
  install = {
    lib = {
      ["sora.redis"] = "build/luarocks-fleet/sora/redis.so",
    },
  },
}

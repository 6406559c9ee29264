# Build of sora. `make help` lists the targets.
#
# LUA names the interpreter and with it the headers and the folder: lua5.4 (default), lua5.3, lua5.1, luajit.
# Headers and libcurl are found by pkg-config; LUA_INCDIR=dir, CURL_CFLAGS=… and CURL_LIBS=… replace it.
# CFLAGS and LDFLAGS are the user's. WERROR=1 makes warnings errors. SANITIZE=address,undefined builds with
# these sanitizers into a folder of its own.

LUA = lua5.4
LUAS = lua5.4 lua5.3 lua5.1 luajit
SPECS = spec

CC = cc
CFLAGS = -O2 -g
PKG_CONFIG = pkg-config

PREFIX = /usr/local
INST_LUADIR = $(PREFIX)/share/lua/$(LUA_ABI)
INST_LIBDIR = $(PREFIX)/lib/lua/$(LUA_ABI)

comma := ,
BUILD = build/$(notdir $(LUA))$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
MODULE = $(BUILD)/sora/core.so

# 5.1 for LuaJIT.
LUA_ABI = $(shell $(LUA) -e 'io.write(_VERSION:match("%d+%.%d+"))')

# Distributions call the same file lua5.4.pc, lua-5.4.pc or lua54.pc.
lua_names = $(notdir $(LUA)) $(LUA:lua5.%=lua-5.%) $(LUA:lua5.%=lua5%)
lua_pc = $(firstword $(foreach name,$(lua_names),$(shell $(PKG_CONFIG) --exists $(name) && echo $(name))))
lua_cflags = $(if $(LUA_INCDIR),-I$(LUA_INCDIR),$(shell $(PKG_CONFIG) --cflags \
  $(or $(lua_pc),$(error no headers for $(LUA): install its development package or set LUA_INCDIR))))

CURL_CFLAGS = $(shell $(PKG_CONFIG) --cflags libcurl)
CURL_LIBS = $(or $(shell $(PKG_CONFIG) --libs libcurl), \
  $(error no libcurl: install its development package or set CURL_CFLAGS and CURL_LIBS))

warnings = -Wall -Wextra -Wpedantic -Wshadow -Wconversion $(if $(WERROR),-Werror)
sanitizers = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer)

# The interpreter brings Lua's own functions, so the module is not linked with them.
ifeq ($(shell uname -s),Darwin)
LIBFLAG = -bundle -undefined dynamic_lookup
else
LIBFLAG = -shared -Wl,--as-needed
endif

compile = $(CC) -std=c11 -D_GNU_SOURCE -pthread -fPIC -fvisibility=hidden $(warnings) $(sanitizers) \
  $(lua_cflags) $(CURL_CFLAGS) $(CPPFLAGS) $(CFLAGS)
link = $(CC) -pthread $(sanitizers) $(CFLAGS) $(LIBFLAG) $(LDFLAGS)
commands = $(compile) $(link) $(objects) $(CURL_LIBS)

sources = $(wildcard csrc/*.c)
objects = $(sources:csrc/%.c=$(BUILD)/obj/%.o)
lua_files = $(shell cd lua && find . -name '*.lua')

## build: build the module for LUA into build/ (the default target)
.PHONY: build
build: $(MODULE)

$(MODULE): $(objects)
	@mkdir -p $(@D)
	$(link) -o $@ $(objects) $(CURL_LIBS)

$(BUILD)/obj/%.o: csrc/%.c $(BUILD)/obj/command
	$(compile) -MMD -MP -c -o $@ $<

# Holds the commands that made the module: other flags, another compiler or one file less build it anew.
$(BUILD)/obj/command: FORCE
	@mkdir -p $(@D)
	@echo '$(commands)' | cmp -s - $@ || echo '$(commands)' > $@

.PHONY: FORCE
FORCE:

-include $(objects:.o=.d)

## env: print the shell commands that put this checkout on Lua's path: eval "$(make -s env)"
.PHONY: env
env:
	@printf '%s\n' 'export LUA_PATH='\''$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;'\''"$${LUA_PATH:-;}"'
	@printf '%s\n' 'export LUA_CPATH='\''$(CURDIR)/$(BUILD)/?.so;'\''"$${LUA_CPATH:-;}"'

## install: install into PREFIX (/usr/local), or INST_LUADIR and INST_LIBDIR; DESTDIR is honoured
.PHONY: install
install: build
	@for file in $(lua_files:./%=%); do \
	  install -d "$(DESTDIR)$(INST_LUADIR)/$$(dirname "$$file")" && \
	  install -m 644 "lua/$$file" "$(DESTDIR)$(INST_LUADIR)/$$file" || exit 1; \
	done
	install -d "$(DESTDIR)$(INST_LIBDIR)/sora"
	install -m 755 $(MODULE) "$(DESTDIR)$(INST_LIBDIR)/sora/core.so"

## clean: remove all that was built
.PHONY: clean
clean:
	rm -rf build

## help: list the targets
.PHONY: help
help:
	@sed -n 's/^## \([a-z-]*\): \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "  make %-15s %s\n", $$1, $$2 }'

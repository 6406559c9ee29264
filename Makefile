# Build of sora. `make help` lists the targets.
#
# LUA names the interpreter, and with it the headers and the folder below build/: lua5.4 (default),
# lua5.3, lua5.1 or luajit. pkg-config finds the headers and libcurl, unless LUA_INCDIR, CURL_CFLAGS
# and CURL_LIBS say where they are. CPPFLAGS, CFLAGS and LDFLAGS are the user's. WERROR=1 makes
# warnings errors. SANITIZE=address,undefined builds with these into a folder of its own.

LUA = lua5.4
LUAS = lua5.4 lua5.3 lua5.1 luajit $(notdir $(shell command -v lua5.5))
# Files, folders, or a set that has a name below: core, transfers.
SPECS = spec
specs = $(or $($(SPECS)_specs),$(SPECS))
# For test.sh and the specs, which call it again.
export MAKE

CC = cc
CFLAGS = -O2 -g
PKG_CONFIG = pkg-config

PREFIX = /usr/local
INST_LUADIR = $(PREFIX)/share/lua/$(LUA_ABI)
INST_LIBDIR = $(PREFIX)/lib/lua/$(LUA_ABI)
INST_BINDIR = $(PREFIX)/bin
INST_SHAREDIR = $(PREFIX)/share

comma := ,
BUILD = build/$(notdir $(LUA))$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
MODULE = $(BUILD)/sora/core.so
COMMAND = $(BUILD)/bin/sora

# 5.1 for LuaJIT.
LUA_ABI = $(shell $(LUA) -e 'io.write(_VERSION:match("%d+%.%d+"))')

# known NAME: itself, where pkg-config knows it. Before the first set-up there may be no pkg-config.
known = $(shell $(PKG_CONFIG) --exists $1 2>/dev/null && echo $1)

# Distributions call the same file lua5.4.pc, lua-5.4.pc or lua54.pc.
lua_names = $(notdir $(LUA)) $(LUA:lua5.%=lua-5.%) $(LUA:lua5.%=lua5%)
lua_pc = $(firstword $(foreach name,$(lua_names),$(call known,$(name))))
lua_cflags = $(if $(LUA_INCDIR),-I$(LUA_INCDIR),$(shell $(PKG_CONFIG) --cflags \
  $(or $(lua_pc),$(error no headers for $(LUA): install their package or set LUA_INCDIR))))

CURL_CFLAGS = $(shell $(PKG_CONFIG) --cflags libcurl)
CURL_LIBS = $(or $(shell $(PKG_CONFIG) --libs libcurl), \
  $(error no libcurl: install its headers or set CURL_CFLAGS and CURL_LIBS))

# Whose HMAC verifies webhooks: what has headers here of what libcurl may have its TLS from.
MAC = $(firstword $(call known,libcrypto) $(call known,gnutls))
mac_cflags = $(if $(MAC),-DSORA_MAC_$(MAC) $(shell $(PKG_CONFIG) --cflags $(MAC)))
mac_libs = $(if $(MAC),$(shell $(PKG_CONFIG) --libs $(MAC)))

warnings = -Wall -Wextra -Wpedantic -Wshadow -Wconversion $(if $(WERROR),-Werror)
sanitizers = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer \
  -fno-sanitize-recover=undefined)

# The interpreter brings Lua's own functions, so the module is not linked with them.
ifeq ($(shell uname -s),Darwin)
LIBFLAG = -bundle -undefined dynamic_lookup
else
LIBFLAG = -shared -Wl,--as-needed
endif

compile = $(CC) -std=c11 -D_GNU_SOURCE -Icsrc -pthread -fPIC -fvisibility=hidden $(warnings) \
  $(sanitizers) $(lua_cflags) $(CURL_CFLAGS) $(CPPFLAGS) $(CFLAGS)
link = $(CC) -pthread $(sanitizers) $(CFLAGS) $(LIBFLAG) $(LDFLAGS)
commands = $(compile) $(mac_cflags) $(link) $(objects) $(CURL_LIBS) $(mac_libs) $(redis_link)

sources = $(filter-out csrc/fleet/%,$(wildcard csrc/*/*.c))
headers = $(wildcard csrc/*.h csrc/*/*.h)
objects = $(sources:csrc/%.c=$(BUILD)/obj/%.o)
rockspec = sora-scm-1.rockspec
fleet_rockspec = csrc/fleet/sora-fleet-scm-1.rockspec
lua_files = $(shell cd lua && find . -name '*.lua')

# The second module, of a fleet: built where hiredis is, unless HIREDIS= says that it is not wanted.
# It has objects of the first in it, which know nothing of each other's copies.
HIREDIS = $(call known,hiredis)
HIREDIS_CFLAGS = $(addprefix -I,$(shell $(PKG_CONFIG) --variable=includedir $(HIREDIS)))
HIREDIS_LIBS = $(shell $(PKG_CONFIG) --libs $(HIREDIS))
# TLS is in a library beside hiredis, from 1.0 on.
HIREDIS_TLS = $(and $(HIREDIS),$(call known,hiredis_ssl openssl))
tls_libs = $(if $(HIREDIS_TLS),$(shell $(PKG_CONFIG) --libs hiredis_ssl openssl))
REDIS = $(if $(HIREDIS),$(BUILD)/sora/redis.so)
redis_sources = $(wildcard csrc/fleet/*.c)
redis_own = $(redis_sources:csrc/%.c=$(BUILD)/obj/%.o)
redis_objects = $(redis_own) $(BUILD)/obj/lua/metatable.o \
  $(addprefix $(BUILD)/obj/transfer/,array.o backoff.o pollset.o process.o sigpipe.o thread.o \
  text.o timers.o)
redis_link = $(if $(HIREDIS),$(HIREDIS_CFLAGS) $(redis_objects) $(HIREDIS_LIBS) $(tls_libs))

## build: build the modules for LUA into build/ (the default target)
.PHONY: build
build: $(MODULE) $(REDIS) $(COMMAND)

## fleet: build the module for Redis alone, which `build` does as well where hiredis is
.PHONY: fleet
fleet: $(REDIS)
	@: $(if $(REDIS),,$(error no hiredis: set HIREDIS, HIREDIS_CFLAGS and HIREDIS_LIBS))

$(MODULE): $(objects)
	@mkdir -p $(@D)
	$(link) -o $@ $(objects) $(CURL_LIBS) $(mac_libs)

$(BUILD)/obj/lua/mac.o: CPPFLAGS += $(mac_cflags)

$(redis_own): CPPFLAGS += $(HIREDIS_CFLAGS) $(if $(HIREDIS_TLS),-DSORA_REDIS_TLS)

$(BUILD)/sora/redis.so: $(redis_objects)
	@mkdir -p $(@D)
	$(link) -o $@ $(redis_objects) $(tls_libs) $(HIREDIS_LIBS) -lm

$(BUILD)/obj/%.o: csrc/%.c $(BUILD)/obj/command
	@mkdir -p $(@D)
	$(compile) -MMD -MP -c -o $@ $<

# Holds the commands that made the module: when flags, compiler or files change, it is built anew.
$(BUILD)/obj/command: FORCE
	@mkdir -p $(@D)
	@echo '$(commands)' | cmp -s - $@ || echo '$(commands)' > $@

.PHONY: FORCE
FORCE:

# script LUADIR,LIBDIR: the command, with its interpreter and the folders of its modules in it.
script = { echo '\#!$(shell command -v $(LUA))'; \
  echo 'package.path = "$1/?.lua;$1/?/init.lua;" .. package.path'; \
  echo 'package.cpath = "$2/?.so;" .. package.cpath'; sed 1d bin/sora; }

$(COMMAND): FORCE
	@mkdir -p $(@D)
	@$(call script,$(CURDIR)/lua,$(CURDIR)/$(BUILD)) > $@ && chmod 755 $@

-include $(objects:.o=.d) $(redis_own:.o=.d)

## env: print what puts this checkout on Lua's path: eval "$(make -s env)"
.PHONY: env
env:
	@: $(info export $(lua_path))$(info export $(lua_cpath))

# Shell words that put this checkout before what the variables already hold, or before the defaults.
lua_path = $(call before,LUA_PATH,$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua)
lua_cpath = $(call before,LUA_CPATH,$(CURDIR)/$(BUILD)/?.so)
before = $(call versioned,$1)='$2;'"$${$(call versioned,$1):-;}"

# Lua 5.2 and later read LUA_PATH_5_4 and its like instead, where they are set.
versioned = $(if $($1_$(subst .,_,$(LUA_ABI))),$1_$(subst .,_,$(LUA_ABI)),$1)

## run: install, build, and make a stand-in video; with ID=… wait for a real one, with PROMPT=… make it
.PHONY: run
run:
	@sh spec/support/setup.sh $(if $(ID)$(PROMPT),build,run) $(LUA)
	@$(MAKE) -s build
	@eval "$$($(MAKE) -s env)"; \
	if [ "$$ID" ]; then $(COMMAND) wait "$$ID" --out .; \
	elif [ "$$PROMPT" ]; then $(COMMAND) create "$$PROMPT" --out .; \
	else $(LUA) spec/support/demo.lua; fi

## test: install what the specs need and run SPECS (all; core, transfers) under each of LUAS (all)
.PHONY: test
test:
	@sh spec/support/setup.sh test $(LUAS)
	@for lua in $(LUAS); do $(MAKE) -s LUA=$$lua build || exit 1; done
	@sh spec/support/test.sh "$(specs)" $(LUAS)

## test-on: run SPECS under LUAS in another Debian, SUITE=trixie or forky, unpacked into build/; as root
.PHONY: test-on
test-on:
	@sh spec/support/test_on.sh "$(or $(SUITE),$(error which SUITE?))" "$(specs)" \
	  $(if $(filter command environment,$(firstword $(origin LUAS))),$(LUAS))

neovim_specs = $(wildcard spec/hosts/neovim*_spec.lua)

# What depends on libcurl's version, and on hosts.
transfers_specs = $(patsubst %,spec/%_spec.lua,transfer/client transfer/request transfer/queue \
  waiting/wait waiting/many videos/download world/faults world/servers hosts/module hosts/luv \
  hosts/cqueues hosts/openresty) $(neovim_specs)

## test-oldest: run SPECS (those of transfers) with libcurl 7.74, Debian 11's, unpacked into build/
.PHONY: test-oldest
test-oldest: LUAS = lua5.4
test-oldest:
	@sh spec/support/setup.sh test $(LUAS)
	@flags=$$(sh spec/support/oldest_curl.sh build/libcurl-7.74) && [ -z "$$flags" ] || \
	  eval $(MAKE) -s test LUAS=$(LUAS) BUILD=build/$(LUAS)-oldest $$flags \
	  SPECS="'$(or $(SPECS:spec=),transfers)'"

## test-portable: run the specs of the client with poll(2) in place of epoll
.PHONY: test-portable
test-portable:
	@$(MAKE) -s test LUAS=lua5.4 BUILD=build/lua5.4-poll CPPFLAGS="$(CPPFLAGS) -DSORA_POLLSET_POLL" \
	  SPECS="$(patsubst %,spec/transfer/%_spec.lua,client core request)"

## lint: luacheck; the format of the C files and the rockspec, where the tools are there
.PHONY: lint
lint:
	luacheck -q $(wildcard bin/* lua plugin spec examples docs) .busted $(rockspec) $(fleet_rockspec)
	@sh spec/support/check_includes.sh
	@if command -v clang-format; then clang-format --dry-run -Werror $(sources) $(redis_sources) $(headers); fi
	@if command -v luarocks; then luarocks lint $(rockspec) && luarocks lint $(fleet_rockspec); fi

## check-warnings: build with gcc and with clang, warnings being errors
.PHONY: check-warnings
check-warnings:
	@for lua in lua5.4 luajit; do for cc in gcc clang; do \
	  $(MAKE) -s LUA=$$lua CC=$$cc WERROR=1 BUILD=build/warnings/$$cc-$$lua build || exit 1; \
	done; done

# C helpers of the specs.
$(BUILD)/support/%.so: spec/support/%.c $(BUILD)/obj/command
	@mkdir -p $(@D)
	$(compile) $(LIBFLAG) -o $@ $< $(filter %.o,$^) -ldl

# The file of a download and the rules around it need nothing else.
part_objects = $(addprefix $(BUILD)/obj/transfer/,part.o part_file.o memo.o range.o sync.o \
  thread.o content.o address.o process.o)
$(BUILD)/support/parts.so: spec/support/parts.c $(part_objects)
	@mkdir -p $(@D)
	$(compile) $(LIBFLAG) -o $@ $< $(part_objects)

$(BUILD)/support/lenient.so: $(filter $(BUILD)/obj/json/%,$(objects))

# Programs of the specs that hold a Lua of their own.
programs = $(addprefix $(BUILD)/support/,torture threads)
$(programs): $(BUILD)/support/%: spec/support/%.c $(BUILD)/obj/command
	@mkdir -p $(@D)
	$(compile) $(LDFLAGS) -rdynamic -o $@ $< -pthread $(shell $(PKG_CONFIG) --libs $(lua_pc)) -lm -ldl

# Without Lua.
$(BUILD)/support/queue_simulation: spec/support/queue_simulation.c $(BUILD)/obj/transfer/queue.o
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -Icsrc $(warnings) $(sanitizers) $(CFLAGS) -o $@ $^

$(BUILD)/support/connections: spec/support/connections.c $(BUILD)/obj/transfer/connections.o \
  $(BUILD)/obj/transfer/array.o
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -Icsrc $(warnings) $(sanitizers) $(CFLAGS) -o $@ $^

$(BUILD)/support/siphash: spec/support/siphash.c csrc/transfer/siphash.c $(BUILD)/obj/command
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -Icsrc $(warnings) $(sanitizers) $(CFLAGS) -o $@ $<

$(BUILD)/support/carrier: spec/support/carrier.c $(BUILD)/obj/command
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(warnings) $(CFLAGS) -o $@ $<

## support: build what specs need in C, and say where; they ask for it themselves
.PHONY: support
support: $(addprefix $(BUILD)/support/,clock.so failing_allocator.so hooks.so intruder.so lenient.so \
  no_files.so parts.so restless.so unix.so carrier connections queue_simulation \
  siphash) $(programs)
	@: $(info $(BUILD)/support/)

# What a change most likely breaks: queries good and bad, waiting, decoding, closing, downloading;
# what answers say; and the lists that a new file, function or option has to be in.
check_specs = $(filter-out spec/world/%,$(core_specs)) $(patsubst %,spec/%_spec.lua,\
  $(addprefix answers/,task words cases) waiting/poller $(addprefix videos/,part range) \
  $(addprefix hosts/,module inbox plain) creating/body terminal/progress_bar \
  $(addprefix project/,api docs rockspec))

## check: in two minutes what a change breaks most: warnings, lint, the specs nearest to it
.PHONY: check
check:
	@sh spec/support/setup.sh test lua5.4 luajit
	@if command -v luacheck >/dev/null; then $(MAKE) -s lint; fi
	@$(MAKE) -s test WERROR=1 LUAS="lua5.4 luajit" SPECS=check

## check-all: what .ci/run has no time for: all specs in other Debians and beneath checkers; hours
.PHONY: check-all
check-all:
	@.ci/run rest

## conformance: decode the files of the JSON test suite in the folder SUITE under each of LUAS
.PHONY: conformance
conformance:
	@for lua in $(LUAS); do \
	  $(MAKE) --no-print-directory LUA=$$lua build && \
	  ( eval "$$($(MAKE) -s env LUA=$$lua)"; $$lua spec/json/conformance.lua "$(SUITE)" ) || exit 1; \
	done

## bench-wait: wait for 10,000 tasks of the stand-in service at once, 5 % of its answers faulty
.PHONY: bench-wait
bench-wait: build
	@eval "$$($(MAKE) -s env)"; $(LUA) spec/bench/wait_all.lua

## bench-fleet: what a fleet of four workers takes, with 100,000 tasks, alone and beside a million that sleep
.PHONY: bench-fleet
bench-fleet: build
	@eval "$$($(MAKE) -s env)"; $(LUA) spec/bench/fleet.lua

# Programs in C of the benchmarks.
build/bench/%: spec/bench/peers/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -O2 $(warnings) $(CURL_CFLAGS) -o $@ $< $(CURL_LIBS)

build/bench/floor: spec/bench/peers/floor.c spec/bench/peers/libcurl.c
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -O2 $(warnings) $(lua_cflags) $(CURL_CFLAGS) -Icsrc -rdynamic -o $@ $< \
	  $(shell $(PKG_CONFIG) --libs $(lua_pc)) $(CURL_LIBS)

## bench-scale: wait_all of 100 to 100,000 tasks; TASKS=numbers of them
.PHONY: bench-scale
bench-scale: build
	@sh spec/support/setup.sh test $(LUA) luajit
	@eval "$$($(MAKE) -s env)"; $(LUA) spec/bench/scale.lua $(TASKS)

BENCH = --page docs/performance.md --picture docs/performance.svg

## bench: compare with a bare C program and with what else there is, in turns; BENCH=its options
.PHONY: bench
bench: build build/bench/libcurl build/bench/floor build/bench/measure
	@sh spec/support/setup.sh test $(LUA) luajit
	@if command -v nvim >/dev/null; then $(MAKE) -s LUA=luajit build; fi
	@eval "$$($(MAKE) -s env)"; unset CURL_CA_BUNDLE SSL_CERT_FILE; \
	SSL_CERT_DIR=$(CURDIR)/build/bench/authorities $(LUA) spec/bench/run.lua $(BENCH)

## check-instructions: fail where a core path takes 5 % more instructions than is known; UPDATE=update
.PHONY: check-instructions
check-instructions: build build/bench/libcurl build/bench/floor
	@eval "$$($(MAKE) -s env)"; CFLAGS="$(CFLAGS)" $(LUA) spec/bench/instructions.lua $(UPDATE)

portable = build/portable-$(notdir $(LUA))

## bench-decode: time decoder and encoder beside all the others that LUA finds
.PHONY: bench-decode
bench-decode: build
	@$(MAKE) --no-print-directory BUILD=$(portable) CPPFLAGS=-DSORA_NO_SIMD build
	@eval "$$($(MAKE) -s env)"; $(LUA) spec/bench/decode.lua $(portable)/sora/core.so

small_sizes = -DWINDOW_FIRST=16 -DWINDOW_MAX=24 -DFRAMES_FIRST=4 -DSCRATCH_FIRST=32
decoder_specs = spec/json

## test-decode: run the decoder's specs without SIMD, and with buffers that are soon full
.PHONY: test-decode
test-decode:
	@$(MAKE) --no-print-directory test-variant VARIANT=portable CPPFLAGS=-DSORA_NO_SIMD
	@$(MAKE) --no-print-directory test-variant VARIANT=small CPPFLAGS="$(small_sizes)"

.PHONY: test-variant
test-variant: BUILD = build/$(VARIANT)-$(notdir $(LUA))
test-variant:
	@$(MAKE) --no-print-directory BUILD=$(BUILD) build
	@eval "$$($(MAKE) -s env BUILD=$(BUILD))"; $(LUA) spec/support/runner.lua \
	  $(BUILD)/counts $(decoder_specs)

SECONDS = 60
FUZZ_CC = clang
fuzz_sources = $(filter csrc/json/%.c,$(sources))
fuzz_compile = $(FUZZ_CC) -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined \
  -fno-sanitize-recover=undefined $(lua_cflags) -Icsrc $(small_sizes)
# The portable scanner beside the one with SIMD: their results are compared.
fuzz_portable = -DSORA_NO_SIMD $(foreach name,space plain unescape expected flat_rest,\
  -Dsora_scan_$(name)=portable_scan_$(name))

build/fuzz/decode: spec/fuzz/decode.c $(fuzz_sources) $(headers)
	@mkdir -p $(@D)
	$(fuzz_compile) $(fuzz_portable) -c -o build/fuzz/portable_scan.o csrc/json/scan.c
	$(fuzz_compile) -o $@ spec/fuzz/decode.c build/fuzz/portable_scan.o $(fuzz_sources) \
	  $(shell $(PKG_CONFIG) --libs $(lua_pc)) -pthread

# All of the module: what is not looked at takes part.
build/fuzz/headers build/fuzz/options: build/fuzz/%: spec/fuzz/%.c $(sources) $(headers)
	@mkdir -p $(@D)
	$(fuzz_compile) -D_GNU_SOURCE $(CURL_CFLAGS) -o $@ $< $(sources) \
	  $(shell $(PKG_CONFIG) --libs $(lua_pc)) $(CURL_LIBS) -pthread

fuzz_limits = -max_total_time=$(SECONDS) -max_len=4096 -timeout=10 -print_final_stats=1 -verbosity=0 \
  -artifact_prefix=build/fuzz/

## fuzz: fuzz the decoder, an answer's headers and option tables, each for SECONDS (60)
.PHONY: fuzz
fuzz: build/fuzz/decode build/fuzz/headers build/fuzz/options
	@$(LUA) spec/fuzz/seeds.lua build/fuzz/corpus
	build/fuzz/decode $(fuzz_limits) -dict=spec/fuzz/json.dict build/fuzz/corpus
	@mkdir -p build/fuzz/corpus-headers build/fuzz/corpus-options
	build/fuzz/headers $(fuzz_limits) build/fuzz/corpus-headers spec/fuzz/headers
	build/fuzz/options $(fuzz_limits) build/fuzz/corpus-options spec/fuzz/options

pages = README.md $(wildcard docs/*.md docs/internals/*.md) examples/repl.md SECURITY.md \
  CHANGELOG.md
html = pandoc --from gfm --to html5 --standalone --toc --css style.css \
  --include-before-body build/docs/navigation.html

## docs: render the reference, this README and the guides into build/docs, with pandoc
.PHONY: docs
docs:
	@sh spec/support/setup.sh docs $(LUA)
	@rm -rf build/docs && mkdir -p build/docs
	@$(LUA) docs/render.lua build/docs $(pages)
	@for page in build/docs/*.md; do \
	  $(html) --metadata pagetitle="sora: $$(basename "$$page" .md)" -o "$${page%md}html" "$$page" && \
	  rm "$$page" || exit 1; \
	done
	@rm build/docs/navigation.html && cp docs/style.css build/docs
	@echo build/docs/index.html

# Not beneath a checker: what busted's tag "unchecked" marks, for the reason that stands there;
# torture, which brings a malloc of its own; openresty, neovim and readme, which start hosts that have
# LuaJIT in them; build, which looks at a plain build.
unchecked = safety/torture hosts/openresty hosts/openresty_example hosts/openresty_callbacks \
  project/readme project/build
every_spec = $(filter-out $(unchecked:%=spec/%_spec.lua) $(neovim_specs),\
  $(wildcard spec/*/*_spec.lua))
# Queries good and bad, waiting, decoding, closing, downloading.
core_specs = $(patsubst %,spec/%_spec.lua,$(addprefix transfer/,core request client options url \
  headers queue) answers/query safety/secrets waiting/wait videos/download json/decode json/number \
  world/hostile)
checked = bash spec/support/checked.sh $1 "$(if $(SPECS:spec=),$(specs),$2)"

## test-asan: run SPECS (nearly all; core) under AddressSanitizer, LeakSanitizer and UBSan
.PHONY: test-asan
test-asan: LUAS = lua5.4 luajit
test-asan:
	@sh spec/support/setup.sh test $(LUAS)
	@$(call checked,asan,$(every_spec)) $(LUAS)

## test-valgrind: run SPECS (those of the core) under valgrind
.PHONY: test-valgrind
test-valgrind:
	@sh spec/support/setup.sh valgrind $(LUA)
	@$(call checked,valgrind,$(core_specs)) $(LUA)

## test-tsan: eight Lua states on eight threads under ThreadSanitizer
.PHONY: test-tsan
test-tsan:
	@sh spec/support/setup.sh run $(LUA)
	@$(MAKE) -s LUA=$(LUA) SANITIZE=thread build support >/dev/null
	@eval "$$($(MAKE) -s env LUA=$(LUA) SANITIZE=thread)"; \
	$(LUA) spec/support/threads_check.lua \
	  build/$(notdir $(LUA))-thread/support/threads

# The torture has a Lua state of its own, in which memory is short enough; what is tagged "unchecked"
# measures time or memory of sora's own.
## test-gc: run SPECS (all: some 4 minutes for each of LUAS) with a collector that never rests
.PHONY: test-gc
test-gc: LUAS = lua5.4 luajit
test-gc:
	@sh spec/support/setup.sh test $(LUAS)
	@for lua in $(LUAS); do $(MAKE) -s LUA=$$lua build support >/dev/null || exit 1; done
	@LUA_INIT=@$(CURDIR)/spec/support/greedy.lua sh spec/support/test.sh \
	  "--helper=spec/support/greedy.lua --exclude-pattern=torture --exclude-tags=unchecked $(SPECS)" \
	  $(LUAS)

analyzed = $(sources) $(if $(HIREDIS),$(redis_sources)) $(wildcard spec/support/*.c spec/fuzz/*.c spec/bench/peers/*.c)

## analyze: gcc's analyzer, clang-tidy and cppcheck over all C files, which have to be quiet
.PHONY: analyze
analyze:
	@sh spec/support/setup.sh analyze $(LUA)
	@$(MAKE) --no-print-directory -j "$$(nproc)" CC=gcc analyze-all

.PHONY: analyze-all
analyze-all: $(analyzed:%=$(BUILD)/analyzed/%)
	@cppcheck --quiet --error-exitcode=1 --enable=warning,portability,performance --inline-suppr \
	  --suppress=toomanyconfigs $(analyzed) # too many to try all of them, which is no fault

$(BUILD)/analyzed/%: % $(headers) .clang-tidy Makefile
	@mkdir -p $(@D)
	@$(compile) -fanalyzer -Werror -c -o $@ $<
	@clang-tidy --quiet $< -- -std=c11 -D_GNU_SOURCE -Icsrc $(lua_cflags) $(CURL_CFLAGS) \
	  2>/dev/null || { rm $@; false; } # how many warnings in system headers it does not show

SERVERS =
## servers: print how many answers of each size come whole from SERVERS (all of build/servers)
.PHONY: servers
servers: build
	@sh spec/support/setup.sh test $(LUA)
	@eval "$$($(MAKE) -s env)"; $(LUA) spec/support/servers/table.lua $(SERVERS)

QUERIES = 1000000
WAITS = 100000
## soak: QUERIES (1000000) and WAITS (100000) against the stand-in service with 2 % faults
.PHONY: soak
soak: build
	@eval "$$($(MAKE) -s env)"; $(LUA) spec/support/soak.lua $(QUERIES) $(WAITS)

TASKS = 1000
## chaos: SECONDS (120) of random kills over a fleet's TASKS (1000), and the verdict; KILLS=200: of workers alone
.PHONY: chaos
chaos: SECONDS = 120
chaos: build
	@sh spec/support/setup.sh test $(LUA)
	@eval "$$($(MAKE) -s env)"; \
	$(LUA) spec/support/chaos.lua $(SECONDS) $(TASKS) $(or $(SEED),0) $(KILLS)

## install: install below DESTDIR and PREFIX (/usr/local): modules, the command, man page, completions
.PHONY: install
install: build
	@for file in $(lua_files:./%=%); do \
	  install -d "$(DESTDIR)$(INST_LUADIR)/$$(dirname "$$file")" && \
	  install -m 644 "lua/$$file" "$(DESTDIR)$(INST_LUADIR)/$$file" || exit 1; \
	done
	install -d "$(DESTDIR)$(INST_LIBDIR)/sora"
	install -m 755 $(MODULE) $(REDIS) "$(DESTDIR)$(INST_LIBDIR)/sora"
	install -d "$(DESTDIR)$(INST_BINDIR)"
	@$(call script,$(INST_LUADIR),$(INST_LIBDIR)) > $(BUILD)/installed
	install -m 755 $(BUILD)/installed "$(DESTDIR)$(INST_BINDIR)/sora"
	@$(call shared,man,man/man1/sora.1)
	@$(call shared,completion bash,bash-completion/completions/sora)
	@$(call shared,completion zsh,zsh/site-functions/_sora)
	@$(call shared,completion fish,fish/vendor_completions.d/sora.fish)

# shared WORDS,PATH: what the command prints, as a file below INST_SHAREDIR.
shared = $(COMMAND) $1 > $(BUILD)/shared && \
  install -d "$(DESTDIR)$(INST_SHAREDIR)/$(dir $2)" && \
  install -m 644 $(BUILD)/shared "$(DESTDIR)$(INST_SHAREDIR)/$2" && rm $(BUILD)/shared

## dist: pack what is committed, and a rockspec for it, into build/dist; URL= where the archive will be
version = $(shell sed -n 's/^M.VERSION = "sora \(.*\)"/\1/p' lua/sora/hosts/module.lua)
release = build/dist/sora-$(version)
# Where the project will live; this one is nobody's (RFC 2606).
HOMEPAGE = https://sora.example
URL = $(HOMEPAGE)/releases/sora-$(version).tar.gz
# The same commit gives the same bytes, whoever packs it, where and when.
.PHONY: dist version
version:
	@: $(info $(version))

dist:
	@mkdir -p build/dist
	git -c tar.umask=0022 archive --format=tar --prefix=sora-$(version)/ HEAD | gzip -9n > $(release).tar.gz
	git show HEAD:$(rockspec) | sed -e 's|"scm-1"|"$(version)-1"|' \
	  -e 's|"git+file://."|"$(URL)"|' -e 's|branch = "main"|tag = "v$(version)"|' \
	  -e 's|https://sora.example|$(HOMEPAGE)|' > $(release)-1.rockspec

# Neovim looks for a C module below lua/ of each plugin. It is built elsewhere, so that nothing else is
# left in the plugin's folder, and put there by a rename: the editor may have the former one loaded.
# LuaJIT has the interface of Lua 5.1: either's headers will do.
nvim_lua = $(if $(LUA_INCDIR),luajit,$(firstword $(foreach lua,luajit lua5.1,\
  $(foreach name,$(lua) $(lua:lua5.%=lua-5.%) $(lua:lua5.%=lua5%),$(if $(call known,$(name)),$(lua)))) luajit))

## nvim: build lua/sora/core.so, with which this checkout is a plugin for Neovim
.PHONY: nvim
nvim:
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	$(MAKE) -s -j "$$(getconf _NPROCESSORS_ONLN)" LUA=$(nvim_lua) BUILD="$$scratch" "$$scratch/sora/core.so" && \
	cp "$$scratch/sora/core.so" lua/sora/core.so.new && mv lua/sora/core.so.new lua/sora/core.so

## clean: remove all that was built
.PHONY: clean
clean:
	rm -rf build

## help: list the targets
.PHONY: help
help:
	@sed -n 's/^## \([^:]*\): /  make \1:/p' Makefile | \
	  awk -F: '{ printf "%-27s", $$1; sub(/[^:]*:/, ""); print }'

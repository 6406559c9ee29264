/*
 * An interpreter whose memory runs out when it is told to: torture SCRIPT [ARGUMENT …]
 *
 * It takes the place of malloc for the whole process, libcurl and OpenSSL included, and gives Lua
 * an allocator of its own, so that the n-th request of either can be refused. What is freed is
 * overwritten, and what grows moves, so that a stale pointer shows. Needs glibc. Of the faults that
 * this finds in libcurl and OpenSSL three end the process: known_faults.h tells them. The rest is
 * one file because it is one program, which nothing of sora is linked into.
 *
 * The script gets the module "torture":
 *   attempt(which, n, mode, fn, …)   calls fn(…); from the moment of the call, request n (from 0,
 *     of "c" or "lua" memory; below 0: none) is refused, and all that follow (mode "on"), or only
 *     that one (mode "once"; for Lua the next as well, as Lua collects garbage and asks again).
 *     → outcome ("returned", "memory", "raised"), number of requests, the values
 *   load(which, n, mode)   the same for `require "sora"` in a new Lua state, which afterwards is
 *     asked once more and closed → outcome, number of requests, outcome of asking again, bytes of
 *     Lua memory that were not given back
 *   child(fn, …)   calls fn(…) in a forked process → "ok", or how that ended
 *   leave(n)   ends that process with "left n"; "left 2" is a crash of OpenSSL's own in its set-up
 *   live()   → blocks of C memory in use, bytes of Lua memory in use
 *   label(text)   what a crash or a hang (a call of more than 20 s) is reported with
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

#include "compat.h"

#include "known_faults.h"

#ifndef __clang__ /* gcc's analyzer takes what malloc itself returns for lost */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

#define EXPORT __attribute__((visibility("default")))

enum {
  LONGEST_CALL = 20, /* seconds */
  LEFT = 100,        /* exit status of a child that leaves with 0 */
  OPENSSL = 2,       /* what it leaves with when OpenSSL crashed by itself */
  MOST_FRAMES = 60   /* of a crash that are told */
};

struct memory {
  atomic_long requests; /* since the call began */
  atomic_long first;    /* the first one that is refused, below 0: none */
  long last;            /* and the last one */
  atomic_long live;
};

static struct memory c_memory = {.first = -1}, lua_memory = {.first = -1};
static char label[200];

/* Counts a request; returns whether it is refused. */
static int refused(struct memory *memory) {
  long number = atomic_fetch_add(&memory->requests, 1);
  long first = atomic_load(&memory->first);
  return first >= 0 && number >= first && number <= memory->last;
}

/* Whether refusing that request would only show a fault that is known, and none of ours. */
static int is_spared(void) {
  void *frames[MOST_FRAMES];
  int count = backtrace(frames, MOST_FRAMES);
  return is_session_of_libcurl(frames, count) || is_connect_state_of_openssl(frames, count);
}

/* ---- malloc and its family ---- */

/* NOLINTBEGIN(bugprone-reserved-identifier): glibc's own names */
EXPORT void *__libc_malloc(size_t size);
EXPORT void *__libc_memalign(size_t alignment, size_t size);
EXPORT void __libc_free(void *block);
/* NOLINTEND(bugprone-reserved-identifier) */

static void *acquire(size_t alignment, size_t size) {
  if (refused(&c_memory) && !is_spared()) {
    errno = ENOMEM;
    return NULL;
  }
  void *block = alignment ? __libc_memalign(alignment, size) : __libc_malloc(size);
  if (block != NULL)
    atomic_fetch_add(&c_memory.live, 1);
  return block;
}

EXPORT void *malloc(size_t size) {
  void *block = acquire(0, size);
  if (block != NULL)
    memset(block, 0xA5, size);
  return block;
}

EXPORT void *calloc(size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes))
    return NULL;
  void *block = acquire(0, bytes);
  return block == NULL ? NULL : memset(block, 0, bytes);
}

EXPORT void free(void *block) {
  int failure = errno;
  if (block == NULL)
    return;
  memset(block, 0xDB, malloc_usable_size(block));
  atomic_fetch_sub(&c_memory.live, 1);
  __libc_free(block);
  errno = failure;
}

EXPORT void *realloc(void *block, size_t size) {
  if (block == NULL)
    return malloc(size);
  if (size == 0) {
    free(block);
    return NULL;
  }
  void *moved = acquire(0, size);
  if (moved == NULL)
    return NULL;
  size_t old = malloc_usable_size(block);
  memcpy(moved, block, old < size ? old : size);
  free(block);
  return moved;
}

EXPORT void *memalign(size_t alignment, size_t size) {
  return acquire(alignment, size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size) {
  return acquire(alignment, size);
}

EXPORT int posix_memalign(void **block, size_t alignment, size_t size) {
  *block = acquire(alignment, size);
  return *block == NULL ? ENOMEM : 0;
}

/* ---- Lua's memory ---- */

static void *lua_allocate(void *data, void *block, size_t old_size, size_t size) {
  (void)data;
  if (block == NULL)
    old_size = 0;
  if (size > old_size && refused(&lua_memory))
    return NULL;
  void *moved = NULL;
  if (size > 0) {
    moved = __libc_malloc(size);
    if (moved == NULL)
      return NULL;
    memset(moved, 0xA5, size);
    if (block != NULL)
      memcpy(moved, block, old_size < size ? old_size : size);
  }
  if (block != NULL) {
    memset(block, 0xDB, old_size);
    __libc_free(block);
  }
  atomic_fetch_add(&lua_memory.live, (long)size - (long)old_size);
  return moved;
}

/* LuaJIT on x64 without GC64 takes no allocator: its own keeps to the lowest 2 GiB. */
static lua_State *new_state(void) {
  lua_State *L = lua_newstate(lua_allocate, NULL);
  return L != NULL ? L : luaL_newstate();
}

/* ---- the module ---- */

struct plan {
  struct memory *memory;
  long first, last;
};

/* Reads which, n and mode from the stack at `index` and up. */
static struct plan read_plan(lua_State *L, int index) {
  static const char *const kinds[] = {"c", "lua", NULL}, *const modes[] = {"once", "on", NULL};
  int is_lua = luaL_checkoption(L, index, NULL, kinds);
  struct plan plan = {.memory = is_lua ? &lua_memory : &c_memory,
                      .first = (long)luaL_checkinteger(L, index + 1)};
  int on = luaL_checkoption(L, index + 2, NULL, modes);
  plan.last = on ? INTPTR_MAX : plan.first + is_lua;
  return plan;
}

static void begin(const struct plan *plan) {
  alarm(LONGEST_CALL);
  plan->memory->last = plan->last;
  atomic_store(&plan->memory->requests, 0);
  atomic_store(&plan->memory->first, plan->first);
}

static long finish(const struct plan *plan) {
  atomic_store(&plan->memory->first, -1);
  alarm(0);
  return atomic_load(&plan->memory->requests);
}

static const char *outcome(int status) {
  if (status == 0)
    return "returned";
  return status == LUA_ERRMEM ? "memory" : "raised";
}

static int attempt(lua_State *L) {
  struct plan plan = read_plan(L, 1);
  luaL_checktype(L, 4, LUA_TFUNCTION);
  luaL_checkstack(L, 40, "too many values");
  int count = lua_gettop(L) - 4;
  begin(&plan);
  int status = lua_pcall(L, count, LUA_MULTRET, 0);
  long requests = finish(&plan);
  lua_pushstring(L, outcome(status));
  lua_replace(L, 2);
  lua_pushinteger(L, requests);
  lua_replace(L, 3);
  return lua_gettop(L) - 1;
}

/* Loads the module; raises unless it is one. */
static int require_sora(lua_State *L) {
  lua_getglobal(L, "require");
  lua_pushliteral(L, "sora");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "query");
  luaL_checktype(L, -1, LUA_TFUNCTION);
  return 0;
}

static void copy_path(lua_State *from, lua_State *to, const char *name) {
  lua_getglobal(from, "package");
  lua_getfield(from, -1, name);
  lua_getglobal(to, "package");
  lua_pushstring(to, lua_tostring(from, -1));
  lua_setfield(to, -2, name);
  lua_pop(to, 1);
  lua_pop(from, 2);
}

/* lua-cjson, which the decoder looks for, ends the process when it gets no memory. */
static void hide_cjson(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "loaded");
  lua_newtable(L);
  lua_setfield(L, -2, "cjson");
  lua_pop(L, 2);
}

/* Lua 5.1 takes a module whose loading has failed for one that is being loaded. */
static void forget_modules(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "loaded");
  for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (strncmp(name, "sora", 4) == 0) {
      lua_pushnil(L);
      lua_setfield(L, -4, name);
    }
  }
  lua_pop(L, 2);
}

static int load(lua_State *L) {
  struct plan plan = read_plan(L, 1);
  char again[200] = "returned";
  long before = atomic_load(&lua_memory.live);
  lua_State *other = new_state();
  if (other == NULL)
    return luaL_error(L, "no state");
  luaL_openlibs(other);
  hide_cjson(other);
  copy_path(L, other, "path");
  copy_path(L, other, "cpath");
  lua_pushcfunction(other, require_sora); /* for asking again: made while there is memory */
  lua_pushcfunction(other, require_sora);
  begin(&plan);
  int status = lua_pcall(other, 0, 0, 0);
  long requests = finish(&plan);
  const char *how = outcome(status);
  if (status == LUA_ERRRUN && strstr(lua_tostring(other, -1), "not enough memory") != NULL)
    how = outcome(LUA_ERRMEM);
  if (status != 0)
    lua_pop(other, 1);
  forget_modules(other);
  if (lua_pcall(other, 0, 0, 0) != 0)
    snprintf(again, sizeof again, "%s", lua_tostring(other, -1));
  lua_close(other);
  long left = atomic_load(&lua_memory.live) - before;
  lua_pushstring(L, how);
  lua_pushinteger(L, requests);
  lua_pushstring(L, again);
  lua_pushinteger(L, left);
  return 4;
}

/* Prints the error on top of the stack. */
static void print_error(lua_State *L) {
  lua_getglobal(L, "tostring");
  lua_insert(L, -2);
  lua_call(L, 1, 1);
  fprintf(stderr, "%s\n", lua_tostring(L, -1));
}

static int child(lua_State *L) {
  int status;
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    alarm(LONGEST_CALL);
    status = lua_pcall(L, lua_gettop(L) - 1, 0, 0);
    if (status != 0) {
      fprintf(stderr, "%s: ", label);
      print_error(L);
    }
    _exit(status != 0);
  }
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  if (WIFEXITED(status) && WEXITSTATUS(status) >= LEFT)
    lua_pushfstring(L, "left %d", WEXITSTATUS(status) - LEFT);
  else if (WIFSIGNALED(status))
    lua_pushfstring(L, "killed by signal %d", WTERMSIG(status));
  else if (WEXITSTATUS(status) != 0)
    lua_pushfstring(L, "exit status %d", WEXITSTATUS(status));
  else
    lua_pushliteral(L, "ok");
  return 1;
}

static int leave(lua_State *L) {
  _exit(LEFT + (int)luaL_checkinteger(L, 1));
}

static int live(lua_State *L) {
  lua_pushinteger(L, atomic_load(&c_memory.live));
  lua_pushinteger(L, atomic_load(&lua_memory.live));
  return 2;
}

static int set_label(lua_State *L) {
  snprintf(label, sizeof label, "%s", luaL_checkstring(L, 1));
  return 0;
}

/* NOLINTBEGIN(bugprone-signal-handler): the process is lost anyway, and seldom in what it calls */

/* Tells where it was: a fault that comes and goes may not come a second time. */
static void on_fatal(int number) {
  static const char words[] = ": crashed or hung\n";
  void *frames[MOST_FRAMES];
  atomic_store(&c_memory.first, -1);
  int count = backtrace(frames, MOST_FRAMES);
  if (number == SIGSEGV && in_rand_status(frames, count))
    _exit(LEFT + OPENSSL);
  (void)!write(STDERR_FILENO, label, strlen(label));
  (void)!write(STDERR_FILENO, words, sizeof words - 1);
  backtrace_symbols_fd(frames, count, STDERR_FILENO);
  signal(number, SIG_DFL);
  raise(number);
}

/* NOLINTEND(bugprone-signal-handler) */

static int open_module(lua_State *L) {
  static const luaL_Reg functions[] = {{"attempt", attempt}, {"load", load}, {"child", child},
                                       {"leave", leave},     {"live", live}, {"label", set_label},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}

static void set_arguments(lua_State *L, int count, char **values) {
  lua_newtable(L);
  for (int i = 0; i < count; i++) {
    lua_pushstring(L, values[i]);
    lua_rawseti(L, -2, i - 1);
  }
  lua_setglobal(L, "arg");
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, open_module);
  lua_setfield(L, -2, "torture");
  lua_pop(L, 2);
}

int main(int count, char **values) {
  static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM};
  void *frame;
  backtrace(&frame, 1); /* its first use loads a library */
  for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
    signal(fatal[i], on_fatal);
  lua_State *L = new_state();
  if (L == NULL || count < 2)
    return 2;
  luaL_openlibs(L);
  set_arguments(L, count, values);
  int failed = luaL_loadfile(L, values[1]) != 0 || lua_pcall(L, 0, 0, 0) != 0;
  if (failed)
    print_error(L);
  lua_close(L);
  return failed;
}

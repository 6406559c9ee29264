/*
 * A Lua module for the specs: an allocator that has memory only after a collection.
 *
 * Of so many requests for the memory of a value it refuses one. Lua from 5.3 on then collects all
 * garbage, at once and wherever they are, and asks again: a value that only C still points to is
 * gone after that, and weak tables have lost theirs. 5.1 and LuaJIT would raise an error instead,
 * and so would the buffers of lauxlib.h, which are no values.
 */
#include <dlfcn.h>
#include <stddef.h>

#include "compat.h"

enum {
  BASE = 1024 * 1024, /* bytes in use for which `every` is meant */
  BURST = 50          /* collections after which there has to be a whole cycle of Lua's own */
};

static struct {
  lua_Alloc allocate; /* the state's own */
  void *data;
  size_t every, requests, used;
  int left; /* of the burst */
  lua_Integer refused;
  size_t type, size; /* of what was refused last: it is granted when it is asked for again */
} restless;

/* A collection takes as long as there is memory in use, and there is more to allocate where there
   is much: the larger the heap, the fewer. */
static int is_due(void) {
  size_t every = restless.every;
  if (restless.used > BASE)
    every *= (restless.used / BASE) * (restless.used / BASE);
  return ++restless.requests >= every && restless.left > 0;
}

/* For a value that is made, `old_size` is its type. */
static void *allocate(void *data, void *block, size_t old_size, size_t size) {
  (void)data;
  if (block == NULL && old_size != 0 && size != 0) {
    if (restless.size == size && restless.type == old_size) {
      restless.size = 0;
    } else if (is_due()) {
      restless.requests = 0;
      restless.left--;
      restless.refused++;
      restless.type = old_size;
      restless.size = size;
      return NULL;
    }
  }
  void *granted = restless.allocate(restless.data, block, old_size, size);
  if (granted != NULL || size == 0)
    restless.used += size - (block == NULL ? 0 : old_size);
  return granted;
}

/* The state is freed through the allocator after it has closed its libraries. */
static void stay(void) {
  Dl_info info;
  if (dladdr((void *)&restless, &info) != 0 && info.dli_fname != NULL)
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
}

/* start(every): refuses one of so many requests from now on */
static int start(lua_State *L) {
  lua_Integer every = luaL_checkinteger(L, 1);
  luaL_argcheck(L, every > 0 && restless.allocate == NULL, 1, "once, above 0");
  restless.every = (size_t)every;
  restless.left = BURST;
  restless.used = (size_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024;
  stay();
  restless.allocate = lua_getallocf(L, &restless.data);
  lua_setallocf(L, allocate, NULL);
  return 0;
}

/* cycle(): Lua has finished a cycle of its own, and called finalisers, as these collections do not
 */
static int cycle(lua_State *L) {
  (void)L;
  restless.left = BURST;
  return 0;
}

/* refused() → how many were, each of which was a collection */
static int refused(lua_State *L) {
  lua_pushinteger(L, restless.refused);
  return 1;
}

__attribute__((visibility("default"))) int luaopen_restless(lua_State *L);

int luaopen_restless(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"start", start}, {"cycle", cycle}, {"refused", refused}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}

/*
 * A Lua module for the specs: decodes or encodes in a Lua state of its own, whose memory runs out
 * at the n-th allocation.
 *
 * From that one on, until the call has ended, every request for more memory is refused: one alone
 * would show little, as Lua collects garbage and asks again.
 */
#include <stdlib.h>
#include <string.h>

#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

#include "compat.h"

struct memory {
  size_t used;
  long requests; /* for more memory, so far */
  long granted;  /* so many of them at most; -1: all */
  long refused;
};

static void *allocate(void *data, void *block, size_t old_size, size_t size) {
  struct memory *memory = data;
  if (block == NULL)
    old_size = 0;
  if (size > old_size && memory->granted >= 0 && memory->requests >= memory->granted) {
    memory->refused++;
    return NULL;
  }
  memory->requests += size > old_size;
  memory->used += size - old_size;
  if (size != 0)
    return realloc(block, size);
  free(block);
  return NULL;
}

/* Pushes the module that is found in cpath. */
static int load_module(lua_State *L, const char *cpath) {
  luaL_openlibs(L);
  lua_getglobal(L, "package");
  lua_pushstring(L, cpath);
  lua_setfield(L, -2, "cpath");
  lua_getglobal(L, "require");
  lua_pushliteral(L, "sora.core");
  return lua_pcall(L, 1, 1, 0) == 0;
}

/* Pushes the function of this name and its argument to the other state, whose top is the module.
   The argument is the text at index 1 of L; for encode, what that decodes to. */
static int push_call(lua_State *L, lua_State *other, const char *name) {
  size_t length;
  const char *text = lua_tolstring(L, 1, &length);
  lua_getfield(other, -1, "decode");
  lua_pushlstring(other, text, length);
  if (strcmp(name, "decode") == 0)
    return 1;
  lua_getfield(other, -3, name);
  lua_insert(other, -3);
  return lua_pcall(other, 1, 1, 0) == 0;
}

/* Pushes to L what became of the call whose result is the top of the other state, and pops that. */
static void push_outcome(lua_State *L, lua_State *other, int status) {
  if (status == LUA_ERRMEM || (status != 0 && lua_isstring(other, -1) &&
                               strcmp(lua_tostring(other, -1), "not enough memory") == 0))
    lua_pushliteral(L, "memory");
  else if (status != 0)
    lua_pushstring(L, lua_tostring(other, -1));
  else
    lua_pushstring(L, lua_isnil(other, -1) ? "refused" : "done");
  lua_pop(other, 1);
}

/* attempt(text, n, cpath, function) → outcome, requests, again, left, refused: "done", "memory",
   "refused" or a message; how many requests for memory the call was granted; the outcome of calling
   once more with memory enough; the bytes that were not freed in the end; how many requests were
   refused. The function is "decode" or "encode". No values where this Lua takes no allocator. */
static int attempt(lua_State *L) {
  struct memory memory = {0, 0, -1, 0};
  luaL_checkstring(L, 1);
  long granted = (long)luaL_checkinteger(L, 2);
  const char *name = luaL_checkstring(L, 4);
  lua_State *other = lua_newstate(allocate, &memory);
  if (other == NULL)
    return 0;
  if (!load_module(other, luaL_checkstring(L, 3)) || !push_call(L, other, name))
    return luaL_error(L, "%s", lua_tostring(other, -1));
  memory.requests = 0;
  memory.granted = granted;
  int status = lua_pcall(other, 1, 1, 0);
  memory.granted = -1;
  push_outcome(L, other, status);
  lua_pushinteger(L, memory.requests);
  push_call(L, other, name);
  status = lua_pcall(other, 1, 1, 0);
  push_outcome(L, other, status);
  lua_close(other);
  lua_pushinteger(L, (lua_Integer)memory.used);
  lua_pushinteger(L, memory.refused);
  return 5;
}

__attribute__((visibility("default"))) int luaopen_failing_allocator(lua_State *L);

int luaopen_failing_allocator(lua_State *L) {
  lua_pushcfunction(L, attempt);
  return 1;
}

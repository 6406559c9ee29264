/*
 * The differences between the Lua versions: 5.1, LuaJIT, 5.3, 5.4, 5.5. No other file names one.
 *
 * Everything here has the prefix `compat_` and is then defined onto the name that Lua 5.3 gives it,
 * so that two modules in one process never define the same symbol, and the rest reads as plain 5.3.
 * What a version cannot do is not imitated: lua_rawgetp is missing on purpose, LuaJIT on arm64 has
 * no room for every address in a light userdata.
 */
#ifndef SORA_COMPAT_H
#define SORA_COMPAT_H

#include <string.h>
#include <lua.h>
#include <lauxlib.h>

#ifndef LUA_OK
#define LUA_OK 0
#endif

#if LUA_VERSION_NUM >= 503
/* Integers are a subtype of number: they can be told from floats. */
#define SORA_LUA_INTEGERS 1
#else
#define SORA_LUA_INTEGERS 0
#endif

/* Neither ever returns, which Lua's headers do not say. */
#ifdef __GNUC__
extern int lua_error(lua_State *L) __attribute__((noreturn));
extern int luaL_error(lua_State *L, const char *format, ...) __attribute__((noreturn));
#endif

/* Pushes a count of bytes: an integer where those of Lua hold it. */
static inline void compat_pushcount(lua_State *L, long long count) {
  if (SORA_LUA_INTEGERS && (lua_Integer)count == count)
    lua_pushinteger(L, (lua_Integer)count);
  else
    lua_pushnumber(L, (lua_Number)count);
}

/* The main coroutine; in 5.1 as far as it has been seen, else the running one. */
static inline lua_State *compat_mainthread(lua_State *L) {
#if LUA_VERSION_NUM < 502
  if (lua_pushthread(L))
    lua_setfield(L, LUA_REGISTRYINDEX, "sora.main");
  else
    lua_pop(L, 1);
  lua_getfield(L, LUA_REGISTRYINDEX, "sora.main");
#else
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
#endif
  lua_State *main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main != NULL ? main : L;
}

/* Loaded by another Lua, the module itself has to say so, not the dynamic linker: the functions
   that not every Lua has are weak, and none of them is called before luaL_checkversion has found
   one. */
#ifdef __ELF__
#if LUA_VERSION_NUM < 502
#pragma weak luaL_prepbuffer
#pragma weak lua_call
#pragma weak lua_getfenv
#pragma weak lua_insert
#pragma weak lua_newuserdata
#pragma weak lua_objlen
#pragma weak lua_pcall
#pragma weak lua_remove
#pragma weak lua_replace
#pragma weak lua_setfenv
#pragma weak lua_tointeger
#pragma weak lua_tonumber
#pragma weak lua_yield
#else
#pragma weak luaL_checkversion_
#pragma weak luaL_prepbuffsize
#pragma weak luaL_setfuncs
#pragma weak luaL_setmetatable
#pragma weak lua_absindex
#pragma weak lua_callk
#pragma weak lua_copy
#pragma weak lua_getglobal
#pragma weak lua_isinteger
#pragma weak lua_pcallk
#pragma weak lua_rawlen
#pragma weak lua_rotate
#pragma weak lua_tointegerx
#pragma weak lua_tonumberx
#pragma weak lua_yieldk
#if LUA_VERSION_NUM < 504
#pragma weak lua_getuservalue
#pragma weak lua_newuserdata
#pragma weak lua_setuservalue
#else
#pragma weak lua_getiuservalue
#pragma weak lua_newuserdatauv
#pragma weak lua_setiuservalue
#endif
#endif
#define COMPAT_CHECK_PRESENT(L, name)                                                              \
  ((void)((name) != NULL ||                                                                        \
          luaL_error((L), "built for " LUA_VERSION ", loaded by another version")))
#else
#define COMPAT_CHECK_PRESENT(L, name) ((void)0)
#endif

#if LUA_VERSION_NUM >= 502

static inline void compat_checkversion(lua_State *L) {
  COMPAT_CHECK_PRESENT(L, luaL_checkversion_);
  luaL_checkversion(L);
}

#undef luaL_checkversion
#define luaL_checkversion compat_checkversion

#else

#define compat_rawlen(L, index) lua_objlen((L), (index))

static inline int compat_absindex(lua_State *L, int index) {
  return index > 0 || index <= LUA_REGISTRYINDEX ? index : lua_gettop(L) + index + 1;
}

/* Sets the functions of `functions` in the table below `upvalues` values, which each of them shares
   and which are popped. */
static inline void compat_setfuncs(lua_State *L, const luaL_Reg *functions, int upvalues) {
  luaL_checkstack(L, upvalues + 1, "too many upvalues");
  for (; functions->name != NULL; functions++) {
    for (int i = 0; i < upvalues; i++)
      lua_pushvalue(L, -upvalues);
    lua_pushcclosure(L, functions->func, upvalues);
    lua_setfield(L, -(upvalues + 2), functions->name);
  }
  lua_pop(L, upvalues);
}

static inline void *compat_testudata(lua_State *L, int index, const char *name) {
  void *block = lua_touserdata(L, index);
  if (block == NULL || !lua_getmetatable(L, index))
    return NULL;
  luaL_getmetatable(L, name);
  if (!lua_rawequal(L, -1, -2))
    block = NULL;
  lua_pop(L, 2);
  return block;
}

static inline void compat_setmetatable(lua_State *L, const char *name) {
  luaL_getmetatable(L, name);
  lua_setmetatable(L, -2);
}

/* A library of 5.1 cannot ask the interpreter for its number; its name has to do. */
static inline void compat_checkversion(lua_State *L) {
  COMPAT_CHECK_PRESENT(L, lua_pcall);
  lua_getglobal(L, "_VERSION");
  if (!lua_isstring(L, -1) || strcmp(lua_tostring(L, -1), LUA_VERSION) != 0)
    luaL_error(L, "built for " LUA_VERSION ", loaded by another version");
  lua_pop(L, 1);
}

#undef lua_rawlen
#define lua_rawlen compat_rawlen
#undef lua_absindex
#define lua_absindex compat_absindex
#undef luaL_setfuncs
#define luaL_setfuncs compat_setfuncs
#undef luaL_newlib
#define luaL_newlib(L, functions)                                                                  \
  (lua_createtable((L), 0, (int)(sizeof(functions) / sizeof((functions)[0])) - 1),                 \
   luaL_setfuncs((L), (functions), 0))
#undef luaL_testudata
#define luaL_testudata compat_testudata
#undef luaL_setmetatable
#define luaL_setmetatable compat_setmetatable
#undef luaL_checkversion
#define luaL_checkversion compat_checkversion

/* A userdata's one associated value is its environment: always a table, and some other table until
   it has been set. */
#undef lua_getuservalue
#define lua_getuservalue lua_getfenv
#undef lua_setuservalue
#define lua_setuservalue lua_setfenv

#endif

/* 5.5 leaves the seed of a state's hashes to the caller: always the same one here, so that two runs
   can be compared. */
#if LUA_VERSION_NUM >= 505
#define lua_newstate(allocate, data) (lua_newstate)((allocate), (data), 0)
#endif

#if !SORA_LUA_INTEGERS
#undef lua_isinteger
#define lua_isinteger(L, index) ((void)(L), (void)(index), 0)
#endif

#endif

/*
 * What nobody can beat who answers in Lua tables: the program of libcurl.c, which also makes the
 * tables of each answer through Lua's C API. It does not read the JSON: the calls that make the
 * tables of the first answer were recorded, and are made again. Like query_all, it keeps the tables
 * where many are asked for.
 */
#include <lualib.h>

#include "compat.h"

static void make_tables(int number, int keep);
static void record_tables(const char *url, const char *authorities);

#define ON_START record_tables
#define ON_ANSWER make_tables
/* NOLINTNEXTLINE(bugprone-suspicious-include): that program, with more to do for each answer */
#include "libcurl.c"

enum { MOST_CALLS = 4096 };

static struct call {
  enum { TABLE, STRING, INTEGER, NUMBER, BOOLEAN, SET } what;
  int array, hash; /* sizes of a table */
  const char *text;
  size_t length;
  lua_Integer integer;
  lua_Number number;
} calls[MOST_CALLS];

static int call_count;
static lua_State *lua;

static struct call *add_call(int what) {
  if (call_count == MOST_CALLS)
    exit(1);
  calls[call_count].what = what;
  return &calls[call_count++];
}

static void record(int value);

static void record_table(int table) {
  struct call *made = add_call(TABLE);
  made->array = (int)lua_rawlen(lua, table);
  for (lua_pushnil(lua); lua_next(lua, table) != 0; lua_pop(lua, 1)) {
    made->hash += lua_type(lua, -2) == LUA_TSTRING;
    record(lua_gettop(lua) - 1);
    record(lua_gettop(lua));
    add_call(SET);
  }
}

/* Records the calls that push the value at the index; its strings stay where they are, since the
   first task is kept. */
static void record(int value) {
  luaL_checkstack(lua, 8, NULL);
  if (lua_istable(lua, value)) {
    record_table(value);
  } else if (lua_isboolean(lua, value)) {
    add_call(BOOLEAN)->array = lua_toboolean(lua, value);
  } else if (lua_isinteger(lua, value)) {
    add_call(INTEGER)->integer = lua_tointeger(lua, value);
  } else if (lua_type(lua, value) == LUA_TNUMBER) {
    add_call(NUMBER)->number = lua_tonumber(lua, value);
  } else {
    struct call *string = add_call(STRING);
    string->text = lua_tolstring(lua, value, &string->length);
  }
}

static void record_tables(const char *url, const char *authority) {
  lua = luaL_newstate();
  luaL_openlibs(lua);
  if (luaL_loadstring(lua, "local url, ca = ... "
                           "return require('sora').client { base_url = url, ca_file = ca, "
                           "api_key = 'bench' }:query('sora-2:task_0')") == LUA_OK) {
    lua_pushstring(lua, url);
    lua_pushstring(lua, authority);
    lua_pcall(lua, 2, 1, 0);
  }
  if (!lua_istable(lua, 1)) {
    fputs("floor: no answer to record\n", stderr);
    exit(1);
  }
  record(1);
  lua_newtable(lua); /* the tasks that are kept, at 2 */
}

static void make(const struct call *call) {
  switch (call->what) {
  case TABLE:
    lua_createtable(lua, call->array, call->hash);
    break;
  case STRING:
    lua_pushlstring(lua, call->text, call->length);
    break;
  case INTEGER:
    lua_pushinteger(lua, call->integer);
    break;
  case NUMBER:
    lua_pushnumber(lua, call->number);
    break;
  case BOOLEAN:
    lua_pushboolean(lua, call->array);
    break;
  case SET:
    lua_rawset(lua, -3);
  }
}

static void make_tables(int number, int keep) {
  if (keep)
    lua_pushfstring(lua, "sora-2:task_%d", number);
  for (int i = 0; i < call_count; i++)
    make(&calls[i]);
  if (keep)
    lua_rawset(lua, 2);
  else
    lua_pop(lua, 1);
}

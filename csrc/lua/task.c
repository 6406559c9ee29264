#include "lua/task.h"

#include <string.h>

#include "compat.h"
#include "transfer/request.h"

/* Pushes a field of the table at `index`, nil for what its nulls became; returns its type. */
static int get(lua_State *L, int index, int null, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, index);
  if (null != 0 && lua_rawequal(L, -1, null)) {
    lua_pop(L, 1);
    lua_pushnil(L);
  }
  return lua_type(L, -1);
}

int sora_task_is_plain(lua_State *L, int index, int null) {
  int plain = 0;
  if (get(L, index, null, "status") == LUA_TSTRING) {
    unsigned char first = (unsigned char)*lua_tostring(L, -1);
    plain = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z') || first >= 0x80;
  }
  if (plain)
    plain = get(L, index, null, "data") != LUA_TTABLE;
  lua_settop(L, index);
  return plain;
}

/* Whether the string at `index` is those bytes. */
static int is_same_text(lua_State *L, int index, const char *bytes, size_t length) {
  size_t size = 0;
  const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &size) : NULL;
  return text != NULL && size == length && memcmp(text, bytes, length) == 0;
}

/* Pushes a metatable for tasks from that relay: that of all tasks, and the base URL. */
static void push_metatable_for(lua_State *L, const char *relay, size_t length) {
  static const char *const fields[] = {"__name", "__tostring"};
  lua_createtable(L, 0, 3);
  int made = lua_gettop(L);
  luaL_getmetatable(L, TASK_METATABLE);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    lua_getfield(L, -1, fields[i]);
    lua_setfield(L, made, fields[i]);
  }
  lua_pop(L, 1);
  lua_pushlstring(L, relay, length);
  lua_setfield(L, made, "relay");
}

void sora_task_push_metatable(lua_State *L, int client, const struct request_result *result) {
  const char *relay = result->relay;
  size_t length = result->relay_length;
  int values = lua_gettop(L) + 1, same = 0;
  lua_getuservalue(L, client);
  if (get(L, values, 0, "tasks") == LUA_TTABLE) {
    lua_getfield(L, -1, "relay");
    same = is_same_text(L, -1, relay, length);
    lua_pop(L, 1);
  }
  if (!same) {
    push_metatable_for(L, relay, length);
    lua_pushvalue(L, -1);
    lua_setfield(L, values, "tasks");
  }
  lua_replace(L, values);
  lua_settop(L, values);
}

/* Notes the value on top of the stack for the task at `task`, in the weak table of that name in the
   metatable of all tasks. Pops it. */
static void note(lua_State *L, const char *name, int task) {
  luaL_getmetatable(L, TASK_METATABLE);
  lua_getfield(L, -1, name);
  lua_pushvalue(L, task);
  lua_pushvalue(L, -4);
  lua_rawset(L, -3);
  lua_pop(L, 3);
}

void sora_task_make(lua_State *L, int client, const struct request_result *result, int said) {
  int task = lua_gettop(L);
  get(L, task, 0, "id");
  int same = is_same_text(L, -1, result->id, result->id_length);
  lua_pop(L, 1);
  if (result->id_length > 0 && !same) {
    lua_pushlstring(L, result->id, result->id_length);
    note(L, "ids", task);
  }
  if (said != 0 && !lua_isnil(L, said)) {
    lua_pushvalue(L, said);
    note(L, "said", task);
  }
  sora_task_push_metatable(L, client, result);
  lua_setmetatable(L, task);
}

void sora_task_open(lua_State *L) {
  static const char *const knowledge[] = {"ids", "said"};
  luaL_newmetatable(L, TASK_METATABLE);
  lua_pushliteral(L, TASK_METATABLE);
  lua_setfield(L, -2, "__name");
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  for (size_t i = 0; i < sizeof knowledge / sizeof *knowledge; i++) {
    lua_newtable(L);
    lua_pushvalue(L, -2);
    lua_setmetatable(L, -2);
    lua_setfield(L, -3, knowledge[i]);
  }
  lua_pop(L, 2);
}

#include "json/marks.h"

/* Pushes our own metatable of empty arrays. */
static void push_own(lua_State *L) {
  lua_createtable(L, 0, 2);
  lua_pushliteral(L, "sora.array");
  lua_setfield(L, -2, "__name");
  lua_pushliteral(L, "array");
  lua_setfield(L, -2, "__jsontype");
}

void sora_json_marks_set(lua_State *L) {
  int marks = lua_gettop(L);
  lua_pushliteral(L, "__jsontype");
  lua_rawseti(L, marks, MARK_JSONTYPE);
  push_own(L);
  lua_rawseti(L, marks, MARK_EMPTY_ARRAY_MT);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "cjson");
  if (lua_pcall(L, 1, 1, 0) == LUA_OK && lua_istable(L, -1)) {
    int cjson = lua_gettop(L);
    lua_getfield(L, cjson, "empty_array");
    lua_rawseti(L, marks, MARK_EMPTY_ARRAY);
    lua_getfield(L, cjson, "array_mt");
    lua_rawseti(L, marks, MARK_ARRAY_MT);
    lua_getfield(L, cjson, "empty_array_mt");
    if (lua_istable(L, -1))
      lua_rawseti(L, marks, MARK_EMPTY_ARRAY_MT);
  }
  lua_settop(L, marks);
}

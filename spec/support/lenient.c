/*
 * A Lua module for the specs: the decoder as answers are read with it, and the repair by itself.
 *
 * It holds the decoder's own sources, as the module under test exports none of them.
 */
#include <string.h>

#include <lua.h>
#include <lauxlib.h>

#include "json/decode.h"
#include "json/repair.h"

/* decode(text [, most]) → value; or nil, message, offset, too_large */
static int decode(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  struct json_options options = {
      .max_depth = JSON_DEPTH_DEFAULT, .repair = 1, .most = (size_t)luaL_optnumber(L, 2, 0)};
  struct json_error error;
  if (sora_json_decode(L, lua_upvalueindex(1), text, length, &options, &error))
    return 1;
  lua_pushnil(L);
  lua_pushstring(L, error.message);
  lua_pushinteger(L, (lua_Integer)error.offset);
  lua_pushboolean(L, error.too_large);
  return 4;
}

/* repair(text) → the repaired text */
static int repair(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length), *end = text + length;
  char *repaired = lua_newuserdata(L, sora_json_repair(text, end, NULL) + 1);
  lua_pushlstring(L, repaired, sora_json_repair(text, end, repaired));
  return 1;
}

/* most(max_body) → what an answer of that size may take */
static int most(lua_State *L) {
  lua_pushnumber(L, (lua_Number)json_most((size_t)luaL_checknumber(L, 1)));
  return 1;
}

/* Its address is a light userdata that is not NULL. */
static int constant;

__attribute__((visibility("default"))) int luaopen_lenient(lua_State *L);

int luaopen_lenient(lua_State *L) {
  lua_newtable(L);
  sora_json_new(L);
  lua_pushcclosure(L, decode, 1);
  lua_setfield(L, -2, "decode");
  lua_pushcfunction(L, repair);
  lua_setfield(L, -2, "repair");
  lua_pushcfunction(L, most);
  lua_setfield(L, -2, "most");
  lua_pushlightuserdata(L, &constant);
  lua_setfield(L, -2, "constant");
  return 1;
}

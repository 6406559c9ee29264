#include "lua/metatable.h"

#include "compat.h"

struct object *sora_object_new(lua_State *L, const char *name) {
  struct object *object = lua_newuserdata(L, sizeof *object);
  *object = (struct object){.type = name};
  luaL_setmetatable(L, name);
  return object;
}

struct object *sora_object_at(lua_State *L, int index, const char *name) {
  struct object *object = lua_type(L, index) == LUA_TUSERDATA ? lua_touserdata(L, index) : NULL;
  return object != NULL && lua_rawlen(L, index) == sizeof *object && object->type == name ? object
                                                                                          : NULL;
}

void sora_metatable_new(lua_State *L, const char *name, const luaL_Reg *metamethods,
                        const luaL_Reg *methods) {
  luaL_newmetatable(L, name);
  luaL_setfuncs(L, metamethods, 0);
  lua_pushstring(L, name); /* for Lua 5.1 */
  lua_setfield(L, -2, "__name");
  if (methods == NULL)
    return;
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
}

#include "lua/metatable.h"

#include "compat.h"

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

/*
 * The metatables of what is made in C: each is in the registry under the name of its type.
 */
#ifndef SORA_METATABLE_H
#define SORA_METATABLE_H

#include <lua.h>
#include <lauxlib.h>

/* Makes and pushes the metatable `name`. methods: what __index has, NULL for none. */
void sora_metatable_new(lua_State *L, const char *name, const luaL_Reg *metamethods,
                        const luaL_Reg *methods);

#endif

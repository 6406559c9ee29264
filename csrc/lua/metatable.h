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

/* What a userdata holds that stands for something in C. It is known by `type`, the address of the
   name of its metatable: to look that up by its letters takes 300 instructions, and each query asks
   a dozen times. */
struct object {
  const char *type;
  void *content; /* NULL: it was never made, or is freed */
};

/* Pushes an empty one with the metatable `name`. */
struct object *sora_object_new(lua_State *L, const char *name);

/* The object at `index`, NULL where there is none with that metatable. */
struct object *sora_object_at(lua_State *L, int index, const char *name);

#endif

/*
 * What Lua sees of the part of a download: a userdata that is open from core.part to its commit or
 * its end.
 */
#ifndef SORA_LUA_PART_H
#define SORA_LUA_PART_H

#include <lua.h>

struct part;

/* Makes the metatable. Pushes nothing. */
void sora_part_open_lua(lua_State *L);

/* core.part(client, path [, opts]) → the part of that file, opened and locked, or nil and what is
   wrong with it. Of the options, and of the client's, `max_size` counts. Its methods are in part.c.
 */
int sora_part_to_lua(lua_State *L);

/* The part at `index`; raises for anything else. */
struct part *sora_part_of_lua(lua_State *L, int index);

#endif

/*
 * A binary heap of values by a number, as Lua sees it: what is due first comes out first.
 *
 * A value that is a table with an `id` can be brought forward by that. Where a value stands is only
 * kept by its id once somebody has asked for one: a million tasks that wait, and are never woken,
 * pay nothing for it. Must not know what the values are.
 */
#ifndef SORA_LUA_HEAP_H
#define SORA_LUA_HEAP_H

#include <lua.h>

/* Makes the metatable. Pushes nothing. */
void sora_heap_open(lua_State *L);

/* core.heap() → an empty heap. Its methods are in heap.c. */
int sora_heap_to_lua(lua_State *L);

#endif

/*
 * sora.encode: its options and its error, around json/encode.h.
 */
#ifndef SORA_LUA_ENCODE_H
#define SORA_LUA_ENCODE_H

#include <lua.h>

/* core.encode(value, opts) → text, or nil and an error: upvalue 1 is the decoder's state. */
int sora_encode(lua_State *L);

#endif

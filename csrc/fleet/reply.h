/*
 * What Redis answers, as Lua values.
 */
#ifndef SORA_REPLY_H
#define SORA_REPLY_H

#include <hiredis/hiredis.h>
#include <lua.h>

/* Pushes the reply: a string, an integer, false for null, a table for an array; an error as a table
   with the field `err`, as Redis' own scripts have it. An integer that this Lua's numbers cannot
   hold is its digits, as a string. Raises when memory is short, and for more than 64 arrays in one
   another. */
void sora_reply_push(lua_State *L, const redisReply *reply);

#endif

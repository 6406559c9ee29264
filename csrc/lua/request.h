/*
 * What Lua sees of a request: a userdata, made and started from a task's id or a video's URL and
 * options.
 */
#ifndef SORA_LUA_REQUEST_H
#define SORA_LUA_REQUEST_H

#include <lua.h>

#include "transfer/client.h"

/* Makes the metatable. Pushes nothing. */
void sora_request_open(lua_State *L);

/* Makes a request for the task whose id is at the stack index `id`, with the options at `options`,
   tied to its client and to the value at `owner`, starts it and pushes it. Raises misuse `level`
   up. What can't be sent has ended at once. */
struct request *sora_request_query(lua_State *L, int client_index, int id, int options, int owner,
                                   int level);

/* Raises, `level` up, what sora_request_query would over the options at the stack index `options`.
 */
void sora_request_check_options(lua_State *L, int client_index, int options, int level);

/* The same for the transfer of a URL into a file. The key is not sent, and no header of the
 * caller's. */
struct request *sora_request_fetch(lua_State *L, int client_index, int id,
                                   const struct fetch_file *file, int options, int owner,
                                   int level);

/* The request at `index`; raises for anything else. */
struct request *sora_request_check(lua_State *L, int index);

#endif

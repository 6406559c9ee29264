/*
 * What Lua is told of the attempts of requests: the option on_attempt, of a client and of a call.
 * Here the reports of transfer/ become tables; who calls the function is lua/sora/hosts/inbox.lua
 * or, for a query that blocks, blocking.c.
 */
#ifndef SORA_LUA_ATTEMPT_H
#define SORA_LUA_ATTEMPT_H

#include <lua.h>

struct request;
struct settings;

/* Keeps with a client that is being made, whose values are in the table at `values`, the function
   that `given` has, or what core.observer makes of it; notes in `given` whether there is one. */
void sora_attempt_keep(lua_State *L, struct settings *given, int values);

/* Has the request observed that is about to be started, where its client or its call asks for
   that. Calls nothing of Lua's. */
void sora_attempt_observe(struct request *request, const struct settings *settings);

/* Keeps with the request at `self`, which was started just now, whom to tell, and what it is: while
   its secrets are at hand, and can be cut out. */
void sora_attempt_note(lua_State *L, int client, int self, const struct settings *settings);

/* Pushes whom to tell of the next attempt of the request, at `self`, that is over, and what; of its
   last one only where the request has `ended`, with the error at the index `error`, 0: none.
   Returns 0, and nothing is pushed, where there is none. */
int sora_attempt_push(lua_State *L, struct request *request, int self, int ended, int error);

/* core.attempt(request [, ended [, err]]) → function, info of the next attempt, as above; in that
   of the last one `next_in` is nil. */
int sora_attempt_next(lua_State *L);

#endif

/*
 * What Lua sees of a request: a userdata, made and started from a task's id or a video's URL and
 * options.
 */
#ifndef SORA_LUA_REQUEST_H
#define SORA_LUA_REQUEST_H

#include <lua.h>

#include "transfer/client.h"

/* A request's tag: above 0 its number in its client's table of requests. A request that is in no
   such table has values of its own only where it keeps one for null, or options. READ: it was
   registered, and its result has been taken. */
enum { UNREGISTERED = 0, UNREGISTERED_WITH_VALUES = -1, READ = -2 };

/* Makes the metatable. Pushes nothing. */
void sora_request_open(lua_State *L);

/* The rule of ids: pushes what is wrong with the value at `index`, and returns it; NULL, and
   nothing pushed, where it is the id of a task. */
const char *sora_push_id_fault(lua_State *L, int index);

/* Allocate and register first, check and take pointers last: whatever allocates in Lua may run a
   finaliser, and that may close the client, cancel, query, change a table of options. So what is
   started is made first, then tied to its client where it has an owner; only then are the options
   read, and last of all the client is looked at and the request started, with no call of Lua in
   between. */

/* Makes a request for the task whose id is at the stack index `id`, and pushes it. Raises `level`
   up what is wrong with the id. */
void sora_request_new(lua_State *L, int id, int level);

/* The same for what is no query: a download, of a task with that id (NULL: not known), or a call,
   which is about no task. */
void sora_request_new_other(lua_State *L, const char *id);

/* Starts the request at `self` with the options at `options`; `deadline` (on sora_now) is in place
   of their timeout, where it is not 0. Raises misuse `level` up. What can't be sent has ended at
   once. */
void sora_request_query(lua_State *L, int client_index, int self, int options, double deadline,
                        int level);

/* Starts a request whose result was taken for the task of that id, with the limits that it had,
   but for the timeout (seconds; infinite: none) or, where it is not 0, the deadline (on sora_now).
   Returns 0, and nothing is started, where a new one has to be made: it had options of its own, or
   the id does not fit. Calls nothing of Lua's. */
int sora_request_query_again(struct client *client, struct request *request, const char *id,
                             size_t length, double timeout, double deadline);

/* Raises, `level` up, what sora_request_query would over the options at the stack index `options`.
 */
void sora_request_check_options(lua_State *L, int client_index, int options, int level);

/* Starts the transfer of a URL into a part; fills in what of the source follows from the client and
   the options. */
void sora_request_fetch(lua_State *L, int client_index, int self, struct fetch_source *source,
                        int options, int level);

/* core.content_url(client, id [, opts]) → the URL of the relay's own copy of a task's video, or
   nothing where the id can't be in its path */
int sora_request_content_url(lua_State *L);

/* Starts the function of the service that the table at `call` tells of (core.call) with the options
   at `options`. */
void sora_request_call(lua_State *L, int client_index, int self, int call, int options, int level);

/* The request at `index`; raises for anything else. */
struct request *sora_request_check(lua_State *L, int index);

#endif

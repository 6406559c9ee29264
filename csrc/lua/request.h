/*
 * What Lua sees of a request: a userdata, made and started from a task's id or a video's URL and
 * options.
 *
 * curl is known only where an easy handle gets what is special to a request.
 */
#ifndef SORA_REQUEST_OBJECT_H
#define SORA_REQUEST_OBJECT_H

#include <lua.h>

#include "transfer/request.h"

/* Makes the metatable. Pushes nothing. */
void sora_request_open(lua_State *L);

/* The rule of ids: pushes what is wrong with the value at `index`, and returns it; NULL, and
   nothing pushed, where it is the id of a task. */
const char *sora_push_id_fault(lua_State *L, int index);

/* What is started is made first, then tied to its client where it has an owner; only then are the
   options read, and last of all the client is looked at and the request sent: whatever allocates
   may run a finaliser, and that may close the client. */

/* Makes a request for the task whose id is at the stack index `id`, and pushes it. Raises `level`
   up what is wrong with the id. */
void sora_request_new(lua_State *L, int id, int level);

/* The same for a download, of a task with that id (NULL: not known). */
void sora_request_new_download(lua_State *L, const char *id);

/* Starts the request at `self` with the options at `options`. Raises misuse `level` up. What can't
   be sent has ended at once. */
void sora_request_query(lua_State *L, int client_index, int self, int options, int level);

/* Raises, `level` up, what sora_request_query would over the options at the stack index `options`.
 */
void sora_request_check_options(lua_State *L, int client_index, int options, int level);

/* What a download asks for. */
struct fetch {
  const char *url, *path;
  long long offset;      /* bytes of the file that are there already */
  const char *validator; /* for If-Range, NULL: none */
};

/* Starts the transfer of a URL into a file. The key is not sent, and no header of the caller's. */
void sora_request_fetch(lua_State *L, int client_index, int self, const struct fetch *fetch,
                        int options, int level);

/* The request at `index`; raises for anything else. */
struct request *sora_request_check(lua_State *L, int index);

#endif

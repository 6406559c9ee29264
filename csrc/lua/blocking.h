/*
 * What of the module blocks: sora.query, client:query and the waiting of plain scripts; and the
 * result of a request, with which each query ends.
 */
#ifndef SORA_BLOCKING_H
#define SORA_BLOCKING_H

#include <lua.h>

#define SORA_CORE "sora.core" /* the module, in the registry */

/* Upvalues that all functions of the module share. */
enum {
  UPVALUE_DECODER = 1, /* the decoder's state */
  UPVALUE_DEFAULT      /* a table with the default client, once there is one */
};

/* core.query_on(client, id [, opts]): as sora.query, misuse raised where the caller was called */
int sora_query_on(lua_State *L);

/* sora.query(id [, opts]) */
int sora_query(lua_State *L);

/* core.default() → the default client, for functions in Lua that their users call */
int sora_default_client(lua_State *L);

/* request:result([known]) → what client:query returns; raises for a request that has not ended, and
   the second time. With the mark of an answer that is known, "" for none, the task comes with its
   own mark, as the third value; an answer that has the mark known is not decoded, and only the mark
   is returned, after two nils. */
int sora_result(lua_State *L);

/* core.step(client [, seconds]): waits until something is due for the client, and does it. Comes
   back when the time (nil: no limit) is over or a signal came, and may come back before. */
int sora_step(lua_State *L);

/* core.poll(fds [, seconds]): waits until one of the descriptors, a list, is readable. Comes back
   when the time (nil: no limit) is over or a signal came, and may come back before. */
int sora_poll(lua_State *L);

#endif

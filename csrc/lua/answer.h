/*
 * From an answer's bytes to what the caller gets: a task, or an error object.
 *
 * Decodes, looks through envelopes and for errors that came with HTTP 200, and leaves to Lua what a
 * task's status means. curl is not known here.
 */
#ifndef SORA_ANSWER_H
#define SORA_ANSWER_H

#include <lua.h>

struct request;

/* Makes the metatable of tasks. Pushes nothing. */
void sora_answer_open(lua_State *L);

/* Pushes what the ended request at stack index `self` came to: a task (of a download: a table with
   status, offset, received, etag, last_modified), or nil and an error. `client` and `decoder` are
   the stack indices of its client and of the decoder's state. Returns the number of values. The
   answer is freed: this is done once. Where the client is closed, the key is gone that would have
   to be cut out of an error, and the request counts as cancelled whatever it brought. */
int sora_answer_push(lua_State *L, struct request *request, int self, int client, int decoder);

/* core.decode(text, opts): upvalue 1 is the decoder's state. */
int sora_answer_decode(lua_State *L);

#endif

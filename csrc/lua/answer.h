/*
 * From an answer's bytes to what the caller gets: a task, or an error object.
 *
 * Decodes. An answer that is not plainly a task is read by one function of Lua's
 * (lua/sora/answers/reading.lua), which knows envelopes and errors that came with HTTP 200. curl is
 * not known here.
 */
#ifndef SORA_ANSWER_H
#define SORA_ANSWER_H

#include <lua.h>
#include <stdint.h>

struct request;

/* Pushes what the ended request at stack index `self` came to: a task, or nil and an
   error; of a download a table: `redirect`, the URL that it leads to; `again`, true: to be asked
   once more, otherwise; neither: the part knows what has come. `client` and `decoder` are the stack
   indices of its client and of the decoder's state. Returns the number of values. The answer is
   freed: this is done once. Where the client is closed, the key is gone that would have to be cut
   out of an error, and the request counts as cancelled whatever it brought. */
int sora_answer_push(lua_State *L, struct request *request, int self, int client, int decoder);

/* What tells answers apart without decoding them: two that have the same mark say the same. It has
   its key with it, so that one process knows what another one has seen. */
struct answer_mark {
  uint64_t key[2];  /* of the hash: a service that knew it could make two answers with one mark */
  uint64_t hash[2]; /* of the body */
  uint32_t length, status;
};

/* The mark of the answer that a request has brought, if it may be a task, to be compared with
   `known` (NULL: with none). Returns 0 where it can't be one. */
int sora_answer_mark(const struct request *request, const struct answer_mark *known,
                     struct answer_mark *mark);

/* core.decode(text, opts): upvalue 1 is the decoder's state. */
int sora_answer_decode(lua_State *L);

#endif

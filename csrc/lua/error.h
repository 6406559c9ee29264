/*
 * Error objects: the only place that makes them, in C and, through core.error, for Lua.
 *
 * A table with the metatable "sora.error" (__tostring, __concat, __name). Its texts are cut to a
 * size and freed of all secrets of the request, and of what follows the `?` of a URL. curl is not
 * known here.
 */
#ifndef SORA_ERROR_H
#define SORA_ERROR_H

#include <lua.h>
#include <stddef.h>

#include "transfer/kinds.h"
#include "transfer/secrets.h"

struct failure {
  enum error_kind kind;
  const char *message;
  const char *id; /* what the caller asked for, NULL: nothing */
  size_t id_length;
  long status;            /* HTTP, 0: none came */
  const char *request_id; /* "" or NULL: none came */
  int retryable;
  double retry_after; /* seconds, below 0: none came */
  int attempts;       /* 0: does not apply */
  const char *body;   /* of the answer, NULL: none */
  size_t body_length;
  int tells_sent, sent;   /* of a call: whether some of it may have reached the service */
  struct secrets secrets; /* cut out of every text; they stay where they are until it is made */
};

/* The word for a kind; NULL for none. */
const char *sora_error_kind(enum error_kind kind);

/* Makes the metatable. Pushes nothing. */
void sora_error_open(lua_State *L);

/* Pushes the error object. */
void sora_error_push(lua_State *L, const struct failure *failure);

/* Turns the fields in the table at stack index 1 into those of a cancelled call, whatever a service
   said. */
void sora_error_withhold(lua_State *L, const char *why);

/* Makes the table at stack index 1, which has at least `kind` and `message`, an error object and
   pushes it; raises for a kind outside the set. `secrets` are cut out of its texts. */
void sora_error_make(lua_State *L, const struct secrets *secrets);

/* In the next three nothing of Lua's runs between the first look at a text or a secret and the
   last: texts and secrets have to be there when one is called, and need not be copied before. */

/* Pushes what somebody else wrote, `text`, fit for a message: without `secrets`, without keys by
   their look (sk-…), without the user of a URL, "?***" for its query, control characters, C1 among
   them, as blanks. At most `most` bytes (a last "***" may pass that), cut between UTF-8 characters.
 */
void sora_push_redacted(lua_State *L, const char *text, size_t length,
                        const struct secrets *secrets, size_t most);

/* The text as it is, such as an id that the caller has given; redacted only where it holds a
 * secret.
 */
void sora_push_hidden(lua_State *L, const char *text, size_t length, const struct secrets *secrets);

/* As sora_push_redacted, for people to read: without the secrets of any client that is open. A
   URL's query is left out with nothing in its place; "..." stands for what was cut off. */
void sora_push_plain(lua_State *L, const char *text, size_t length, size_t most);

#endif

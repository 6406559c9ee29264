/*
 * What hiredis has allocated, owned by userdata: whatever raises, the collector frees it.
 */
#ifndef SORA_OWNED_H
#define SORA_OWNED_H

#include <hiredis/hiredis.h>
#include <lua.h>

/* Makes the metatables. Pushes nothing. */
void sora_owned_open(lua_State *L);

/* What redisFormatCommandArgv wants and makes. */
struct words {
  const char **texts; /* of the strings in a table, which holds them */
  size_t *lengths;
  char *command; /* what was made of them, until somebody takes it over */
};

/* Makes a command of the list of strings at `list`, and pushes the words that own it; returns its
   length. */
size_t sora_words_push(lua_State *L, int list);

/* Pushes a box that will own a reply; it holds NULL. */
redisReply **sora_box_push(lua_State *L);

#endif

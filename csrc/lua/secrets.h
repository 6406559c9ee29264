/*
 * The secrets that are looked for in a text that Lua gets: in the error of a call those of that
 * call; in a text that may have to do with any call those of all clients, calls and tasks that
 * there are.
 *
 * A client has copies of its secrets, which end with it. Of the secrets of a single call there is
 * no copy: they stand in the table of options that its caller has given.
 */
#ifndef SORA_LUA_SECRETS_H
#define SORA_LUA_SECRETS_H

#include <lua.h>
#include <stddef.h>

#include "transfer/secrets.h"

/* Makes the metatable and the tables. Pushes nothing. */
void sora_secrets_open(lua_State *L);

/* Remembers the client at `index`, for as long as it lives. */
void sora_secrets_note_client(lua_State *L, int index);

/* The same for the table of options at `index`, which has secrets of a call. */
void sora_secrets_note_call(lua_State *L, int index);

/* Keeps the table of options at `options` for as long as the task at `task` lives. */
void sora_secrets_note_task(lua_State *L, int task, int options);

/* Finds the secrets of a call on the client at `client` with the options at `options`, and pushes a
   userdata that holds them until sora_secrets_let_go. Returns NULL, and finds none, where the
   client is closed. */
struct held_secrets;
struct held_secrets *sora_secrets_push(lua_State *L, int client, int options,
                                       struct secrets *secrets);

/* Gives them back at once, before the collector would. */
void sora_secrets_let_go(struct held_secrets *held);

/* Copies the text as sora_hide does, without any secret that is remembered. */
size_t sora_secrets_hide_all(lua_State *L, char *out, size_t size, const char *text, size_t length,
                             size_t *taken);

#endif

/*
 * From options and environment to an open client: which relay, which key, whether that may travel.
 */
#ifndef SORA_CONFIGURE_H
#define SORA_CONFIGURE_H

#include <lua.h>

struct base_url;
struct client;
struct settings;
struct headers;

/* Makes the metatable. Pushes nothing. */
void sora_configure_open(lua_State *L);

/* Opens the client with the options at stack index 1. `values` is the index of the table of its
   uservalue. Misuse, and what is wrong with the environment, is raised `level` up. */
void sora_configure(lua_State *L, struct client *client, int values, int level);

/* Raises, `level` up, when the key among `headers` would be sent in the clear to where others can
   read it. */
void sora_check_plain(lua_State *L, int level, const struct base_url *base,
                      const struct settings *settings, const struct headers *headers);

#endif

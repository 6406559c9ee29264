/*
 * A client as Lua sees it: the userdata, what makes one, its methods.
 */
#ifndef SORA_CLIENT_OBJECT_H
#define SORA_CLIENT_OBJECT_H

#include <lua.h>

struct base_url;
struct client;
struct settings;
struct headers;

/* Prepares the registry. Pushes nothing. */
void sora_client_open(lua_State *L);

/* core.class(methods): adds the methods in C to the table and returns the function that makes
   clients with it: client(opts [, level]), which raises misuse `level` up (1). */
int sora_client_class(lua_State *L);

/* The client at `index`; raises for anything else, and, `level` up, for a closed one. A client that
   came through a fork has dropped its parent's connections when this returns. */
struct client *sora_client_check(lua_State *L, int index, int level);

/* The same, closed or not. */
struct client *sora_client_check_any(lua_State *L, int index);

/* Ties the request on top of the stack to its client and to the value at `owner`, both of which it
   keeps alive, so that client:finished gives it back. */
void sora_client_register(lua_State *L, int client_index, int owner);

/* Pushes the client's table of further headers and returns its index; pushes nil and returns 0
 * without one. */
int sora_client_push_headers(lua_State *L, int index);

/* Raises, `level` up, when the key among `headers` would be sent in the clear to where others can
 * read it. */
void sora_client_check_plain(lua_State *L, int level, const struct base_url *base,
                             const struct settings *settings, const struct headers *headers);

#endif

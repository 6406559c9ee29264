/*
 * A client as Lua sees it: the userdata, what makes one, its methods.
 */
#ifndef SORA_LUA_CLIENT_H
#define SORA_LUA_CLIENT_H

#include <lua.h>

struct client;

/* Makes the metatable, and pushes it. Its __index has the methods in C; what is written in Lua is
   added by lua/sora/hosts/module.lua. */
void sora_client_open(lua_State *L);

/* The functions of clients that are not for users, which core.c lists. */

/* core.client(opts [, level [, driver]]): makes a client; misuse is raised `level` up (1). The
   driver (nil: that of plain scripts) is kept for core.driver. */
int sora_client_to_lua(lua_State *L);

/* core.request(client, id [, opts [, owner [, deadline]]]): starts a query and returns it at once;
   the next step sends it. `owner` is what core.finished gives back with it; `deadline` (by
   core.now) is in place of the option `timeout`. Misuse is raised where the caller stands. */
int sora_client_request(lua_State *L);

/* core.again(request, id, timeout [, deadline]) → whether the request, a query whose result was
   taken, was started once more: for that task, with its client, owner and options but for the
   timeout (seconds; infinite: none), in place of which `deadline` is, as in core.request. Where it
   was not, a new one has to be made. */
int sora_client_again(lua_State *L);

/* core.fetch(client, {id, url, part, video} [, opts [, owner]]): the same for a transfer into a
   part (core.part). `video`: the URL whose redirects have led to `url`, where they have. */
int sora_client_fetch(lua_State *L);

/* core.call(client, {method, path, body, fields, files, key, once} [, opts [, owner [, level]]]):
   the same for any other function of the service. `path` is put behind the base URL as it is
   (nil: the option create_path); `fields` ({ name, text }) and `files` ({ name, path, most bytes })
   are a form in place of the body; `key` is the Idempotency-Key; `once`: it makes something, and
   goes on a connection of its own. */
int sora_client_call(lua_State *L);

/* core.finished(client) → request, owner of one that has ended since, or nothing; and true for one
   that goes on, of which an attempt is to be told (core.attempt) */
int sora_client_finished(lua_State *L);

/* core.remind(client, seconds): makes the client's descriptor readable when something is due, or
   has ended and was not told; while something is in flight, in so many seconds at the latest. */
int sora_client_remind(lua_State *L);

/* core.send(client, seconds) → whether something has ended that was not told, descriptor: sends
   what was started, and looks at nothing that has come before. The descriptor is what client:pollfd
   says. Unless something has ended, that is core.remind as well. */
int sora_client_send_it(lua_State *L);

/* core.cancel(client): ends everything in flight as cancelled. */
int sora_client_cancel_all(lua_State *L);

/* core.close(client): ends everything, for good, and overwrites the key. Idempotent. */
int sora_client_close_it(lua_State *L);

/* core.retries(client) → the client's own default; 0 of a closed one */
int sora_client_retries(lua_State *L);

/* core.check(client, opts, level, method): raises, `level` up, what core.request would raise over
   these options, and that `method` was called on something else than an open client. */
int sora_client_check_call(lua_State *L);

/* core.driver(client [, level [, method]]) → the driver that the client was made with, or nil;
   raises, `level` up (1), that `method` was called on something else than a client. */
int sora_client_driver(lua_State *L);

/* core.shared(client) → a table for what modules in Lua know of the client: it is the same for all
   of them, also when one was loaded anew, and goes with the client. */
int sora_client_shared(lua_State *L);

/* For the rest of the module in C. */

/* The client at `index`; raises for anything else, and, `level` up, for a closed one. A client that
   came through a fork has dropped its parent's connections when this returns. */
struct client *sora_client_check(lua_State *L, int index, int level);

/* The same, closed or not. */
struct client *sora_client_check_any(lua_State *L, int index);

/* The same of what is known to be a client; NULL: it was never made, or is being collected. */
const struct client *sora_client_peek(lua_State *L, int index);

#endif

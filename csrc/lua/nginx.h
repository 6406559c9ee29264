/*
 * The event loop of nginx, for resty.sora: a function in Lua is called when a descriptor is
 * readable.
 */
#ifndef SORA_NGINX_H
#define SORA_NGINX_H

#include <lua.h>

/* Makes the metatable of watches. Pushes nothing. */
void sora_nginx_open(lua_State *L);

/* core.nginx_watch(fd, fn) → a watch: from now on, until watch:close() or its collection, fn() is
   called by nginx's loop, in no request, as long as the descriptor is readable. nil: this process
   is no worker of an nginx that can do so, or descriptors are short. */
int sora_nginx_watch(lua_State *L);

#endif

/*
 * luaopen_sora_core: what Lua sees of the module in C, and what blocks.
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lua/answer.h"
#include "lua/bell.h"
#include "transfer/client.h"
#include "lua/client.h"
#include "compat.h"
#include "lua/error.h"
#include "transfer/features.h"
#include "json/decode.h"
#include "lua/options.h"
#include "lua/request.h"
#include "transfer/sink.h"
#include "transfer/timers.h"

/* Upvalues that all functions of the module share. */
enum {
  UPVALUE_DECODER = 1, /* the decoder's state */
  UPVALUE_SHARED,      /* a table, see below */
  UPVALUE_THREADS      /* weak set of the coroutines that a scheduler resumes: they yield where
                          others block */
};

/* In the shared table: the default client, once there is one; the function that makes clients. */
enum { DEFAULT_CLIENT = 1, MAKE_CLIENT = 2 };

/* ---- blocking ---- */

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

/* Gives the interpreter a chance to act on a signal: its handler has set a hook, which runs, and
   raises "interrupted!", on the next call. A coroutine of the user's own has no such hook: there it
   counts that the main one's is not `before` any more. Raises that error after the request (NULL:
   none) was cancelled. */
static void let_hooks_run(lua_State *L, struct request *request, lua_Hook before) {
  lua_pushcfunction(L, nothing);
  if (lua_pcall(L, 0, 0, 0) == 0) {
    lua_State *main = compat_mainthread(L);
    if (main == L || lua_gethook(main) == before)
      return;
    if (before == NULL) /* as the hook itself would, or it would strike a second time */
      lua_sethook(main, NULL, 0, 0);
    lua_pushliteral(L, "interrupted!");
  }
  if (request != NULL) {
    sora_request_cancel(request, "interrupted");
    sora_request_take(request);
  }
  lua_error(L);
}

/* A signal ends no poll(2) when it comes just before it, while libcurl works, or when another
   thread handles it. Within this many seconds the hook that it has left is seen all the same. */
static const double NOTICED_WITHIN = 1;

static void wait_for(lua_State *L, struct client *client, struct request *request) {
  lua_State *main = compat_mainthread(L);
  lua_Hook before = lua_gethook(main);
  while (!sora_request_has_ended(request)) {
    int interrupted = !sora_client_step(client, NOTICED_WITHIN);
    if (!sora_request_has_ended(request) && (interrupted || lua_gethook(main) != before))
      let_hooks_run(L, request, before);
    sora_client_enter(client); /* the signal's handler may have forked */
  }
}

/* Whether a scheduler resumes the running coroutine, and can answer it later. */
static int is_scheduled(lua_State *L) {
  int main = lua_pushthread(L);
  lua_rawget(L, lua_upvalueindex(UPVALUE_THREADS));
  int scheduled = !main && lua_toboolean(L, -1);
  lua_pop(L, 1);
  return scheduled;
}

/* Queries the client at stack index `client` for the id at `id` with the options at `id + 1`. In a
   coroutine of a scheduler it yields an inbox, the request and the client, and returns what it is
   resumed with; elsewhere it blocks. */
static int query_on(lua_State *L, int client, int id) {
  if (is_scheduled(L)) {
    lua_newtable(L);
    sora_request_query(L, client, id, id + 1, lua_gettop(L), 1);
    lua_pushvalue(L, client);
    return lua_yield(L, 3);
  }
  struct request *request = sora_request_query(L, client, id, id + 1, 0, 1);
  int self = lua_gettop(L);
  wait_for(L, sora_request_client(request), request);
  return sora_answer_push(L, request, self, client, lua_upvalueindex(UPVALUE_DECODER));
}

/* client:query(id [, opts]) */
static int client_query(lua_State *L) {
  lua_settop(L, 3);
  return query_on(L, 1, 2);
}

/* Pushes the default client, made on first use. What is wrong with the environment is raised
   `level` up. */
static void push_default(lua_State *L, int level) {
  lua_rawgeti(L, lua_upvalueindex(UPVALUE_SHARED), DEFAULT_CLIENT);
  if (!lua_isnil(L, -1))
    return;
  lua_pop(L, 1);
  lua_rawgeti(L, lua_upvalueindex(UPVALUE_SHARED), MAKE_CLIENT);
  lua_pushnil(L);
  lua_pushinteger(L, level + 1); /* the function in C that makes it is one more level */
  lua_call(L, 2, 1);
  lua_pushvalue(L, -1);
  lua_rawseti(L, lua_upvalueindex(UPVALUE_SHARED), DEFAULT_CLIENT);
}

/* sora.query(id [, opts]) */
static int query(lua_State *L) {
  lua_settop(L, 2);
  push_default(L, 1);
  return query_on(L, 3, 1);
}

/* core.default() → the default client, for functions in Lua that their users call */
static int default_client(lua_State *L) {
  push_default(L, 2);
  return 1;
}

/* request:result() → what client:query returns; raises for a request that has not ended, and the
   second time */
static int result(lua_State *L) {
  struct request *request = sora_request_check(L, 1);
  luaL_argcheck(L, sora_request_has_ended(request), 1, "the request has not ended");
  lua_settop(L, 1);
  lua_getuservalue(L, 1);
  lua_getfield(L, 2, "read");
  luaL_argcheck(L, !lua_toboolean(L, -1), 1, "the result was taken already");
  lua_settop(L, 2);
  lua_pushboolean(L, 1);
  lua_setfield(L, 2, "read");
  lua_getfield(L, 2, "client");
  return sora_answer_push(L, request, 1, 3, lua_upvalueindex(UPVALUE_DECODER));
}

/* ---- waiting for several clients ---- */

static double least(double a, double b) {
  return a < 0 ? b : b < 0 || a < b ? a : b;
}

/* Collects the descriptors of the first `clients` in the table at 1, and shortens `seconds` to what
   they ask for. */
static int descriptors(lua_State *L, int clients, struct pollfd *polled, double *seconds) {
  int count = 0;
  for (int i = 1; i <= clients; i++) {
    lua_rawgeti(L, 1, i);
    struct client *client = sora_client_check_any(L, -1);
    lua_pop(L, 1);
    *seconds = least(*seconds, sora_client_timeout(client));
    if (!sora_client_is_open(client))
      continue;
    int fd = sora_client_fd(client);
    if (fd >= 0)
      polled[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
    else
      *seconds = least(*seconds, 0.005); /* the poll(2) version: looked at again and again */
  }
  return count;
}

/* core.poll(clients, seconds): waits until one of the clients (a list) has something to do, the
   time (nil: no limit) is over or a signal came; it may come back before. One client alone is
   stepped as well. */
static int poll_clients(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  double seconds = least(luaL_optnumber(L, 2, -1), NOTICED_WITHIN);
  lua_Hook before = lua_gethook(compat_mainthread(L));
  lua_settop(L, 1);
  if (lua_rawlen(L, 1) == 1) {
    lua_rawgeti(L, 1, 1);
    struct client *client = sora_client_check_any(L, 2);
    if (sora_client_is_open(client)) {
      if (sora_client_timeout(client) != 0 && !sora_client_step(client, seconds) && errno == EINTR)
        let_hooks_run(L, NULL, before);
      return 0;
    }
  }
  int clients = (int)lua_rawlen(L, 1);
  struct pollfd *polled = lua_newuserdata(L, (size_t)(clients + 1) * sizeof *polled);
  int count = descriptors(L, clients, polled, &seconds);
  if (poll(polled, (nfds_t)count, (int)ceil(seconds * 1000)) < 0 && errno == EINTR)
    let_hooks_run(L, NULL, before);
  return 0;
}

/* ---- the machine ---- */

/* core.error(fields [, client]) → an error object; the client's key is kept out of its message */
static int make_error(lua_State *L) {
  const char *key = lua_isnoneornil(L, 2)
                        ? NULL
                        : sora_headers_key(sora_client_headers(sora_client_check_any(L, 2)));
  sora_error_make(L, key);
  return 1;
}

static int now(lua_State *L) {
  lua_pushnumber(L, sora_now());
  return 1;
}

/* core.terminal(fd) → its width in columns when the descriptor is a terminal, else nothing */
static int terminal(lua_State *L) {
  struct winsize size;
  int fd = (int)luaL_checkinteger(L, 1);
  if (!isatty(fd))
    return 0;
  lua_pushinteger(L, ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80);
  return 1;
}

/* core.stat(path) → size in bytes, time of modification in seconds since 1970; nothing when there
 * is no such file */
static int file_stat(lua_State *L) {
  long long size, modified;
  if (!sora_stat(luaL_checkstring(L, 1), &size, &modified))
    return 0;
  lua_pushnumber(L, (lua_Number)size);
  lua_pushnumber(L, (lua_Number)modified);
  return 2;
}

/* core.rename(from, to) → true, or nil and a message; the folder is flushed */
static int file_rename(lua_State *L) {
  int renamed = sora_rename(luaL_checkstring(L, 1), luaL_checkstring(L, 2));
  int failure = errno;
  lua_pushboolean(L, 1);
  if (renamed)
    return 1;
  lua_pushnil(L);
  lua_pushstring(L, strerror(failure));
  return 2;
}

/* Adds the table `versions` to the module, which is at 1. */
static void set_versions(lua_State *L) {
  struct features features;
  sora_features(&features);
  lua_newtable(L);
  lua_pushstring(L, features.built);
  lua_setfield(L, -2, "built"); /* against the headers of that libcurl */
  lua_pushstring(L, features.loaded);
  lua_setfield(L, -2, "libcurl");
  lua_pushstring(L, features.tls);
  lua_setfield(L, -2, "tls");
  lua_pushboolean(L, features.http2);
  lua_setfield(L, -2, "http2");
  lua_setfield(L, 1, "versions");
}

/* Pushes the shared upvalues: the decoder's state, the shared table (filled later), the set of
 * threads. */
static void push_upvalues(lua_State *L) {
  sora_json_new(L);
  lua_createtable(L, 2, 0);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
}

/* Adds the methods of requests and of plain clients that need the upvalues, which are at index 2
   and up; the module's table is at 1. */
static void add_methods(lua_State *L) {
  static const luaL_Reg of_request[] = {{"result", result}, {NULL, NULL}};
  static const luaL_Reg of_client[] = {{"query", client_query}, {NULL, NULL}};
  luaL_getmetatable(L, "sora.request");
  lua_getfield(L, -1, "__index");
  for (int i = 2; i <= 4; i++)
    lua_pushvalue(L, i);
  luaL_setfuncs(L, of_request, 3);
  lua_newtable(L);
  for (int i = 2; i <= 4; i++)
    lua_pushvalue(L, i);
  luaL_setfuncs(L, of_client, 3);
  lua_pushvalue(L, -1);
  lua_setfield(L, 1, "methods");
  lua_pushcfunction(L, sora_client_class);
  lua_insert(L, -2);
  lua_call(L, 1, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, 1, "client");
  lua_rawseti(L, 3, MAKE_CLIENT);
  lua_settop(L, 4);
}

__attribute__((visibility("default"))) int luaopen_sora_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"query", query},
                                       {"decode", sora_answer_decode},
                                       {"default", default_client},
                                       {"class", sora_client_class},
                                       {"error", make_error},
                                       {"options", sora_options},
                                       {"poll", poll_clients},
                                       {"bell", sora_bell_new},
                                       {"now", now},
                                       {"terminal", terminal},
                                       {"stat", file_stat},
                                       {"rename", file_rename},
                                       {NULL, NULL}};
  luaL_checkversion(L);
  compat_mainthread(L); /* 5.1 can only be asked for it while it runs */
  sora_error_open(L);
  sora_answer_open(L);
  sora_request_open(L);
  sora_client_open(L);
  sora_bell_open(L);
  lua_settop(L, 0);
  lua_newtable(L);
  push_upvalues(L);
  add_methods(L);
  lua_pushvalue(L, 4);
  lua_setfield(L, 1, "threads");
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, 1, "null");
  luaL_getmetatable(L, "sora.task");
  lua_setfield(L, 1, "task");
  set_versions(L);
  luaL_setfuncs(L, functions, 3);
  return 1;
}

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

#include "compat.h"
#include "json/decode.h"
#include "lua/answer.h"
#include "lua/attempt.h"
#include "lua/client.h"
#include "lua/encode.h"
#include "lua/error.h"
#include "lua/nginx.h"
#include "lua/options.h"
#include "lua/part.h"
#include "lua/picture.h"
#include "lua/request.h"
#include "lua/secrets.h"
#include "lua/task.h"
#include "transfer/backoff.h"
#include "transfer/features.h"
#include "transfer/process.h"
#include "transfer/timers.h"
#include "transfer/url.h"

#define MODULE "sora.core" /* in the registry */

/* Upvalues that all functions of the module share. */
enum {
  UPVALUE_DECODER = 1, /* the decoder's state */
  UPVALUE_DEFAULT      /* a table with the default client, once there is one */
};

/* ---- blocking ---- */

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

/* Runs something in which a hook of the kind `mask` is called. Returns 0, or pushes what the hook
   has raised. */
static int run_hook(lua_State *L, int mask) {
  if (mask & LUA_MASKCALL)
    lua_pushcfunction(L, nothing);
  else if (luaL_loadstring(L, "return") != 0) { /* counts and lines are a Lua function's */
    lua_pop(L, 1);
    return 0;
  }
  return lua_pcall(L, 0, 0, 0) != 0;
}

/* Lets a hook on the main state run. That is how interpreters treat Ctrl-C: the signal's handler
   sets a hook, which raises "interrupted!" as soon as anything runs. A hook on the main state does
   not run in a coroutine, so a coroutine that waits here gets it for this moment. What the hook
   raises is raised, after the request (NULL: none) was cancelled. A hook that raises nothing, a
   profiler's for example, stays where it is and is returned. */
static lua_Hook let_hooks_run(lua_State *L, struct request *request) {
  lua_State *main = compat_mainthread(L);
  lua_Hook hook = lua_gethook(main), own = lua_gethook(L);
  int mask = lua_gethookmask(main);
  int own_mask = lua_gethookmask(L), own_count = lua_gethookcount(L);
  int lent = hook != own; /* never in LuaJIT, which has one for all */
  if (lent)
    lua_sethook(L, hook, mask, lua_gethookcount(main));
  int failed = run_hook(L, mask);
  if (lent)
    lua_sethook(L, own, own_mask, own_count);
  if (!failed)
    return lua_gethook(main);
  if (lent && lua_gethook(main) == hook) /* it has struck; it would once more on the main state */
    lua_sethook(main, NULL, 0, 0);
  if (request != NULL) {
    sora_request_cancel(request, "interrupted");
    sora_request_take(request);
  }
  lua_error(L);
}

/* A signal ends no poll(2) when it comes just before it, while libcurl works, or when another
   thread handles it. Within this many seconds the hook that it has left is seen all the same. */
static const double NOTICED_WITHIN = 1;

/* Tells of the attempts of the request at `self`, which a query that blocks waits for; of the last
   one where it has `ended`, with the error at the index `error`, 0: none. Whoever is told may do
   anything; what is raised there ends the query. */
static void tell_attempts(lua_State *L, struct request *request, int self, int ended, int error) {
  while (sora_attempt_push(L, request, self, ended, error)) {
    if (lua_pcall(L, 1, 0, 0) == 0)
      continue;
    sora_request_cancel(request, "interrupted");
    sora_request_take(request);
    lua_error(L);
  }
}

static void wait_for(lua_State *L, struct client *client, struct request *request, int self) {
  lua_State *main = compat_mainthread(L);
  lua_Hook known = lua_gethook(L);
  while (!sora_request_has_ended(request)) {
    int interrupted = !sora_client_step(client, NOTICED_WITHIN);
    tell_attempts(L, request, self, 0, 0);
    if (!sora_request_has_ended(request) && (interrupted || lua_gethook(main) != known))
      known = let_hooks_run(L, request);
    sora_client_enter(client); /* the signal's handler may have forked */
  }
}

/* Puts the id to go on with in the place of the task at `index`. */
static void replace_task(lua_State *L, int index) {
  luaL_getmetatable(L, TASK_METATABLE);
  lua_getfield(L, -1, "asked_id");
  lua_pushvalue(L, index);
  lua_call(L, 1, 1);
  lua_replace(L, index);
  lua_pop(L, 1);
}

/* Pushes what the request at `self` came to; a task keeps the options of its call, where these have
   secrets that it may tell. */
static int push_answer(lua_State *L, struct request *request, int self, int client) {
  int pushed = sora_answer_push(L, request, self, client, lua_upvalueindex(UPVALUE_DECODER));
  if (pushed != 1 || sora_request_tag(request) == UNREGISTERED)
    return pushed;
  int task = lua_gettop(L);
  lua_getuservalue(L, self);
  lua_getfield(L, -1, "options");
  if (lua_istable(L, -1))
    sora_secrets_note_task(L, task, task + 2);
  lua_settop(L, task);
  return 1;
}

/* Queries the client at stack index `client` for the id at `id` with the options at `id + 1`;
   blocks. */
static int query_client(lua_State *L, int client, int id, int level) {
  if (lua_istable(L, id))
    replace_task(L, id);
  sora_request_new(L, id, level);
  int self = lua_gettop(L);
  sora_request_query(L, client, self, id + 1, level);
  struct request *request = sora_request_check(L, self);
  wait_for(L, sora_request_client(request), request, self);
  int pushed = push_answer(L, request, self, client);
  tell_attempts(L, request, self, 1, pushed == 2 ? lua_gettop(L) : 0);
  return pushed;
}

/* core.query_on(client, id [, opts]): as sora.query, misuse raised where the caller was called */
static int query_on(lua_State *L) {
  lua_settop(L, 3);
  return query_client(L, 1, 2, 2);
}

/* Pushes the default client, made on first use. What is wrong with the environment is raised
   `level` up. */
static void push_default(lua_State *L, int level) {
  lua_rawgeti(L, lua_upvalueindex(UPVALUE_DEFAULT), 1);
  if (!lua_isnil(L, -1))
    return;
  lua_pop(L, 1);
  lua_pushcfunction(L, sora_client_to_lua);
  lua_pushnil(L);
  lua_pushinteger(L, level + 1); /* the function in C that makes it is one more level */
  lua_call(L, 2, 1);
  lua_pushvalue(L, -1);
  lua_rawseti(L, lua_upvalueindex(UPVALUE_DEFAULT), 1);
  lua_getfield(L, LUA_REGISTRYINDEX, MODULE);
  lua_getfield(L, -1, "load_early"); /* from hosts/module.lua */
  if (lua_isfunction(L, -1))
    lua_call(L, 0, 0);
  else
    lua_pop(L, 1);
  lua_pop(L, 1);
}

/* sora.query(id [, opts]) */
static int query(lua_State *L) {
  lua_settop(L, 2);
  push_default(L, 1);
  return query_client(L, 3, 1, 1);
}

/* core.default() → the default client, for functions in Lua that their users call */
static int default_client(lua_State *L) {
  push_default(L, 2);
  return 1;
}

/* Marks the uservalue at `values` as read; raises the second time. */
static void read_once(lua_State *L, int values) {
  lua_getfield(L, values, "read");
  luaL_argcheck(L, !lua_toboolean(L, -1), 1, "the result was taken already");
  lua_pop(L, 1);
  lua_pushboolean(L, 1);
  lua_setfield(L, values, "read");
}

/* Whether the string at `index` is that mark. */
static int is_mark(lua_State *L, int index, const struct answer_mark *mark) {
  return lua_rawlen(L, index) == sizeof *mark &&
         memcmp(lua_tostring(L, index), mark, sizeof *mark) == 0;
}

/* request:result([known]) → what client:query returns; raises for a request that has not ended, and
   the second time. With the mark of an answer that is known, "" for none, the task comes with its
   own mark, as the third value; an answer that has the mark known is not decoded, and only the mark
   is returned, after two nils. */
static int result(lua_State *L) {
  struct answer_mark mark;
  struct request *request = sora_request_check(L, 1);
  luaL_argcheck(L, sora_request_has_ended(request), 1, "the request has not ended");
  lua_settop(L, 2);
  lua_getuservalue(L, 1);
  read_once(L, 3);
  int marked = lua_type(L, 2) == LUA_TSTRING && sora_answer_mark(request, &mark);
  if (marked && is_mark(L, 2, &mark)) {
    sora_request_take(request);
    sora_request_forget(request);
    lua_settop(L, 1);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushlstring(L, (const char *)&mark, sizeof mark);
    return 3;
  }
  lua_getfield(L, 3, "client");
  if (push_answer(L, request, 1, 4) != 1)
    return 2;
  if (!marked)
    return 1;
  lua_pushnil(L);
  lua_pushlstring(L, (const char *)&mark, sizeof mark);
  return 3;
}

/* core.step(client [, seconds]): does what is due for the client, once something is, the time (nil:
   no limit) is over or a signal came; it may come back before. */
static int step(lua_State *L) {
  struct client *client = sora_client_check_any(L, 1);
  double seconds = luaL_optnumber(L, 2, NOTICED_WITHIN);
  lua_State *main = compat_mainthread(L);
  lua_Hook known = lua_gethook(L);
  int interrupted;
  if (sora_client_has_news(client))
    return 0;
  seconds = fmax(0, fmin(seconds, NOTICED_WITHIN));
  if (sora_client_is_busy(client))
    interrupted = !sora_client_step(client, seconds);
  else /* nothing can come */
    interrupted = poll(NULL, 0, (int)ceil(seconds * 1000)) < 0 && errno == EINTR;
  if (interrupted || lua_gethook(main) != known)
    let_hooks_run(L, NULL);
  return 0;
}

/* core.poll(fds [, seconds]): waits until one of the descriptors, a list, is readable, the time
   (nil: no limit) is over or a signal came; it may come back before. */
static int poll_all(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  double seconds = fmax(0, fmin(luaL_optnumber(L, 2, NOTICED_WITHIN), NOTICED_WITHIN));
  size_t count = lua_rawlen(L, 1);
  struct pollfd *asked = lua_newuserdata(L, (count + 1) * sizeof *asked);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 1, (int)i + 1);
    asked[i] = (struct pollfd){.fd = (int)luaL_checkinteger(L, -1), .events = POLLIN};
    lua_pop(L, 1);
  }
  lua_State *main = compat_mainthread(L);
  lua_Hook known = lua_gethook(L);
  int interrupted = poll(asked, (nfds_t)count, (int)ceil(seconds * 1000)) < 0 && errno == EINTR;
  if (interrupted || lua_gethook(main) != known)
    let_hooks_run(L, NULL);
  return 0;
}

/* ---- chance, texts ---- */

/* core.random() → a number from 0 to 1 */
static int random_to_lua(lua_State *L) {
  lua_pushnumber(L, sora_random());
  return 1;
}

/* core.backoff(failures) → seconds before the next attempt after so many failures in a row, at
   least 1 */
static int backoff(lua_State *L) {
  lua_pushnumber(L, sora_backoff((long)luaL_checkinteger(L, 1) - 1));
  return 1;
}

/* core.id_fault(value) → what is wrong with it as the id of a task, or nil */
static int id_fault(lua_State *L) {
  luaL_checkany(L, 1);
  if (sora_push_id_fault(L, 1) == NULL)
    lua_pushnil(L);
  return 1;
}

/* core.path_fault(text) → what is wrong with it as a path behind the base URL, or nil */
static int path_fault(lua_State *L) {
  lua_pushstring(L, sora_url_path_fault(luaL_checkstring(L, 1), 0));
  return 1;
}

/* core.plain(text [, limit]) → what somebody else wrote, fit for a message, at most `limit` bytes
   (200) and "..." where it was cut */
static int plain(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  sora_push_plain(L, text, length, (size_t)luaL_optinteger(L, 2, 200));
  return 1;
}

/* ---- the machine ---- */

/* core.error(fields [, client [, opts]]) → an error object. What the client and the options of the
   call have for secrets is kept out of its texts; a closed client has no more, and then the error
   only says that it is closed. */
static int make_error(lua_State *L) {
  struct secrets secrets = {NULL, NULL};
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 3);
  struct held_secrets *held = lua_isnil(L, 2) ? NULL : sora_secrets_push(L, 2, 3, &secrets);
  if (held == NULL && !lua_isnil(L, 2))
    sora_error_withhold(L, sora_client_closed);
  sora_error_make(L, &secrets);
  if (held != NULL)
    sora_secrets_let_go(held);
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

__attribute__((visibility("default"))) int luaopen_sora_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      /* the module's own, in Lua */
      {"query", query},                  /* users: it is sora.query */
      {"decode", sora_answer_decode},    /* users: it is sora.decode */
      {"client", sora_client_to_lua},    /* hosts/module.lua, for sora.client and default clients */
      {"encode", sora_encode},           /* users: it is sora.encode */
      {"data_uri", sora_picture_uri},    /* creating/body.lua */
      {"default", default_client},       /* init.lua: the client of sora.query */
      {"query_on", query_on},            /* hosts/module.lua: client:query where it may block */
      {"check", sora_client_check_call}, /* hosts/module.lua, for each call */
      {"options", sora_options},         /* hosts/module.lua, for each call */
      {"driver", sora_client_driver},    /* hosts/module.lua, hosts/inbox.lua */
      {"shared", sora_client_shared},    /* hosts/inbox.lua, waiting/wait.lua */
      {"request", sora_client_request},  /* hosts/inbox.lua */
      {"fetch", sora_client_fetch},      /* videos/download.lua */
      {"call", sora_client_call},        /* creating/create.lua */
      {"path_fault", path_fault},        /* hosts/arguments.lua */
      {"retries", sora_client_retries},  /* videos/download.lua */
      {"finished", sora_client_finished}, /* hosts/inbox.lua, resty.sora */
      {"attempt", sora_attempt_next},     /* hosts/inbox.lua */
      {"send", sora_client_send_it},      /* resty.sora */
      {"remind", sora_client_remind},     /* resty.sora */
      {"nginx_watch", sora_nginx_watch},  /* resty.sora */
      {"close", sora_client_close_it},    /* hosts/inbox.lua: client:close */
      {"cancel", sora_client_cancel_all}, /* hosts/inbox.lua: client:cancel */
      {"step", step},                     /* hosts/plain.lua */
      {"poll", poll_all},                 /* hosts/plain.lua */
      {"error", make_error},              /* whoever makes an error in Lua */
      {"now", now},                       /* whoever looks at the clock */
      {"random", random_to_lua},          /* waiting/poller.lua */
      {"backoff", backoff},               /* videos/download.lua */
      {"id_fault", id_fault},             /* hosts/arguments.lua, videos/download.lua */
      {"plain", plain},                   /* answers, waiting and terminal: texts of the service */
      {"terminal", terminal},             /* terminal/progress_bar.lua */
      {"content_url", sora_request_content_url}, /* videos/download.lua */
      {"part", sora_part_to_lua},                /* videos/download.lua */
      {NULL, NULL}};
  static const luaL_Reg of_request[] = {{"result", result}, {NULL, NULL}};
  luaL_checkversion(L);
  lua_getfield(L, LUA_REGISTRYINDEX, MODULE);
  if (lua_istable(L, -1)) /* `require` was made to forget it: what is in use stays as it is */
    return 1;
  compat_mainthread(L); /* 5.1 can only be asked for it while it runs */
  sora_secrets_open(L);
  sora_error_open(L);
  sora_task_open(L);
  sora_request_open(L);
  sora_part_open_lua(L);
  sora_nginx_open(L);
  lua_settop(L, 0);
  lua_newtable(L);
  sora_json_new(L);
  lua_createtable(L, 1, 0);
  luaL_getmetatable(L, "sora.request");
  lua_getfield(L, -1, "__index");
  lua_pushvalue(L, 2);
  luaL_setfuncs(L, of_request, 1);
  sora_client_open(L);
  lua_setfield(L, 1, "class"); /* the metatable of clients: hosts/module.lua adds to its methods */
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, 1, "null");
  luaL_getmetatable(L, TASK_METATABLE);
  lua_setfield(L, 1, "task"); /* the metatable of tasks: hosts/module.lua adds __tostring */
  set_versions(L);
  lua_settop(L, 3);
  luaL_setfuncs(L, functions, 2);
  lua_pushvalue(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, MODULE);
  return 1;
}

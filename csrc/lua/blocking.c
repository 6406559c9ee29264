#include "lua/blocking.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>

#include "compat.h"
#include "lua/answer.h"
#include "lua/attempt.h"
#include "lua/client.h"
#include "lua/request.h"
#include "lua/secrets.h"
#include "lua/task.h"

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
  sora_request_query(L, client, self, id + 1, 0, level);
  struct request *request = sora_request_check(L, self);
  wait_for(L, sora_request_client(request), request, self);
  int pushed = push_answer(L, request, self, client);
  tell_attempts(L, request, self, 1, pushed == 2 ? lua_gettop(L) : 0);
  return pushed;
}

int sora_query_on(lua_State *L) {
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
  lua_getfield(L, LUA_REGISTRYINDEX, SORA_CORE);
  lua_getfield(L, -1, "load_early"); /* from hosts/module.lua */
  if (lua_isfunction(L, -1))
    lua_call(L, 0, 0);
  else
    lua_pop(L, 1);
  lua_pop(L, 1);
}

int sora_query(lua_State *L) {
  lua_settop(L, 2);
  push_default(L, 1);
  return query_client(L, 3, 1, 1);
}

int sora_default_client(lua_State *L) {
  push_default(L, 2);
  return 1;
}

/* Reads the mark that the string at `index` is. Returns 0 where it is none: "", for one. */
static int read_mark(lua_State *L, int index, struct answer_mark *mark) {
  size_t length;
  const char *bytes = lua_tolstring(L, index, &length);
  if (length != sizeof *mark)
    return 0;
  memcpy(mark, bytes, sizeof *mark);
  return 1;
}

int sora_result(lua_State *L) {
  struct answer_mark known, mark;
  struct request *request = sora_request_check(L, 1);
  luaL_argcheck(L, sora_request_has_ended(request), 1, "the request has not ended");
  luaL_argcheck(L, sora_request_tag(request) != READ, 1, "the result was taken already");
  sora_request_set_tag(request, READ);
  lua_settop(L, 2);
  int wants_mark = lua_type(L, 2) == LUA_TSTRING, knows = wants_mark && read_mark(L, 2, &known);
  int marked = wants_mark && sora_answer_mark(request, knows ? &known : NULL, &mark);
  if (marked && knows && memcmp(&known, &mark, sizeof mark) == 0) {
    sora_request_take(request);
    sora_request_forget(request);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, 2);
    return 3;
  }
  lua_getuservalue(L, 1);
  lua_getfield(L, 3, "client");
  if (push_answer(L, request, 1, 4) != 1)
    return 2;
  if (!marked)
    return 1;
  lua_pushnil(L);
  lua_pushlstring(L, (const char *)&mark, sizeof mark);
  return 3;
}

int sora_step(lua_State *L) {
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

int sora_poll(lua_State *L) {
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

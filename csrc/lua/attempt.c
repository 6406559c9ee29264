#include "lua/attempt.h"

#include <string.h>

#include "compat.h"
#include "lua/blocking.h"
#include "lua/error.h"
#include "lua/request.h"
#include "transfer/client.h"
#include "transfer/settings.h"

#define NOTED "attempts" /* the field of a request's uservalue: { id, method, url, tell } */

enum { MOST_URL = 1000 /* bytes */ };

/* ---- whom to tell ---- */

/* Pushes core.observer, which hosts/module.lua sets where every attempt is logged; nil without. */
static int push_observer(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, SORA_CORE);
  if (lua_istable(L, -1))
    lua_getfield(L, -1, "observer");
  else
    lua_pushnil(L);
  lua_remove(L, -2);
  return lua_isfunction(L, -1);
}

/* Pushes the function to tell: the one at `index` (0: none was given), or what core.observer makes
   of it. */
static void push_teller(lua_State *L, int index) {
  int observed = push_observer(L);
  if (!observed)
    lua_pop(L, 1);
  if (index != 0)
    lua_pushvalue(L, index);
  else
    lua_pushnil(L);
  if (observed)
    lua_call(L, 1, 1);
}

void sora_attempt_keep(lua_State *L, struct settings *given, int values) {
  push_teller(L, given->on_attempt);
  given->observed = lua_isfunction(L, -1);
  lua_setfield(L, values, "on_attempt");
  lua_getfield(L, values, "shared");
  lua_pushboolean(L, given->observed);
  lua_setfield(L, -2, "observed"); /* for hosts/inbox.lua */
  lua_pop(L, 1);
}

void sora_attempt_observe(struct request *request, const struct settings *settings) {
  if (settings->observed || settings->on_attempt != 0)
    sora_request_observe(request);
}

/* ---- what it is ---- */

/* Pushes { id, method, url }. What is allocated here may run a finaliser, which may close the
   client, after which its secrets cannot be found in a text any more. So the URL is pushed before
   anything else is allocated, and the id is left out where that has happened. */
static void push_description(lua_State *L, const struct request *request) {
  struct request_result result;
  sora_request_result(request, &result);
  if (result.url != NULL)
    sora_push_redacted(L, result.url, strcspn(result.url, "?#"), &result.secrets, MOST_URL);
  else
    lua_pushnil(L);
  lua_createtable(L, 0, 4);
  lua_insert(L, -2);
  lua_setfield(L, -2, "url");
  lua_pushstring(L, result.method);
  lua_setfield(L, -2, "method");
  sora_request_result(request, &result); /* the secrets as they are now */
  if (result.secrets.headers == NULL || result.id_length == 0)
    return;
  sora_push_hidden(L, result.id, result.id_length, &result.secrets);
  lua_setfield(L, -2, "id");
}

void sora_attempt_note(lua_State *L, int client, int self, const struct settings *settings) {
  if (!settings->observed && settings->on_attempt == 0)
    return;
  struct request *request = sora_request_check(L, self);
  luaL_checkstack(L, 6, "attempts");
  push_description(L, request);
  if (settings->on_attempt != 0) {
    push_teller(L, settings->on_attempt);
  } else {
    lua_getuservalue(L, client);
    lua_getfield(L, -1, "on_attempt");
    lua_remove(L, -2);
  }
  lua_setfield(L, -2, "tell");
  if (sora_request_tag(request) == UNREGISTERED) {
    lua_createtable(L, 0, 1);
    sora_request_set_tag(request, UNREGISTERED_WITH_VALUES);
  } else {
    lua_getuservalue(L, self);
  }
  lua_insert(L, -2);
  lua_setfield(L, -2, NOTED);
  lua_setuservalue(L, self);
}

/* ---- telling ---- */

static void set_seconds(lua_State *L, const char *name, double seconds) {
  if (seconds < 0)
    return;
  lua_pushnumber(L, seconds);
  lua_setfield(L, -2, name);
}

static void push_seconds(lua_State *L, const struct attempt_report *told) {
  lua_createtable(L, 0, 6);
  set_seconds(L, "queue", told->queued);
  set_seconds(L, "dns", told->lookup);
  set_seconds(L, "connect", told->connect);
  set_seconds(L, "tls", told->handshake);
  set_seconds(L, "first_byte", told->first_byte);
  set_seconds(L, "total", told->total);
}

static void copy_field(lua_State *L, int from, const char *name) {
  lua_getfield(L, from, name);
  lua_setfield(L, -2, name);
}

static const char *version_name(long version) {
  switch (version) {
  case 10:
    return "1.0";
  case 11:
    return "1.1";
  case 20:
    return "2";
  default:
    return "3";
  }
}

/* Pushes the kind of error that an attempt has come to. For the last one that is the kind of the
   request's `error`, which knows what the answer was, too: a status of 200 may be "api". */
static void push_kind(lua_State *L, const struct attempt_report *told, int error) {
  enum error_kind kind = told->kind;
  if (kind == ERROR_NONE && (told->status < 200 || told->status >= 300))
    kind = ERROR_http;
  if (told->next_in >= 0)
    lua_pushstring(L, sora_error_kind(kind));
  else if (error != 0 && lua_istable(L, error))
    lua_getfield(L, error, "kind");
  else
    lua_pushnil(L);
}

/* Pushes what is told of an attempt of the request whose description is at `noted`. */
static void push_info(lua_State *L, int noted, const struct attempt_report *told, int error) {
  lua_createtable(L, 0, 11);
  copy_field(L, noted, "id");
  copy_field(L, noted, "method");
  copy_field(L, noted, "url");
  lua_pushinteger(L, told->number);
  lua_setfield(L, -2, "attempt");
  if (told->status != 0) {
    lua_pushinteger(L, (lua_Integer)told->status);
    lua_setfield(L, -2, "status");
  }
  push_kind(L, told, error);
  lua_setfield(L, -2, "kind");
  compat_pushcount(L, told->bytes);
  lua_setfield(L, -2, "bytes");
  if (told->version != 0) {
    lua_pushstring(L, version_name(told->version));
    lua_setfield(L, -2, "http_version");
  }
  lua_pushboolean(L, told->reused);
  lua_setfield(L, -2, "reused");
  set_seconds(L, "next_in", told->next_in);
  push_seconds(L, told);
  lua_setfield(L, -2, "seconds");
}

int sora_attempt_push(lua_State *L, struct request *request, int self, int ended, int error) {
  struct attempt_report told;
  if (!sora_request_next_report(request, ended, &told))
    return 0;
  luaL_checkstack(L, 8, "attempts");
  lua_getuservalue(L, self);
  lua_getfield(L, -1, NOTED);
  lua_remove(L, -2);
  if (!lua_istable(L, -1)) { /* sora_attempt_note has not come so far: a finaliser asks */
    lua_pop(L, 1);
    return 0;
  }
  int noted = lua_gettop(L);
  lua_getfield(L, noted, "tell");
  push_info(L, noted, &told, error);
  lua_remove(L, noted);
  return 1;
}

int sora_attempt_next(lua_State *L) {
  lua_settop(L, 3);
  return sora_attempt_push(L, sora_request_check(L, 1), 1, lua_toboolean(L, 2), 3) ? 2 : 0;
}

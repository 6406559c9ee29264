#include "lua/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "lua/configure.h"
#include "lua/metatable.h"
#include "lua/options.h"
#include "lua/part.h"
#include "lua/request.h"
#include "lua/secrets.h"
#include "transfer/text.h"

static const char METATABLE[] = "sora.client";

#define NO_CLIENT "sora.client expected, got %s; its methods are called with a colon"

/* ---- making one ---- */

enum { COLLECT_AFTER = 32 /* clients: each has half a dozen descriptors, when it is used */ };

/* To Lua's collector a client looks small, since it knows nothing of descriptors. So after every so
   many clients it is run, and takes those that nobody has closed before descriptors run out. */
static void collect_dropped(lua_State *L) {
  luaL_getmetatable(L, METATABLE);
  lua_getfield(L, -1, "made");
  lua_Integer made = lua_tointeger(L, -1) + 1;
  if (made >= COLLECT_AFTER) {
    lua_gc(L, LUA_GCCOLLECT, 0);
    made = 0;
  }
  lua_pushinteger(L, made);
  lua_setfield(L, -3, "made");
  lua_pop(L, 2);
}

int sora_client_to_lua(lua_State *L) {
  int level = (int)luaL_optinteger(L, 2, 1);
  lua_settop(L, 3);
  collect_dropped(L);
  struct object *object = sora_object_new(L, METATABLE);
  struct client *client = object->content = sora_client_make();
  if (client == NULL)
    luaL_error(L, "not enough memory");
  lua_createtable(L, 0, 5);
  lua_newtable(L); /* requests by their tag; the values are weak, a request that nobody waits for
                      is cancelled */
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_setfield(L, 5, "requests");
  lua_pushvalue(L, 3);
  lua_setfield(L, 5, "driver");
  lua_newtable(L);
  lua_setfield(L, 5, "shared");
  lua_pushvalue(L, 5);
  lua_setuservalue(L, 4);
  sora_configure(L, client, 5, level);
  sora_secrets_note_client(L, 4);
  lua_settop(L, 4);
  return 1;
}

/* ---- the userdata ---- */

const struct client *sora_client_peek(lua_State *L, int index) {
  const struct object *object = lua_touserdata(L, index);
  return object->content;
}

struct client *sora_client_check_any(lua_State *L, int index) {
  const struct object *object = sora_object_at(L, index, METATABLE);
  struct client *client = object == NULL ? NULL : object->content;
  if (client == NULL)
    luaL_argerror(L, index, lua_pushfstring(L, NO_CLIENT, luaL_typename(L, index)));
  sora_client_enter(client);
  return client;
}

struct client *sora_client_check(lua_State *L, int index, int level) {
  struct client *client = sora_client_check_any(L, index);
  if (sora_client_is_closed(client))
    sora_misuse(L, level, "the client is closed");
  return client;
}

/* Enters the request at `self` in its client's table, so that core.finished gives it back. */
static void enter(lua_State *L, int client_index, int self) {
  int top = lua_gettop(L);
  int tag = sora_client_next_tag(sora_client_check_any(L, client_index));
  lua_getuservalue(L, client_index);
  lua_getfield(L, top + 1, "requests");
  lua_pushvalue(L, self);
  lua_rawseti(L, -2, tag);
  sora_request_set_tag(sora_request_check(L, self), tag);
  lua_settop(L, top);
}

/* Ties the request at `self` to its client and to the value at `owner`, both of which it keeps
   alive. */
static void register_request(lua_State *L, int client_index, int self, int owner) {
  lua_createtable(L, 0, 3);
  lua_pushvalue(L, client_index);
  lua_setfield(L, -2, "client");
  lua_pushvalue(L, owner);
  lua_setfield(L, -2, "owner");
  lua_setuservalue(L, self);
  enter(L, client_index, self);
}

int sora_client_request(lua_State *L) {
  double deadline = luaL_optnumber(L, 5, 0);
  lua_settop(L, 4);
  sora_client_check(L, 1, 1);
  sora_request_new(L, 2, 1);
  register_request(L, 1, 5, 4);
  sora_request_query(L, 1, 5, 3, deadline, 1);
  return 1;
}

int sora_client_again(lua_State *L) {
  size_t length;
  struct request *request = sora_request_check(L, 1);
  const char *id = luaL_checklstring(L, 2, &length);
  double deadline = luaL_optnumber(L, 4, 0);
  double timeout = deadline != 0 ? 0 : luaL_checknumber(L, 3);
  luaL_argcheck(L, sora_request_tag(request) == READ, 1, "the result was not taken");
  lua_settop(L, 2);
  if (!sora_request_is_renewable(request)) {
    lua_pushboolean(L, 0);
    return 1;
  }
  lua_getuservalue(L, 1);
  lua_getfield(L, 3, "client");
  enter(L, 4, 1);
  struct client *client = sora_client_check_any(L, 4);
  int again = !sora_client_is_closed(client) && sora_id_fault(id, length) == NULL &&
              (timeout > 0 || deadline != 0) &&
              sora_request_query_again(client, request, id, length, timeout, deadline);
  if (!again)
    sora_request_set_tag(request, READ);
  lua_pushboolean(L, again);
  return 1;
}

static const char *field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name); /* left on the stack, which keeps the string alive */
  return lua_isnil(L, -1) ? NULL : lua_tostring(L, -1);
}

int sora_client_fetch(lua_State *L) {
  struct fetch_source source = {0};
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 4);
  sora_client_check(L, 1, 1);
  source.url = field(L, 2, "url");
  source.video = field(L, 2, "video");
  luaL_argcheck(L, source.url != NULL && sora_text_fault(source.url, strlen(source.url)) == NULL, 2,
                "url expected");
  if (source.video == NULL)
    source.video = source.url;
  lua_getfield(L, 2, "part");
  int part = lua_gettop(L);
  source.part = sora_part_of_lua(L, part);
  sora_request_new_other(L, field(L, 2, "id"));
  int self = lua_gettop(L);
  register_request(L, 1, self, 4);
  lua_getuservalue(L, self);
  lua_pushvalue(L, part); /* lives as long as the request */
  lua_setfield(L, -2, "part");
  lua_settop(L, self);
  sora_request_fetch(L, 1, self, &source, 3, 1);
  return 1;
}

int sora_client_call(lua_State *L) {
  int level = (int)luaL_optinteger(L, 5, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 4);
  sora_client_check(L, 1, level);
  sora_request_new_other(L, NULL);
  register_request(L, 1, 5, 4);
  sora_request_call(L, 1, 5, 2, 3, level);
  return 1;
}

/* Pushes the request and its owner. Returns 0, and nothing is pushed, for one of a query that
   blocks, which looks by itself, and for one whose finaliser is about to run. */
static int push_registered(lua_State *L, const struct request *request) {
  int tag = sora_request_tag(request), requests = 3;
  if (tag <= UNREGISTERED)
    return 0;
  lua_rawgeti(L, requests, tag);
  if (sora_request_has_ended(request)) {
    lua_pushnil(L);
    lua_rawseti(L, requests, tag);
  }
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return 0;
  }
  lua_getuservalue(L, -1);
  lua_getfield(L, -1, "owner");
  lua_remove(L, -2);
  return 2;
}

int sora_client_finished(lua_State *L) {
  struct client *client = sora_client_check_any(L, 1);
  if (!sora_client_has_news(client))
    return 0;
  lua_settop(L, 1);
  lua_getuservalue(L, 1);
  lua_getfield(L, 2, "requests");
  struct request *request;
  while ((request = sora_client_next_reported(client)) != NULL)
    if (push_registered(L, request)) {
      lua_pushboolean(L, 1);
      return 3;
    }
  while ((request = sora_client_next_ended(client)) != NULL)
    if (push_registered(L, request))
      return 2;
  return 0;
}

static int step(lua_State *L) {
  sora_client_step(sora_client_check(L, 1, 1), 0);
  return 0;
}

static void remind(struct client *client, double seconds) {
  sora_client_announce(client, sora_client_is_busy(client) ? seconds : -1);
}

int sora_client_remind(lua_State *L) {
  struct client *client = sora_client_check_any(L, 1);
  remind(client, luaL_checknumber(L, 2));
  return 0;
}

int sora_client_send_it(lua_State *L) {
  struct client *client = sora_client_check_any(L, 1);
  double seconds = luaL_checknumber(L, 2);
  sora_client_send(client);
  int fd = sora_client_is_closed(client) ? -1 : sora_client_fd(client);
  int ended = sora_client_has_news(client);
  if (!ended)
    remind(client, seconds);
  lua_pushboolean(L, ended);
  if (fd < 0)
    return 1;
  lua_pushinteger(L, fd);
  return 2;
}

/* client:pollfd() → a descriptor that is readable when client:step has something to do; nil: poll
   by the timeout, this build has none, or descriptors are short */
static int pollfd(lua_State *L) {
  int fd = sora_client_fd(sora_client_check(L, 1, 1));
  if (fd < 0)
    return 0;
  lua_pushinteger(L, fd);
  return 1;
}

int sora_client_cancel_all(lua_State *L) {
  struct client *client = sora_client_check_any(L, 1);
  sora_client_cancel(client, "cancelled by the caller");
  sora_client_announce(client, -1);
  return 0;
}

/* client:in_flight() → how many requests have not ended */
static int in_flight(lua_State *L) {
  struct client_counts counts;
  sora_client_count(sora_client_check_any(L, 1), &counts);
  lua_pushinteger(L, (lua_Integer)counts.in_flight);
  return 1;
}

int sora_client_retries(lua_State *L) {
  const struct settings *settings = sora_client_settings(sora_client_check_any(L, 1));
  lua_pushinteger(L, settings == NULL ? 0 : (lua_Integer)settings->retries);
  return 1;
}

static int closed(lua_State *L) {
  lua_pushboolean(L, sora_client_is_closed(sora_client_check_any(L, 1)));
  return 1;
}

static int events(lua_State *L) {
  sora_client_check_any(L, 1);
  lua_pushliteral(L, "r");
  return 1;
}

/* client:timeout() → seconds until client:step has something to do whatever the descriptor says;
 * nil: never */
static int timeout(lua_State *L) {
  double due = sora_client_timeout(sora_client_check_any(L, 1));
  if (due < 0)
    return 0;
  lua_pushnumber(L, due);
  return 1;
}

int sora_client_close_it(lua_State *L) {
  sora_client_close(sora_client_check_any(L, 1));
  return 0;
}

/* Raises, `level` up, that `method` was called on something else than a client. */
static void check_self(lua_State *L, int level, const char *method) {
  if (sora_object_at(L, 1, METATABLE) == NULL)
    sora_misuse(L, level, "bad argument #1 to '%s' (" NO_CLIENT ")", method, luaL_typename(L, 1));
}

int sora_client_check_call(lua_State *L) {
  int level = (int)luaL_checkinteger(L, 3);
  check_self(L, level, luaL_checkstring(L, 4));
  lua_settop(L, 2);
  sora_client_check(L, 1, level);
  sora_request_check_options(L, 1, 2, level);
  return 0;
}

int sora_client_driver(lua_State *L) {
  check_self(L, (int)luaL_optinteger(L, 2, 1), luaL_optstring(L, 3, "driver"));
  lua_getuservalue(L, 1);
  lua_getfield(L, -1, "driver");
  return 1;
}

int sora_client_shared(lua_State *L) {
  sora_client_check_any(L, 1);
  lua_getuservalue(L, 1);
  lua_getfield(L, -1, "shared");
  return 1;
}

static int stats(lua_State *L) {
  struct client_counts counts;
  sora_client_count(sora_client_check_any(L, 1), &counts);
  const struct {
    const char *name;
    double value;
  } rows[] = {{"requests", (double)counts.requests},
              {"attempts", (double)counts.attempts},
              {"connections", (double)counts.connections},
              {"open_connections", (double)counts.open_connections},
              {"in_flight", (double)counts.in_flight},
              {"queued", (double)counts.queued}};
  lua_newtable(L);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lua_pushinteger(L, (lua_Integer)rows[i].value);
    lua_setfield(L, -2, rows[i].name);
  }
  return 1;
}

static int to_string(lua_State *L) {
  const struct client *client = sora_client_check_any(L, 1);
  struct client_counts counts;
  /* a copy: Lua 5.1 may collect, and that close the client, before it reads what it is given */
  char text[512] = "sora.client (closed)", base[400];
  sora_client_count(client, &counts);
  if (!sora_client_is_closed(client)) {
    const char *prefix = sora_client_base(client)->prefix;
    struct secrets secrets = {sora_client_headers(client), sora_client_settings(client)};
    size_t length = sora_hide(base, sizeof base, prefix, strlen(prefix), &secrets, NULL);
    snprintf(text, sizeof text, "sora.client (%.*s, %ld in flight)", (int)length, base,
             counts.in_flight);
  }
  lua_pushstring(L, text);
  return 1;
}

static int collect(lua_State *L) {
  struct object *object = luaL_checkudata(L, 1, METATABLE);
  struct client *client = object->content;
  object->content = NULL;
  if (client != NULL)
    sora_client_enter(client);
  sora_client_free(client);
  return 0;
}

void sora_client_open(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"step", step},           {"pollfd", pollfd}, {"events", events}, {"timeout", timeout},
      {"in_flight", in_flight}, {"stats", stats},   {"closed", closed}, {NULL, NULL}};
  static const luaL_Reg of_clients[] = {{"__gc", collect}, {"__tostring", to_string}, {NULL, NULL}};
  sora_configure_open(L);
  sora_metatable_new(L, METATABLE, of_clients, methods);
}

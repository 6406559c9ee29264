#include "lua/client.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "transfer/client.h"
#include "compat.h"
#include "transfer/headers.h"
#include "lua/options.h"
#include "lua/request.h"

#define METATABLE "sora.client"
#define NO_CLIENT "sora.client expected, got %s; its methods are called with a colon"
#define DEFAULT_BASE_URL "https://az.gptplus5.com"

/* ---- making one ---- */

static void own_string(lua_State *L, const char **field, const char *text) {
  *field = text == NULL ? NULL : strdup(text);
  if (text != NULL && *field == NULL)
    luaL_error(L, "not enough memory");
}

/* Sets the field of the table at `values` to the value at `value`, 0: there is none. */
static void keep_value(lua_State *L, int values, const char *name, int value) {
  if (value == 0)
    return;
  lua_pushvalue(L, value);
  lua_setfield(L, values, name);
}

/* Reads the options at stack index 1 and takes over what they hold; misuse is raised `level` up.
   The client is valid, and is freed by its finaliser, at each point where this raises. */
static void configure(lua_State *L, struct client *client, int values, int level) {
  struct settings given, *own = &client->settings;
  sora_settings_init(&given);
  sora_settings_read(L, 1, SCOPE_CLIENT, level, &given);
  if (given.api_key == NULL)
    given.api_key = getenv("SORA_API_KEY");
  if (given.api_key != NULL && sora_has_control(given.api_key, strlen(given.api_key)))
    sora_misuse(L, level, "$SORA_API_KEY contains a control character");
  const char *from = given.base_url ? "option 'base_url'" : "$SORA_BASE_URL";
  if (given.base_url == NULL)
    given.base_url = getenv("SORA_BASE_URL");
  if (given.base_url == NULL || *given.base_url == '\0')
    given.base_url = DEFAULT_BASE_URL;
  const char *wrong = sora_url_parse_base(given.base_url, &client->base);
  if (wrong != NULL)
    sora_misuse(L, level, "%s %s", from, wrong);
  sora_settings_headers(L, &given, 0, level, &client->headers);
  sora_client_check_plain(L, level, &client->base, &given, client->headers);
  keep_value(L, values, "headers", given.headers);
  keep_value(L, values, "null", given.null);
  *own = given;
#define X(name) own->name = NULL; /* all of them, before the first copy raises */
  SETTINGS_STRINGS(X)
#undef X
#define X(name) own_string(L, &own->name, given.name);
  SETTINGS_STRINGS(X)
#undef X
}

int sora_client_new(lua_State *L) {
  int level = (int)luaL_optinteger(L, 2, 1);
  lua_settop(L, 3);
  struct client *client = lua_newuserdata(L, sizeof *client);
  memset(client, 0, sizeof *client);
  sora_pollset_preinit(&client->set);
  luaL_setmetatable(L, METATABLE);
  lua_createtable(L, 0, 4);
  lua_newtable(L); /* requests by their serial; the values are weak, a request that nobody waits for
                      is cancelled */
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_setfield(L, 5, "requests");
  lua_pushvalue(L, 3);
  lua_setfield(L, 5, "driver");
  lua_pushvalue(L, 5);
  lua_setuservalue(L, 4);
  configure(L, client, 5, level);
  lua_settop(L, 4);
  return 1;
}

int sora_client_push_headers(lua_State *L, int index) {
  lua_getuservalue(L, index);
  lua_getfield(L, -1, "headers");
  lua_remove(L, -2);
  return lua_istable(L, -1) ? lua_gettop(L) : 0;
}

void sora_client_check_plain(lua_State *L, int level, const struct base_url *base,
                             const struct settings *settings, const struct curl_slist *headers) {
  int seen_by_others = base->plain && (!base->loopback || settings->proxy != NULL);
  if (seen_by_others && !settings->allow_http && sora_headers_key(headers) != NULL)
    sora_misuse(L, level,
                "option 'base_url' is plain http: the key would travel in the clear "
                "(use https, or set option 'allow_http')");
}

/* ---- the userdata ---- */

static int is_client(lua_State *L, int index) {
  int found = 0;
  if (lua_touserdata(L, index) != NULL && lua_getmetatable(L, index)) {
    luaL_getmetatable(L, METATABLE);
    found = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
  }
  return found;
}

struct client *sora_client_check_any(lua_State *L, int index) {
  struct client *client = lua_touserdata(L, index);
  if (!is_client(L, index))
    luaL_argerror(L, index, lua_pushfstring(L, NO_CLIENT, luaL_typename(L, index)));
  sora_client_enter(client);
  return client;
}

struct client *sora_client_check(lua_State *L, int index, int level) {
  struct client *client = sora_client_check_any(L, index);
  if (client->closed)
    sora_misuse(L, level, "the client is closed");
  return client;
}

/* Ties the request at `self` to its client and to the value at `owner`, both of which it keeps
   alive, so that core.finished gives it back. */
static void register_request(lua_State *L, int client_index, int self, int owner) {
  struct request *request = lua_touserdata(L, self);
  struct client *client = lua_touserdata(L, client_index);
  int top = lua_gettop(L);
  lua_createtable(L, 0, 3);
  lua_pushvalue(L, client_index);
  lua_setfield(L, -2, "client");
  lua_pushvalue(L, owner);
  lua_setfield(L, -2, "owner");
  lua_setuservalue(L, self);
  lua_getuservalue(L, client_index);
  lua_getfield(L, -1, "requests");
  client->serial = client->serial % INT_MAX + 1;
  request->serial = client->serial;
  lua_pushvalue(L, self);
  lua_rawseti(L, -2, request->serial);
  lua_settop(L, top);
}

int sora_client_request(lua_State *L) {
  int level = (int)luaL_optinteger(L, 5, 1);
  lua_settop(L, 4);
  sora_client_check(L, 1, level);
  sora_request_new(L, 2, level);
  register_request(L, 1, 5, 4);
  sora_request_query(L, 1, 5, 3, level);
  return 1;
}

static const char *field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name); /* left on the stack, which keeps the string alive */
  return lua_isnil(L, -1) ? NULL : lua_tostring(L, -1);
}

int sora_client_fetch(lua_State *L) {
  struct fetch fetch = {0};
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 4);
  sora_client_check(L, 1, 1);
  fetch.url = field(L, 2, "url");
  fetch.path = field(L, 2, "path");
  fetch.validator = field(L, 2, "validator");
  lua_getfield(L, 2, "offset");
  fetch.offset = (long long)lua_tonumber(L, -1);
  luaL_argcheck(L, fetch.url != NULL && fetch.path != NULL, 2, "url and path expected");
  sora_request_new_download(L, field(L, 2, "id"));
  int self = lua_gettop(L);
  register_request(L, 1, self, 4);
  sora_request_fetch(L, 1, self, &fetch, 3, 1);
  return 1;
}

int sora_client_finished(lua_State *L) {
  struct client *client = sora_client_check_any(L, 1);
  lua_settop(L, 1);
  lua_getuservalue(L, 1);
  lua_getfield(L, 2, "requests");
  struct request *request;
  while ((request = client->finished.first) != NULL) {
    int serial = request->serial;
    sora_request_claim(request);
    if (serial == 0) /* of a query that blocks, and looks by itself */
      continue;
    lua_rawgeti(L, 3, serial);
    lua_pushnil(L);
    lua_rawseti(L, 3, serial);
    if (lua_isnil(L, -1)) { /* its finaliser is about to run */
      lua_pop(L, 1);
      continue;
    }
    lua_getuservalue(L, -1);
    lua_getfield(L, -1, "owner");
    lua_remove(L, -2);
    return 2;
  }
  return 0;
}

static int step(lua_State *L) {
  sora_client_step(sora_client_check(L, 1, 1), 0);
  return 0;
}

/* client:pollfd() → a descriptor that is readable when client:step has something to do; nil: poll
   by the timeout, this build has none, or descriptors are short */
static int pollfd(lua_State *L) {
  struct client *client = sora_client_check(L, 1, 1);
  int fd = sora_client_ready(client) ? sora_pollset_fd(&client->set) : -1;
  if (fd < 0)
    return 0;
  if (!client->exported) {
    client->exported = 1;
    sora_client_announce(client);
  }
  lua_pushinteger(L, fd);
  return 1;
}

int sora_client_cancel(lua_State *L) {
  struct client *client = sora_client_check_any(L, 1);
  while (client->live.first != NULL)
    sora_request_cancel(client->live.first, "cancelled by the caller");
  sora_client_announce(client);
  return 0;
}

/* client:in_flight() → how many requests have not ended */
static int in_flight(lua_State *L) {
  lua_pushinteger(L, sora_client_check_any(L, 1)->counts.in_flight);
  return 1;
}

int sora_client_retries(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)sora_client_check_any(L, 1)->settings.retries);
  return 1;
}

static int closed(lua_State *L) {
  lua_pushboolean(L, sora_client_check_any(L, 1)->closed);
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
  lua_getuservalue(L, 1);
  lua_pushnil(L); /* a key may be in them */
  lua_setfield(L, -2, "headers");
  return 0;
}

/* Raises, `level` up, that `method` was called on something else than a client. */
static void check_self(lua_State *L, int level, const char *method) {
  if (!is_client(L, 1))
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

static int stats(lua_State *L) {
  const struct client *client = sora_client_check_any(L, 1);
  const struct {
    const char *name;
    double value;
  } rows[] = {{"requests", (double)client->counts.requests},
              {"attempts", (double)client->counts.attempts},
              {"connections", (double)client->counts.connections},
              {"open_connections", (double)client->counts.open_connections},
              {"in_flight", (double)client->counts.in_flight}};
  lua_newtable(L);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lua_pushinteger(L, (lua_Integer)rows[i].value);
    lua_setfield(L, -2, rows[i].name);
  }
  return 1;
}

static int to_string(lua_State *L) {
  const struct client *client = sora_client_check_any(L, 1);
  if (client->closed)
    lua_pushliteral(L, "sora.client (closed)");
  else
    lua_pushfstring(L, "sora.client (%s, %d in flight)", client->base.prefix,
                    (int)client->counts.in_flight);
  return 1;
}

static int collect(lua_State *L) {
  sora_client_free(sora_client_check_any(L, 1));
  return 0;
}

void sora_client_open(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"step", step},           {"pollfd", pollfd}, {"events", events}, {"timeout", timeout},
      {"in_flight", in_flight}, {"stats", stats},   {"closed", closed}, {NULL, NULL}};
  luaL_newmetatable(L, METATABLE);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, to_string);
  lua_setfield(L, -2, "__tostring");
  lua_pushliteral(L, METATABLE);
  lua_setfield(L, -2, "__name");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
}

#include "lua/request.h"

#include <math.h>
#include <string.h>

#include "compat.h"
#include "lua/attempt.h"
#include "lua/client.h"
#include "lua/configure.h"
#include "lua/error.h"
#include "lua/form.h"
#include "lua/metatable.h"
#include "lua/options.h"
#include "lua/secrets.h"
#include "transfer/text.h"
#include "transfer/timers.h"

static const char METATABLE[] = "sora.request";
#define OWN "sora.own"

/* ---- starting ---- */

/* Pushes a request with nothing acquired. */
static struct request *new_request(lua_State *L, const char *id, size_t length) {
  struct object *object = sora_object_new(L, METATABLE);
  object->content = sora_request_make(id, length);
  if (object->content == NULL)
    luaL_error(L, "not enough memory");
  return object->content;
}

const char *sora_push_id_fault(lua_State *L, int index) {
  size_t length = 0;
  const char *id = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &length) : NULL;
  if (id == NULL)
    return lua_pushfstring(L, "task id (a string) expected, got %s", luaL_typename(L, index));
  const char *fault = sora_id_fault(id, length);
  return fault == NULL ? NULL : lua_pushfstring(L, "task id %s", fault);
}

void sora_request_new(lua_State *L, int id, int level) {
  size_t length;
  const char *fault = sora_push_id_fault(L, id);
  if (fault != NULL)
    sora_misuse(L, level, "bad argument #1 to 'query' (%s)", fault);
  const char *text = lua_tolstring(L, id, &length);
  new_request(L, text, length);
}

void sora_request_new_other(lua_State *L, const char *id) {
  new_request(L, id == NULL ? "" : id, id == NULL ? 0 : strlen(id));
}

/* Keeps with the request at `self` the value of the option `null`, which is on the stack at
   `settings->null`, and options that have secrets: the task that comes of it keeps them. */
static void keep_values(lua_State *L, int self, int options, const struct settings *settings) {
  int secret = sora_settings_have_secrets(settings);
  if (settings->null == 0 && !secret)
    return;
  struct request *request = sora_request_check(L, self);
  if (sora_request_tag(request) == UNREGISTERED) {
    lua_createtable(L, 0, 2);
    sora_request_set_tag(request, UNREGISTERED_WITH_VALUES);
  } else {
    lua_getuservalue(L, self);
  }
  if (settings->null != 0) {
    lua_pushvalue(L, settings->null);
    lua_setfield(L, -2, "null");
  }
  if (secret) {
    sora_secrets_note_call(L, options);
    lua_pushvalue(L, options);
    lua_setfield(L, -2, "options");
  }
  lua_setuservalue(L, self);
}

/* Reads the options at `options` over the client's settings, but for its strings, which go with the
   client: these come last. Pushes what sora_settings_read does. */
static void read_settings(lua_State *L, int client_index, int options, enum option_scope scope,
                          int level, struct settings *settings) {
  *settings = *sora_client_settings(sora_client_check(L, client_index, level));
  sora_settings_drop_strings(settings);
  settings->given = 0;
  settings->headers = settings->null = settings->on_attempt = 0;
  sora_settings_read(L, options, scope, level, settings);
}

/* The moment, where it is not 0, or that after so many seconds from now; 0: none. */
static double deadline_of(double timeout, double moment) {
  return moment == 0 && timeout > 0 && !isinf(timeout) ? sora_now() + timeout : moment;
}

static void set_limits(struct request *request, const struct settings *settings, double deadline) {
  *sora_request_limits(request) = (struct request_limits){
      .deadline = deadline_of(settings->timeout, deadline),
      .request_timeout = settings->request_timeout,
      .connect_timeout = settings->connect_timeout,
      .retries = settings->retries,
      .max_depth = settings->max_depth,
      .max_body = settings->max_body,
  };
}

/* What a request has of its own in place of its client's. */
struct own {
  struct base_url base;
  struct headers *headers;
  char *url;
};

static void free_own(struct own *own) {
  if (own == NULL)
    return;
  sora_wipe_text(&own->url);
  sora_url_free_base(&own->base);
  sora_headers_release(&own->headers);
}

static int collect_own(lua_State *L) {
  free_own(lua_touserdata(L, 1));
  return 0;
}

static struct own *push_own(lua_State *L) {
  struct own *own = lua_newuserdata(L, sizeof *own);
  memset(own, 0, sizeof *own);
  luaL_setmetatable(L, OWN);
  return own;
}

/* Pushes what a call has of its own, with the headers that were given, checked, and room for the
   base URL; `type` (NULL: the usual one) is the Content-Type. */
static struct own *prepare_own(lua_State *L, const struct settings *settings, const char *type,
                               int level) {
  struct own *own = push_own(L);
  if (settings->given & AFFECTS_HEADERS) {
    own->headers = sora_headers_new();
    if (own->headers == NULL ||
        (type != NULL && !sora_headers_add(own->headers, "Content-Type", type)))
      luaL_error(L, "not enough memory");
    sora_settings_headers(L, settings, level, own->headers);
  }
  return own;
}

static const struct base_url *base_of(const struct client *client, const struct own *own) {
  return own != NULL && own->base.prefix != NULL ? &own->base : sora_client_base(client);
}

static struct headers *headers_of(const struct client *client, const struct own *own) {
  return own != NULL && own->headers != NULL ? own->headers : sora_client_headers(client);
}

/* The last part, in which nothing in Lua runs: from here on the client is what it is. Checks it,
   and adds what it has to what was given with the call; raises or returns it. */
static struct client *complete(lua_State *L, int client_index, struct own *own,
                               struct settings *settings, int level) {
  struct client *client = sora_client_check(L, client_index, level);
  sora_settings_inherit(settings, sora_client_settings(client));
  if (settings->given & AFFECTS_URL) {
    const char *wrong = sora_url_parse_base(settings->base_url, settings->query_path, &own->base);
    if (wrong != NULL)
      sora_misuse(L, level, "option 'base_url' %s", wrong);
  }
  if (own != NULL && own->headers != NULL &&
      !sora_headers_inherit(own->headers, sora_client_headers(client)))
    luaL_error(L, "not enough memory");
  if (settings->given & (AFFECTS_URL | AFFECTS_HEADERS | AFFECTS_TRANSPORT))
    sora_check_plain(L, level, base_of(client, own), settings, headers_of(client, own));
  return client;
}

/* The same where anything of that was given; else returns NULL, with nil pushed. */
static struct own *prepare(lua_State *L, const struct settings *settings, int level) {
  if (settings->given & (AFFECTS_URL | AFFECTS_HEADERS))
    return prepare_own(L, settings, NULL, level);
  lua_pushnil(L);
  return NULL;
}

/* Gives the request settings of its own where they concern its transport. */
static int own_transport(struct request *request, const struct settings *settings) {
  return !(settings->given & AFFECTS_TRANSPORT) || sora_request_set_settings(request, settings);
}

/* Whether a request with these is as its client's requests are, but for its limits. */
static int has_nothing_of_its_own(const struct settings *settings) {
  return !(settings->given & (AFFECTS_URL | AFFECTS_HEADERS | AFFECTS_TRANSPORT)) &&
         settings->null == 0 && settings->on_attempt == 0 && !settings->observed;
}

/* Returns NULL, or, with nothing started, what is wrong with the id. */
static const char *start(struct client *client, struct request *request, struct own *own,
                         const struct call *call, const struct settings *settings) {
  const struct base_url *base = base_of(client, own);
  const char *path = settings->query_path != NULL ? settings->query_path : SORA_QUERY_PATH;
  const char *fault = NULL;
  if (call == NULL)
    fault = sora_request_set_query(request, base, path);
  else if (!sora_request_set_call(request, base, call))
    fault = sora_url_no_memory;
  if (fault != NULL && fault != sora_url_no_memory)
    return fault;
  sora_request_set_headers(request, headers_of(client, own));
  if (fault != NULL || !own_transport(request, settings))
    sora_request_refuse(request, ERROR_memory, "not enough memory");
  sora_attempt_observe(request, settings);
  sora_client_start(client, request, base->origin);
  free_own(own);
  return NULL;
}

void sora_request_query(lua_State *L, int client_index, int self, int options, double deadline,
                        int level) {
  struct settings settings;
  read_settings(L, client_index, options, SCOPE_QUERY, level, &settings);
  keep_values(L, self, options, &settings);
  struct own *own = prepare(L, &settings, level);
  struct request *request = sora_request_check(L, self);
  set_limits(request, &settings, deadline);
  struct client *client = complete(L, client_index, own, &settings, level);
  const char *fault = start(client, request, own, NULL, &settings);
  if (fault != NULL)
    sora_misuse(L, level, "bad argument #1 to 'query' (task id %s)", fault);
  if (has_nothing_of_its_own(&settings))
    sora_request_allow_renewal(request);
  sora_attempt_note(L, client_index, self, &settings);
  lua_settop(L, self);
}

int sora_request_query_again(struct client *client, struct request *request, const char *id,
                             size_t length, double timeout, double deadline) {
  const struct settings *settings = sora_client_settings(client);
  const char *path = settings->query_path != NULL ? settings->query_path : SORA_QUERY_PATH;
  if (!sora_request_renew(request, id, length) ||
      sora_request_set_query(request, sora_client_base(client), path) != NULL)
    return 0;
  sora_request_limits(request)->deadline = deadline_of(timeout, deadline);
  sora_request_set_headers(request, sora_client_headers(client));
  sora_client_start(client, request, sora_client_base(client)->origin);
  return 1;
}

void sora_request_check_options(lua_State *L, int client_index, int options, int level) {
  int top = lua_gettop(L);
  if (lua_isnil(L, options))
    return;
  struct settings settings;
  read_settings(L, client_index, options, (enum option_scope)(SCOPE_QUERY | SCOPE_CREATE), level,
                &settings);
  struct own *own = prepare(L, &settings, level);
  complete(L, client_index, own, &settings, level);
  free_own(own);
  lua_settop(L, top);
}

static void start_fetch(struct client *client, struct request *request, struct own *own,
                        const struct settings *settings, struct fetch_source *source) {
  source->keep_public = !settings->private_networks;
  sora_request_set_headers(request, headers_of(client, own));
  if (!sora_request_set_fetch(request, base_of(client, own), source) ||
      !own_transport(request, settings))
    sora_request_refuse(request, ERROR_memory, "not enough memory");
  sora_attempt_observe(request, settings);
  sora_client_start(client, request, NULL);
  free_own(own);
}

void sora_request_fetch(lua_State *L, int client_index, int self, struct fetch_source *source,
                        int options, int level) {
  struct settings settings;
  read_settings(L, client_index, options, SCOPE_DOWNLOAD, level, &settings);
  struct own *own = prepare(L, &settings, level);
  struct request *request = sora_request_check(L, self);
  set_limits(request, &settings, 0);
  start_fetch(complete(L, client_index, own, &settings, level), request, own, &settings, source);
  sora_attempt_note(L, client_index, self, &settings);
  lua_settop(L, self);
}

int sora_request_content_url(lua_State *L) {
  struct settings settings;
  size_t length;
  lua_settop(L, 3);
  const char *id = luaL_checklstring(L, 2, &length);
  read_settings(L, 1, 3, SCOPE_DOWNLOAD, 1, &settings);
  struct own *given = prepare(L, &settings, 1);
  struct own *own = push_own(L);
  const struct base_url *base = base_of(complete(L, 1, given, &settings, 1), given);
  const char *path = settings.content_path != NULL ? settings.content_path : SORA_CONTENT_PATH;
  if (sora_url_of_task(base, path, id, length, &own->url) != NULL)
    return 0;
  lua_pushstring(L, own->url);
  free_own(own);
  return 1;
}

/* ---- calls ---- */

#define CREATE_PATH "/v1/video/create"

/* The headers of a call: a key of its own against what is sent twice, and no "Expect", for which
   libcurl would wait a second. */
static void add_call_headers(lua_State *L, struct headers *headers, const char *key) {
  if ((key != NULL && !sora_headers_add(headers, "Idempotency-Key", key)) ||
      !sora_headers_omit(headers, "Expect"))
    luaL_error(L, "not enough memory");
}

static const char *field_of(lua_State *L, int table, const char *name, size_t *length) {
  lua_getfield(L, table, name);
  return lua_isnil(L, -1) ? NULL : luaL_checklstring(L, -1, length);
}

void sora_request_call(lua_State *L, int client_index, int self, int call_index, int options,
                       int level) {
  struct settings settings;
  struct call call = {0};
  struct request *request = sora_request_check(L, self);
  luaL_checkstack(L, 20, "call");
  read_settings(L, client_index, options, SCOPE_CREATE, level, &settings);
  keep_values(L, self, options, &settings);
  call.method = field_of(L, call_index, "method", NULL);
  call.path = field_of(L, call_index, "path", NULL);
  call.body = field_of(L, call_index, "body", &call.body_length);
  const char *key = field_of(L, call_index, "key", NULL);
  lua_getfield(L, call_index, "once");
  call.once = lua_toboolean(L, -1);
  struct form **form = sora_form_push(L, call_index, request);
  settings.given |= AFFECTS_HEADERS;                              /* headers of its own */
  const char *type = form != NULL ? "multipart/form-data" : NULL; /* libcurl adds the boundary */
  struct own *own = prepare_own(L, &settings, type, level);
  add_call_headers(L, own->headers, key);
  set_limits(request, &settings, 0);
  struct client *client = complete(L, client_index, own, &settings, level);
  if (call.path == NULL)
    call.path = settings.create_path != NULL ? settings.create_path : CREATE_PATH;
  if (form != NULL) {
    call.form = *form;
    *form = NULL;
  }
  start(client, request, own, &call, &settings);
  sora_attempt_note(L, client_index, self, &settings);
  lua_settop(L, self);
}

/* ---- the userdata ---- */

struct request *sora_request_check(lua_State *L, int index) {
  const struct object *object = sora_object_at(L, index, METATABLE);
  if (object == NULL)
    object = luaL_checkudata(L, index, METATABLE); /* raises */
  luaL_argcheck(L, object->content != NULL, index, "the request was never made");
  return object->content;
}

static int collect(lua_State *L) {
  struct object *object = sora_object_at(L, 1, METATABLE);
  struct request *request = object == NULL ? NULL : object->content;
  if (request == NULL)
    return 0;
  object->content = NULL;
  sora_request_free(request);
  return 0;
}

static int cancel(lua_State *L) {
  struct request *request = sora_request_check(L, 1);
  sora_request_cancel(request, "cancelled by the caller");
  if (sora_request_client(request) != NULL)
    sora_client_announce(sora_request_client(request), -1);
  return 0;
}

static int done(lua_State *L) {
  lua_pushboolean(L, sora_request_has_ended(sora_request_check(L, 1)));
  return 1;
}

static int to_string(lua_State *L) {
  struct request *request = sora_request_check(L, 1);
  struct request_result result;
  sora_request_result(request, &result);
  sora_push_hidden(L, result.id, result.id_length, &result.secrets);
  lua_pushfstring(L, "sora.request (%s, %s)", lua_tostring(L, -1), sora_request_state(request));
  return 1;
}

void sora_request_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"cancel", cancel}, {"done", done}, {NULL, NULL}};
  static const luaL_Reg of_own[] = {{"__gc", collect_own}, {NULL, NULL}};
  static const luaL_Reg of_requests[] = {
      {"__gc", collect}, {"__tostring", to_string}, {NULL, NULL}};
  sora_metatable_new(L, OWN, of_own, NULL);
  sora_metatable_new(L, METATABLE, of_requests, methods);
  lua_pop(L, 2);
  sora_form_open(L);
}

#include "lua/options.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "compat.h"
#include "lua/nearest.h"
#include "lua/secrets.h"
#include "transfer/features.h"
#include "transfer/headers.h"
#include "transfer/text.h"
#include "transfer/url.h"

/* Seconds: the one default that differs between calls. A query has none. */
enum { WAIT_TIMEOUT = 1800 };

/* No field of struct settings: the option is policy, for Lua alone. */
enum { NOWHERE = -1 };

enum option_type {
  TYPE_STRING,  /* no control characters, of bearable length */
  TYPE_PATH,    /* behind the base URL, with {id} in it where `least` is 1 */
  TYPE_SECONDS, /* above 0 */
  TYPE_COUNT,   /* a whole number, at least `least` */
  TYPE_SIZE,    /* a whole number of bytes, at least `least`, which 32 bits need not hold */
  TYPE_BOOLEAN,
  TYPE_FUNCTION,
  TYPE_TABLE,
  TYPE_PLACE,   /* a folder's path, or a function */
  TYPE_VERSION, /* of HTTP: "1.1", "2", "3" */
  TYPE_ANY
};

struct option {
  const char *name;
  enum option_type type;
  unsigned scopes;
  int field; /* offset in struct settings, or NOWHERE */
  unsigned affects;
  double initial; /* the default of a number or a boolean; 0 for a number that has none */
  long least;     /* of a count */
};

#define CALLS (SCOPE_QUERY | SCOPE_WAIT | SCOPE_MANY | SCOPE_DOWNLOAD | SCOPE_CREATE | SCOPE_CALL)
#define FIELD(name) (int)offsetof(struct settings, name)

static const struct option options[] = {
    {"allow_http", TYPE_BOOLEAN, SCOPE_CLIENT | CALLS, FIELD(allow_http), AFFECTS_HEADERS, 0, 0},
    {"api_key", TYPE_STRING, SCOPE_CLIENT | CALLS, FIELD(api_key), AFFECTS_KEY, 0, 0},
    {"base_url", TYPE_STRING, SCOPE_CLIENT | CALLS, FIELD(base_url), AFFECTS_URL, 0, 0},
    {"body", TYPE_ANY, SCOPE_CALL, NOWHERE, 0, 0, 0},
    {"ca_file", TYPE_STRING, SCOPE_CLIENT | CALLS, FIELD(ca_file), AFFECTS_TRANSPORT, 0, 0},
    {"concurrency", TYPE_COUNT, SCOPE_MANY, NOWHERE, 0, 100, 1},
    {"connect_timeout", TYPE_SECONDS, SCOPE_CLIENT | CALLS, FIELD(connect_timeout), 0, 10, 0},
    {"content_path", TYPE_PATH, SCOPE_CLIENT | CALLS, FIELD(content_path), 0, 0, 1},
    {"create_path", TYPE_PATH, SCOPE_CLIENT | SCOPE_CREATE, FIELD(create_path), 0, 0, 0},
    {"download", TYPE_PLACE, SCOPE_VIDEOS, NOWHERE, 0, 0, 0},
    {"downloads", TYPE_COUNT, SCOPE_VIDEOS, NOWHERE, 0, 4, 1},
    {"files", TYPE_TABLE, SCOPE_CREATE | SCOPE_CALL, NOWHERE, 0, 0, 0},
    {"forwarded_host", TYPE_STRING, SCOPE_CLIENT | CALLS, FIELD(forwarded_host), AFFECTS_HOST, 0,
     0},
    {"headers", TYPE_TABLE, SCOPE_CLIENT | CALLS, FIELD(headers), AFFECTS_HEADERS, 0, 0},
    {"http_version", TYPE_VERSION, SCOPE_CLIENT | CALLS, FIELD(http_version), AFFECTS_TRANSPORT, 0,
     0},
    {"idempotency_key", TYPE_STRING, SCOPE_CREATE | SCOPE_CALL, NOWHERE, 0, 0, 0},
    {"indent", TYPE_COUNT, SCOPE_ENCODE, FIELD(indent), 0, 0, 0},
    {"interval", TYPE_SECONDS, SCOPE_WAIT, NOWHERE, 0, 5, 0},
    {"max_body", TYPE_COUNT, SCOPE_CLIENT | CALLS, FIELD(max_body), 0, 16 * 1024 * 1024, 1},
    {"max_connections", TYPE_COUNT, SCOPE_CLIENT, FIELD(max_connections), 0, 8, 1},
    {"max_depth", TYPE_COUNT, SCOPE_CLIENT | CALLS | SCOPE_DECODE | SCOPE_ENCODE, FIELD(max_depth),
     0, 512, 1},
    {"max_errors", TYPE_COUNT, SCOPE_WAIT, NOWHERE, 0, 10, 1},
    {"max_interval", TYPE_SECONDS, SCOPE_WAIT, NOWHERE, 0, 30, 0},
    {"max_size", TYPE_SIZE, SCOPE_CLIENT | CALLS, FIELD(max_size), 0, 0, 1},
    {"null", TYPE_ANY, SCOPE_CLIENT | CALLS | SCOPE_DECODE, FIELD(null), 0, 0, 0},
    {"on_attempt", TYPE_FUNCTION, SCOPE_CLIENT | CALLS, FIELD(on_attempt), 0, 0, 0},
    {"on_progress", TYPE_FUNCTION, SCOPE_DOWNLOAD, NOWHERE, 0, 0, 0},
    {"on_result", TYPE_FUNCTION, SCOPE_MANY, NOWHERE, 0, 0, 0},
    {"on_update", TYPE_FUNCTION, SCOPE_WAIT, NOWHERE, 0, 0, 0},
    {"private_networks", TYPE_BOOLEAN, SCOPE_CLIENT | CALLS, FIELD(private_networks), 0, 1, 0},
    {"proxy", TYPE_STRING, SCOPE_CLIENT | CALLS, FIELD(proxy), AFFECTS_TRANSPORT, 0, 0},
    {"query", TYPE_TABLE, SCOPE_CALL, NOWHERE, 0, 0, 0},
    {"query_path", TYPE_PATH, SCOPE_CLIENT | CALLS, FIELD(query_path), 0, 0, 1},
    {"request_timeout", TYPE_SECONDS, SCOPE_CLIENT | CALLS, FIELD(request_timeout), 0, 30, 0},
    {"retries", TYPE_COUNT, SCOPE_CLIENT | CALLS, FIELD(retries), 0, 2, 0},
    {"timeout", TYPE_SECONDS, CALLS, FIELD(timeout), 0, 0, 0},
    {"user_agent", TYPE_STRING, SCOPE_CLIENT | CALLS, FIELD(user_agent),
     AFFECTS_HEADERS | AFFECTS_TRANSPORT, 0, 0},
    {"verify", TYPE_BOOLEAN, SCOPE_CLIENT | CALLS, FIELD(verify), AFFECTS_TRANSPORT, 1, 0},
};

enum { OPTION_COUNT = sizeof options / sizeof *options };

_Noreturn void sora_misuse(lua_State *L, int level, const char *format, ...) {
  va_list arguments;
  luaL_where(L, level);
  va_start(arguments, format);
  lua_pushvfstring(L, format, arguments);
  va_end(arguments);
  lua_concat(L, 2);
  lua_error(L);
}

static _Noreturn void unknown(lua_State *L, int level, const char *name) {
  const char *nearest = sora_nearest(name, &options[0].name, OPTION_COUNT, sizeof *options);
  if (nearest != NULL)
    sora_misuse(L, level, "unknown option '%s' (did you mean '%s'?)", name, nearest);
  sora_misuse(L, level, "unknown option '%s'", name);
}

static const struct option *find(const char *name) {
  int low = 0, high = OPTION_COUNT - 1;
  while (low <= high) {
    int middle = (low + high) / 2, order = strcmp(name, options[middle].name);
    if (order == 0)
      return &options[middle];
    if (order < 0)
      high = middle - 1;
    else
      low = middle + 1;
  }
  return NULL;
}

/* What is wrong with an option that none of `scopes` takes. */
static const char *misplaced(const struct option *option, unsigned scopes) {
  if (option->scopes == SCOPE_CLIENT)
    return "option '%s' belongs to sora.client, not to a call";
  if (scopes == SCOPE_CLIENT)
    return "option '%s' belongs to a call, not to sora.client";
  return "option '%s' has no meaning for this call";
}

/* The row for the key at `index`, which must be the name of an option that may be given in one of
 * `scopes`. */
static const struct option *option_of(lua_State *L, int index, unsigned scopes, int level) {
  if (lua_type(L, index) != LUA_TSTRING)
    sora_misuse(L, level, "names of options are strings, not a %s", luaL_typename(L, index));
  const char *name = lua_tostring(L, index);
  const struct option *option = find(name);
  if (option == NULL)
    unknown(L, level, name);
  else if (!(option->scopes & scopes))
    sora_misuse(L, level, misplaced(option, scopes), name);
  return option;
}

static _Noreturn void refuse(lua_State *L, int level, const struct option *option,
                             const char *expected) {
  sora_misuse(L, level, "option '%s' must be %s, not a %s", option->name, expected,
              luaL_typename(L, -1));
}

static const char *check_string(lua_State *L, int level, const struct option *option) {
  size_t length;
  if (lua_type(L, -1) != LUA_TSTRING)
    refuse(L, level, option, "a string");
  const char *text = lua_tolstring(L, -1, &length);
  const char *fault = sora_text_fault(text, length);
  if (fault != NULL)
    sora_misuse(L, level, "option '%s' %s", option->name, fault);
  return text;
}

static const char *check_path(lua_State *L, int level, const struct option *option) {
  const char *path = check_string(L, level, option);
  const char *fault = sora_url_path_fault(path, option->least > 0);
  if (fault != NULL)
    sora_misuse(L, level, "option '%s' %s", option->name, fault);
  return path;
}

static double check_number(lua_State *L, int level, const struct option *option) {
  if (lua_type(L, -1) != LUA_TNUMBER)
    refuse(L, level, option,
           option->type == TYPE_SECONDS ? "a number of seconds" : "a whole number");
  double number = lua_tonumber(L, -1);
  if (option->type == TYPE_SECONDS && !(number > 0))
    sora_misuse(L, level, "option '%s' must be above 0", option->name);
  if (option->type == TYPE_COUNT &&
      (number != floor(number) || number < (double)option->least || number > INT_MAX))
    sora_misuse(L, level, "option '%s' must be a whole number from %d to %d", option->name,
                (int)option->least, INT_MAX);
  if (option->type == TYPE_SIZE &&
      (number != floor(number) || number < (double)option->least || number > 9007199254740992.0))
    sora_misuse(L, level, "option '%s' must be a whole number, at least %d", option->name,
                (int)option->least);
  return number;
}

static long check_version(lua_State *L, int level, const struct option *option) {
  static const struct {
    const char *name;
    long version;
  } versions[] = {{"1.1", HTTP_1_1}, {"2", HTTP_2}, {"3", HTTP_3}};
  const char *name = check_string(L, level, option);
  for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
    if (strcmp(name, versions[i].name) == 0 && sora_can_speak(versions[i].version))
      return versions[i].version;
    else if (strcmp(name, versions[i].name) == 0)
      sora_misuse(L, level, "option '%s': this libcurl cannot do HTTP/%s", option->name, name);
  sora_misuse(L, level, "option '%s' must be \"1.1\", \"2\" or \"3\"", option->name);
}

/* Checks the value on the top of the stack and, where the option has a field, stores it: a string
   as a pointer into the value, a table, a function or an `any` value as its stack index. Returns
   whether the value has to stay on the stack for that. */
static int store(lua_State *L, int level, const struct option *option, struct settings *settings) {
  struct settings unused;
  void *field = option->field == NOWHERE ? (void *)&unused : (char *)settings + option->field;
  switch (option->type) {
  case TYPE_STRING:
    *(const char **)field = check_string(L, level, option);
    return option->field != NOWHERE;
  case TYPE_PATH:
    *(const char **)field = check_path(L, level, option);
    return option->field != NOWHERE;
  case TYPE_SECONDS:
    *(double *)field = check_number(L, level, option);
    return 0;
  case TYPE_COUNT:
    *(long *)field = (long)check_number(L, level, option);
    return 0;
  case TYPE_SIZE:
    *(double *)field = check_number(L, level, option);
    return 0;
  case TYPE_PLACE:
    if (!lua_isfunction(L, -1) && lua_type(L, -1) != LUA_TSTRING)
      refuse(L, level, option, "a folder (a string) or a function");
    if (lua_type(L, -1) == LUA_TSTRING)
      check_string(L, level, option);
    return 0;
  case TYPE_VERSION:
    *(long *)field = check_version(L, level, option);
    return 0;
  case TYPE_BOOLEAN:
    if (!lua_isboolean(L, -1))
      refuse(L, level, option, "a boolean");
    *(int *)field = lua_toboolean(L, -1);
    return 0;
  case TYPE_FUNCTION:
    if (!lua_isfunction(L, -1))
      refuse(L, level, option, "a function");
    break;
  case TYPE_TABLE:
    if (!lua_istable(L, -1))
      refuse(L, level, option, "a table");
    break;
  case TYPE_ANY:
    break;
  }
  *(int *)field = lua_gettop(L) - 1; /* where sora_settings_read puts it */
  return option->field != NOWHERE;
}

void sora_settings_init(struct settings *settings) {
  memset(settings, 0, sizeof *settings);
  for (int i = 0; i < OPTION_COUNT; i++) {
    const struct option *option = &options[i];
    if (option->field == NOWHERE)
      continue;
    void *field = (char *)settings + option->field;
    if (option->type == TYPE_SECONDS || option->type == TYPE_SIZE)
      *(double *)field = option->initial;
    else if (option->type == TYPE_COUNT)
      *(long *)field = (long)option->initial;
    else if (option->type == TYPE_BOOLEAN)
      *(int *)field = option->initial != 0;
  }
}

static int has_options(lua_State *L, int index, int level) {
  if (lua_isnoneornil(L, index))
    return 0;
  if (!lua_istable(L, index))
    sora_misuse(L, level, "options must be a table, not a %s", luaL_typename(L, index));
  return 1;
}

void sora_settings_read(lua_State *L, int index, enum option_scope scope, int level,
                        struct settings *settings) {
  if (!has_options(L, index, level))
    return;
  index = lua_absindex(L, index);
  luaL_checkstack(L, OPTION_COUNT + 4, "too many options");
  lua_pushnil(L);
  while (lua_next(L, index)) {
    const struct option *option = option_of(L, -2, (unsigned)scope, level);
    settings->given |= option->affects;
    if (store(L, level, option, settings))
      lua_insert(L, -2); /* below the key, from which lua_next goes on */
    else
      lua_pop(L, 1);
  }
}

int sora_settings_have_secrets(const struct settings *settings) {
  return settings->api_key != NULL || settings->headers != 0 || settings->proxy != NULL;
}

static void add_header(lua_State *L, struct headers *list, const char *name, const char *value) {
  if (!sora_headers_add(list, name, value))
    luaL_error(L, "not enough memory");
}

/* Adds the headers of the table at `index`. */
static void add_table(lua_State *L, int index, int level, struct headers *list) {
  luaL_checkstack(L, 3, "too many headers");
  lua_pushnil(L);
  while (lua_next(L, index)) {
    size_t name_length = 0, value_length = 0;
    if (lua_type(L, -2) != LUA_TSTRING || !lua_isstring(L, -1))
      sora_misuse(L, level, "option 'headers' must map names to strings");
    const char *name = lua_tolstring(L, -2, &name_length);
    const char *value = lua_tolstring(L, -1, &value_length);
    if (!sora_header_name_valid(name, name_length))
      sora_misuse(L, level, "option 'headers' has an invalid name");
    const char *fault = sora_text_fault(value, value_length);
    if (fault != NULL)
      sora_misuse(L, level, "option 'headers': '%s' %s", name, fault);
    add_header(L, list, name, value);
    lua_pop(L, 1);
  }
}

void sora_settings_headers(lua_State *L, const struct settings *settings, int level,
                           struct headers *list) {
  if (settings->headers != 0)
    add_table(L, settings->headers, level, list);
  if (settings->api_key != NULL && !sora_headers_add_key(list, settings->api_key))
    luaL_error(L, "not enough memory");
  if (settings->forwarded_host != NULL)
    add_header(L, list, "X-Forwarded-Host", settings->forwarded_host);
  if (settings->user_agent != NULL && *settings->user_agent != '\0')
    add_header(L, list, "User-Agent", settings->user_agent);
  else if (settings->user_agent != NULL && !sora_headers_omit(list, "User-Agent"))
    luaL_error(L, "not enough memory");
}

static unsigned scopes_of(const char *call) {
  if (strcmp(call, "wait") == 0)
    return SCOPE_WAIT;
  if (strcmp(call, "wait_all") == 0)
    return SCOPE_WAIT | SCOPE_MANY | SCOPE_VIDEOS;
  if (strcmp(call, "query_all") == 0)
    return SCOPE_MANY;
  if (strcmp(call, "create") == 0)
    return SCOPE_CREATE;
  if (strcmp(call, "generate") == 0)
    return SCOPE_CREATE | SCOPE_WAIT | SCOPE_DOWNLOAD;
  if (strcmp(call, "call") == 0)
    return SCOPE_CALL;
  return strcmp(call, "download") == 0 ? SCOPE_DOWNLOAD : SCOPE_QUERY;
}

/* Sets in the table at `policy` the defaults of the policy options of `scopes`. */
static void push_defaults(lua_State *L, int policy, unsigned scopes) {
  if (scopes & SCOPE_WAIT) {
    lua_pushnumber(L, WAIT_TIMEOUT);
    lua_setfield(L, policy, "timeout");
  }
  for (int i = 0; i < OPTION_COUNT; i++) {
    if (options[i].field != NOWHERE || !(options[i].scopes & scopes) || options[i].initial == 0)
      continue;
    lua_pushnumber(L, options[i].initial);
    lua_setfield(L, policy, options[i].name);
  }
}

int sora_options(lua_State *L) {
  unsigned scopes = scopes_of(luaL_checkstring(L, 1));
  int level = (int)luaL_optinteger(L, 3, 1);
  struct settings settings;
  sora_settings_init(&settings);
  lua_settop(L, 2);
  lua_newtable(L);
  push_defaults(L, 3, scopes);
  if (!has_options(L, 2, level))
    return 1;
  lua_newtable(L);
  int of_request = 0;
  lua_pushnil(L);
  while (lua_next(L, 2)) {
    const struct option *option = option_of(L, -2, scopes, level);
    store(L, level, option, &settings);
    int target = option->field == NOWHERE || option->field == FIELD(timeout) ? 3 : 4;
    of_request |= target == 4;
    lua_pushvalue(L, -1);
    lua_setfield(L, target, option->name);
    lua_pop(L, 1);
  }
  lua_settop(L, 3 + of_request);
  if (sora_settings_have_secrets(&settings))
    sora_secrets_note_call(L, 4);
  return 1 + of_request;
}

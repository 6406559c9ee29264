#include "lua/configure.h"

#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "lua/attempt.h"
#include "lua/metatable.h"
#include "lua/options.h"
#include "transfer/client.h"
#include "transfer/features.h"
#include "transfer/text.h"

#define PARTS "sora.parts"
#define DEFAULT_BASE_URL "https://az.gptplus5.com"
#define DEFAULT_USER_AGENT "lua-sora/0.1.0"

void sora_check_plain(lua_State *L, int level, const struct base_url *base,
                      const struct settings *settings, const struct headers *headers) {
  int seen_by_others =
      base->plain && (!base->loopback || (settings->proxy != NULL && *settings->proxy != '\0'));
  if (seen_by_others && !settings->allow_http && sora_headers_key(headers) != NULL)
    sora_misuse(L, level,
                "option 'base_url' is plain http: the key would travel in the clear "
                "(use https, or set option 'allow_http')");
}

/* What the client takes over at last. Until then it belongs to a userdata, whose finaliser frees it
   wherever something raises. */
struct parts {
  struct base_url base;
  struct headers *headers;
};

static int collect_parts(lua_State *L) {
  struct parts *parts = lua_touserdata(L, 1);
  sora_url_free_base(&parts->base);
  sora_headers_release(&parts->headers);
  return 0;
}

static struct parts *push_parts(lua_State *L) {
  struct parts *parts = lua_newuserdata(L, sizeof *parts);
  memset(parts, 0, sizeof *parts);
  luaL_setmetatable(L, PARTS);
  parts->headers = sora_headers_new();
  if (parts->headers == NULL)
    luaL_error(L, "not enough memory");
  return parts;
}

static const char *from_environment(lua_State *L, int level, const char *name) {
  const char *value = getenv(name);
  const char *fault = value == NULL ? NULL : sora_text_fault(value, strlen(value));
  if (fault != NULL)
    sora_misuse(L, level, "$%s %s", name, fault);
  return value;
}

/* As the user agent, the last one is what libcurl would write for each request itself, letter by
   letter, and twice. */
static void add_usual(lua_State *L, struct headers *headers) {
  struct features features;
  sora_features(&features);
  if (!sora_headers_add(headers, "Content-Type", "application/json") ||
      !sora_headers_add(headers, "Accept", "application/json") ||
      (*features.encodings != '\0' &&
       !sora_headers_add(headers, "Accept-Encoding", features.encodings)))
    luaL_error(L, "not enough memory");
}

void sora_configure(lua_State *L, struct client *client, int values, int level) {
  struct settings given;
  struct parts *parts = push_parts(L);
  sora_settings_init(&given);
  sora_settings_read(L, 1, SCOPE_CLIENT, level, &given);
  if (given.api_key == NULL)
    given.api_key = from_environment(L, level, "SORA_API_KEY");
  const char *from = given.base_url ? "option 'base_url'" : "$SORA_BASE_URL";
  if (given.base_url == NULL)
    given.base_url = getenv("SORA_BASE_URL");
  if (given.base_url == NULL || *given.base_url == '\0')
    given.base_url = DEFAULT_BASE_URL;
  const char *wrong = sora_url_parse_base(given.base_url, given.query_path, &parts->base);
  if (wrong != NULL)
    sora_misuse(L, level, "%s %s", from, wrong);
  if (given.user_agent == NULL)
    given.user_agent = DEFAULT_USER_AGENT;
  sora_settings_headers(L, &given, level, parts->headers);
  add_usual(L, parts->headers);
  sora_check_plain(L, level, &parts->base, &given, parts->headers);
  if (given.null != 0) {
    lua_pushvalue(L, given.null);
    lua_setfield(L, values, "null");
  }
  sora_attempt_keep(L, &given, values);
  int opened = sora_client_configure(client, &given, &parts->base, parts->headers);
  parts->headers = NULL;
  if (!opened)
    luaL_error(L, "not enough memory");
}

void sora_configure_open(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", collect_parts}, {NULL, NULL}};
  sora_metatable_new(L, PARTS, metamethods, NULL);
  lua_pop(L, 1);
}

#include "lua/secrets.h"

#include <string.h>

#include "compat.h"
#include "lua/client.h"
#include "lua/metatable.h"
#include "transfer/client.h"
#include "transfer/text.h"

#define METATABLE "sora.secrets"
#define CLIENTS "sora.clients" /* client -> true */
#define CALLS "sora.calls"     /* table of options -> true */
#define TASKS "sora.tasks"     /* task -> the table of options of its call */

struct held_secrets {
  struct headers *headers;
  struct settings *settings;
};

void sora_secrets_let_go(struct held_secrets *held) {
  sora_headers_release(&held->headers);
  sora_settings_release(&held->settings);
}

static int collect(lua_State *L) {
  sora_secrets_let_go(lua_touserdata(L, 1));
  return 0;
}

static struct held_secrets *push_held(lua_State *L) {
  struct held_secrets *held = lua_newuserdata(L, sizeof *held);
  *held = (struct held_secrets){NULL, NULL};
  luaL_setmetatable(L, METATABLE);
  held->headers = sora_headers_new();
  if (held->headers == NULL)
    luaL_error(L, "not enough memory");
  return held;
}

/* ---- remembering ---- */

/* In the table of that name in the registry, maps the value at the stack index `key` (an absolute
   one) to the value on top of the stack, which is popped. */
static void note(lua_State *L, const char *table, int key) {
  lua_getfield(L, LUA_REGISTRYINDEX, table);
  lua_insert(L, -2);
  lua_pushvalue(L, key);
  lua_insert(L, -2);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

void sora_secrets_note_client(lua_State *L, int index) {
  lua_pushboolean(L, 1);
  note(L, CLIENTS, index);
}

void sora_secrets_note_call(lua_State *L, int index) {
  lua_pushboolean(L, 1);
  note(L, CALLS, index);
}

void sora_secrets_note_task(lua_State *L, int task, int options) {
  lua_pushvalue(L, options);
  note(L, TASKS, task);
}

/* ---- reading ---- */

/* The string at `index`; NULL for what is none, or can't be sent. */
static const char *text_at(lua_State *L, int index) {
  size_t length;
  if (lua_type(L, index) != LUA_TSTRING)
    return NULL;
  const char *text = lua_tolstring(L, index, &length);
  return sora_text_fault(text, length) == NULL ? text : NULL;
}

/* Pushes the field and returns it where it is a string. */
static const char *get_text(lua_State *L, int index, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, index);
  return text_at(L, -1);
}

/* Adds to `held` the secrets in the table of options at `index`. It was checked when the call began
   and may have been changed since: what is wrong in it now is passed over. */
static void read_options(lua_State *L, int index, struct held_secrets *held) {
  struct settings settings = {0};
  int complete = 1, top = lua_gettop(L);
  if (!lua_istable(L, index))
    return;
  luaL_checkstack(L, 8, "options");
  lua_pushliteral(L, "headers");
  lua_rawget(L, index);
  lua_pushnil(L);
  while (lua_istable(L, top + 1) && lua_next(L, top + 1)) {
    if (text_at(L, -2) != NULL && text_at(L, -1) != NULL)
      complete &= sora_headers_add(held->headers, text_at(L, -2), text_at(L, -1));
    lua_pop(L, 1);
  }
  lua_settop(L, top + 1);
  const char *key = get_text(L, index, "api_key");
  settings.proxy = get_text(L, index, "proxy");
  if (key != NULL)
    complete &= sora_headers_add_key(held->headers, key);
  if (settings.proxy != NULL)
    held->settings = sora_settings_new(&settings);
  complete &= settings.proxy == NULL || held->settings != NULL;
  lua_settop(L, top);
  if (!complete)
    luaL_error(L, "not enough memory");
}

struct held_secrets *sora_secrets_push(lua_State *L, int client_index, int options,
                                       struct secrets *secrets) {
  struct held_secrets *held = push_held(L);
  read_options(L, options, held);
  struct client *client = sora_client_check_any(L, client_index);
  if (sora_client_is_closed(client)) {
    sora_secrets_let_go(held);
    return NULL;
  }
  if (held->settings == NULL)
    held->settings = sora_settings_share(sora_client_settings(client));
  if (!sora_headers_inherit(held->headers, sora_client_headers(client)))
    luaL_error(L, "not enough memory");
  *secrets = (struct secrets){held->headers, held->settings};
  return held;
}

/* ---- hiding ---- */

enum { MOST_HIDDEN = 4096 }; /* bytes of a text that is looked at more than once */

static size_t hide_again(char *text, size_t length, const struct secrets *secrets) {
  char before[MOST_HIDDEN];
  if (!sora_holds_secret(text, length, secrets))
    return length;
  memcpy(before, text, length);
  length = sora_hide(text, MOST_HIDDEN, before, length, secrets, NULL);
  explicit_bzero(before, sizeof before);
  return length;
}

static size_t hide_clients(lua_State *L, char *text, size_t length) {
  int top = lua_gettop(L);
  lua_getfield(L, LUA_REGISTRYINDEX, CLIENTS);
  lua_pushnil(L);
  while (lua_next(L, top + 1)) {
    const struct client *client = sora_client_peek(L, -2);
    lua_pop(L, 1);
    if (client == NULL || sora_client_is_closed(client))
      continue;
    struct secrets secrets = {sora_client_headers(client), sora_client_settings(client)};
    length = hide_again(text, length, &secrets);
  }
  lua_settop(L, top);
  return length;
}

/* Pushes a list of the tables of options that are remembered, and returns how many they are. A
   list, because reading one may run code that adds others. */
static int push_calls(lua_State *L) {
  int count = 0, top = lua_gettop(L);
  lua_newtable(L);
  lua_getfield(L, LUA_REGISTRYINDEX, CALLS);
  lua_pushnil(L);
  while (lua_next(L, top + 2)) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, top + 1, ++count);
  }
  lua_settop(L, top + 1);
  return count;
}

static size_t hide_calls(lua_State *L, char *text, size_t length) {
  int top = lua_gettop(L), count = push_calls(L);
  for (int i = 1; i <= count; i++) {
    lua_rawgeti(L, top + 1, i);
    struct held_secrets *held = push_held(L);
    read_options(L, top + 2, held);
    struct secrets secrets = {held->headers, held->settings};
    length = hide_again(text, length, &secrets);
    sora_secrets_let_go(held);
    lua_settop(L, top + 1);
  }
  lua_settop(L, top);
  return length;
}

size_t sora_secrets_hide_all(lua_State *L, char *out, size_t size, const char *text, size_t length,
                             size_t *taken) {
  struct secrets none = {NULL, NULL};
  luaL_checkstack(L, 10, "secrets");
  size_t written =
      sora_hide(out, size < MOST_HIDDEN ? size : MOST_HIDDEN, text, length, &none, taken);
  return hide_calls(L, out, hide_clients(L, out, written));
}

/* A module that is loaded once more goes on with what the first one has. */
static void make_weak(lua_State *L, const char *name) {
  lua_getfield(L, LUA_REGISTRYINDEX, name);
  int found = !lua_isnil(L, -1);
  lua_pop(L, 1);
  if (found)
    return;
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_setfield(L, LUA_REGISTRYINDEX, name);
}

void sora_secrets_open(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", collect}, {NULL, NULL}};
  sora_metatable_new(L, METATABLE, metamethods, NULL);
  lua_pop(L, 1);
  make_weak(L, CLIENTS);
  make_weak(L, CALLS);
  make_weak(L, TASKS);
}

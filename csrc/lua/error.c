#include "lua/error.h"

#include <string.h>

#include "compat.h"
#include "lua/metatable.h"
#include "lua/secrets.h"
#include "transfer/spelling.h"

#define METATABLE "sora.error"

enum {
  MOST_MESSAGE = 400,
  MOST_CODE = 100,
  MOST_BODY = 1024,
  MOST_SEEN = 4096, /* bytes of a text that are looked at: query strings and controls shrink */
  LONGEST_SUBSTITUTE = 16,
  AS_IT_IS = 0 /* not cut, and not cleaned: what the caller has given */
};

static const char *const kind_names[] = {NULL,
#define X(name) #name,
                                         SORA_ERROR_KINDS(X)
#undef X
};

const char *sora_error_kind(enum error_kind kind) {
  return kind_names[kind];
}

static int is_word(unsigned char byte) {
  return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= 'a' && byte <= 'z');
}

/* Whether the byte cannot stand in a URL, as texts quote them. */
static int ends_url(unsigned char byte) {
  return byte <= ' ' || strchr("\"'<>`", byte) != NULL;
}

static size_t url_length(const char *text, size_t length) {
  size_t i = 0;
  while (i < length && !ends_url((unsigned char)text[i]))
    i++;
  return i;
}

/* Whether `text` has the look of what follows the `?` of a query: name=value… */
static int is_query(const char *text, size_t length) {
  size_t i = 0;
  while (i < length && sora_spells(text + i, length - i, '=') == 0 &&
         (is_word((unsigned char)text[i]) || strchr("_.-%[]", text[i]) != NULL))
    i++;
  return i > 0 && i < length && sora_spells(text + i, length - i, '=') > 0;
}

/* How many bytes from `text` on are a URL's query or fragment, or 0. */
static size_t query_length(const char *text, size_t length, int in_url) {
  size_t mark = sora_spells(text, length, '?');
  if (mark == 0 && in_url)
    mark = sora_spells(text, length, '#');
  if (mark == 0 || !(in_url || is_query(text + mark, length - mark)))
    return 0;
  size_t all = mark + url_length(text + mark, length - mark);
  return all > mark ? all : 0;
}

/* How many bytes from `text` on are the "://" of a URL, or 0. */
static size_t scheme_length(const char *text, size_t length) {
  size_t all = 0;
  for (const char *byte = "://"; *byte != '\0'; byte++) {
    size_t size = sora_spells(text + all, length - all, *byte);
    if (size == 0)
      return 0;
    all += size;
  }
  return all <= LONGEST_SUBSTITUTE ? all : 0;
}

/* How many bytes from `text` on, which follow "://", are a user and a password with their `@`. */
static size_t user_length(const char *text, size_t length) {
  size_t user = 0;
  for (size_t i = 0; i < length && !ends_url((unsigned char)text[i]) && !strchr("/?#", text[i]);)
    if (text[i++] == '@')
      user = i;
  return user;
}

/* How many bytes from `text` on have the look of a key, sk-…, or 0: services quote them. */
static size_t key_length(const char *text, size_t length) {
  size_t i = 3;
  if (length < 4 || memcmp(text, "sk-", 3) != 0)
    return 0;
  while (i < length && (is_word((unsigned char)text[i]) || text[i] == '_' || text[i] == '-'))
    i++;
  return i > 3 ? i : 0;
}

/* How many bytes from `text` on are one control character, C0 or C1 (U+0080 to U+009F). */
static size_t control_length(const char *text, size_t length) {
  unsigned char first = (unsigned char)text[0];
  unsigned char second = length > 1 ? (unsigned char)text[1] : 0;
  if (first < ' ' || first == 0x7F)
    return 1;
  return first == 0xC2 && (second & 0xE0) == 0x80 ? 2 : 0;
}

/* The length of the UTF-8 character that begins with that byte. */
static size_t character_length(unsigned char byte) {
  return (size_t)1 + (byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0);
}

/* Copies a text in which secrets are hidden already to `out`, which has room for `most` bytes and a
   last substitute, fit for a message: see sora_push_redacted. `query` stands for the query of a
   URL. Returns how many bytes were written; *taken is how many of the text's that took. */
static size_t clean(char *out, size_t most, const char *text, size_t length, const char *query,
                    size_t *taken) {
  size_t i = 0, written = 0;
  int in_url = 0;
  for (size_t skip; i < length; i += skip) {
    const char *here = text + i, *instead = NULL;
    size_t left = length - i, size = 0, character = character_length((unsigned char)*here);
    if (written + character > most || character > left)
      break;
    in_url = in_url && !ends_url((unsigned char)*here);
    if ((skip = query_length(here, left, in_url)) != 0) {
      instead = query;
    } else if ((i == 0 || !is_word((unsigned char)here[-1])) &&
               (skip = key_length(here, left)) != 0) {
      instead = "sk-***";
    } else if ((skip = control_length(here, left)) != 0) {
      instead = " ";
    } else if ((size = scheme_length(here, left)) != 0) {
      in_url = 1;
      instead = here;
      skip = size + user_length(here + size, left - size);
    } else {
      out[written++] = *here;
      skip = 1;
    }
    if (instead != NULL) {
      size = size > 0 ? size : strlen(instead);
      memcpy(out + written, instead, size);
      written += size;
    }
  }
  *taken = i;
  return written;
}

void sora_push_redacted(lua_State *L, const char *text, size_t length,
                        const struct secrets *secrets, size_t most) {
  char hidden[MOST_SEEN], out[MOST_SEEN + LONGEST_SUBSTITUTE];
  size_t taken, size = sora_hide(hidden, sizeof hidden, text, length, secrets, NULL);
  lua_pushlstring(L, out, clean(out, most, hidden, size, "?***", &taken));
}

void sora_push_hidden(lua_State *L, const char *text, size_t length,
                      const struct secrets *secrets) {
  if (sora_holds_secret(text, length, secrets))
    sora_push_redacted(L, text, length, secrets, MOST_MESSAGE);
  else
    lua_pushlstring(L, text, length);
}

void sora_push_plain(lua_State *L, const char *text, size_t length, size_t most) {
  char hidden[MOST_SEEN], out[MOST_SEEN + LONGEST_SUBSTITUTE + 3];
  size_t seen, taken, size = sora_secrets_hide_all(L, hidden, sizeof hidden, text, length, &seen);
  size_t written = clean(out, most < MOST_SEEN ? most : MOST_SEEN, hidden, size, "", &taken);
  if (seen < length || taken < size) {
    memset(out + written, '.', 3);
    written += 3;
  }
  lua_pushlstring(L, out, written);
}

static void set_text(lua_State *L, const char *name, const char *text, size_t length,
                     const struct secrets *secrets, size_t most) {
  if (text == NULL || length == 0)
    return;
  sora_push_redacted(L, text, length, secrets, most);
  lua_setfield(L, -2, name);
}

void sora_error_push(lua_State *L, const struct failure *failure) {
  lua_createtable(L, 0, 8);
  lua_pushstring(L, kind_names[failure->kind]);
  lua_setfield(L, -2, "kind");
  lua_pushboolean(L, failure->retryable);
  lua_setfield(L, -2, "retryable");
  set_text(L, "message", failure->message, strlen(failure->message), &failure->secrets,
           MOST_MESSAGE);
  if (failure->id != NULL) {
    sora_push_hidden(L, failure->id, failure->id_length, &failure->secrets);
    lua_setfield(L, -2, "id");
  }
  if (failure->status != 0) {
    lua_pushinteger(L, (lua_Integer)failure->status);
    lua_setfield(L, -2, "status");
  }
  if (failure->request_id != NULL)
    set_text(L, "request_id", failure->request_id, strlen(failure->request_id), &failure->secrets,
             MOST_MESSAGE);
  if (failure->retry_after >= 0) {
    lua_pushnumber(L, failure->retry_after);
    lua_setfield(L, -2, "retry_after");
  }
  if (failure->attempts > 0) {
    lua_pushinteger(L, failure->attempts);
    lua_setfield(L, -2, "attempts");
  }
  if (failure->tells_sent) {
    lua_pushboolean(L, failure->sent);
    lua_setfield(L, -2, "sent");
  }
  set_text(L, "body", failure->body, failure->body_length, &failure->secrets, MOST_BODY);
  luaL_setmetatable(L, METATABLE);
}

/* Cleans a text of the table at 1, where it has one of that name. */
static void clean_field(lua_State *L, const char *name, const struct secrets *secrets,
                        size_t most) {
  lua_getfield(L, 1, name);
  if (lua_type(L, -1) == LUA_TSTRING) {
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    if (most == AS_IT_IS)
      sora_push_hidden(L, text, length, secrets);
    else
      sora_push_redacted(L, text, length, secrets, most);
    lua_setfield(L, 1, name);
  }
  lua_pop(L, 1);
}

void sora_error_withhold(lua_State *L, const char *why) {
  lua_pushstring(L, kind_names[ERROR_cancelled]);
  lua_setfield(L, 1, "kind");
  lua_pushstring(L, why);
  lua_setfield(L, 1, "message");
  lua_pushnil(L);
  lua_setfield(L, 1, "code");
  lua_pushnil(L);
  lua_setfield(L, 1, "retryable");
}

void sora_error_make(lua_State *L, const struct secrets *secrets) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "kind");
  const char *kind = lua_tostring(L, -1);
  int known = 0;
  for (size_t i = 1; i < sizeof kind_names / sizeof *kind_names && kind != NULL; i++)
    known |= strcmp(kind, kind_names[i]) == 0;
  luaL_argcheck(L, known, 1, "kind of error expected");
  lua_getfield(L, 1, "retryable");
  lua_pushboolean(L, lua_toboolean(L, -1));
  lua_setfield(L, 1, "retryable");
  lua_getfield(L, 1, "message");
  luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 1, "message of the error expected");
  lua_pop(L, 3);
  clean_field(L, "message", secrets, MOST_MESSAGE);
  clean_field(L, "code", secrets, MOST_CODE);
  clean_field(L, "id", secrets, AS_IT_IS);
  lua_pushvalue(L, 1);
  luaL_setmetatable(L, METATABLE);
}

/* Adds `before` and the field to the text on top of the stack, where the field is a string or a
 * number. */
static void add_field(lua_State *L, const char *name, const char *before) {
  lua_getfield(L, 1, name);
  if (lua_isstring(L, -1))
    lua_pushfstring(L, "%s%s%s", lua_tostring(L, -2), before, lua_tostring(L, -1));
  else
    lua_pushvalue(L, -2);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

static int to_string(lua_State *L) {
  lua_settop(L, 1);
  lua_pushliteral(L, "sora");
  add_field(L, "kind", ": ");
  add_field(L, "message", ": ");
  lua_pushliteral(L, "");
  add_field(L, "id", ", id ");
  add_field(L, "status", ", HTTP ");
  add_field(L, "code", ", code ");
  add_field(L, "request_id", ", request id ");
  const char *details = lua_tostring(L, -1);
  if (*details != '\0')
    lua_pushfstring(L, "%s (%s)", lua_tostring(L, -2), details + 2);
  else
    lua_pop(L, 1);
  return 1;
}

/* Either operand may be the error object; the other is a string, a number or one more error. */
static int concat(lua_State *L) {
  for (int i = 1; i <= 2; i++) {
    if (luaL_callmeta(L, i, "__tostring"))
      lua_replace(L, i);
    luaL_checkstring(L, i);
  }
  lua_settop(L, 2);
  lua_concat(L, 2);
  return 1;
}

void sora_error_open(lua_State *L) {
  static const luaL_Reg metamethods[] = {
      {"__tostring", to_string}, {"__concat", concat}, {NULL, NULL}};
  sora_metatable_new(L, METATABLE, metamethods, NULL);
  lua_pop(L, 1);
}

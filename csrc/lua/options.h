/*
 * The option table: every option of every call, its type, where it may be given and its default.
 *
 * One row in options.c drives parsing, checking, the default and the errors. What C needs goes into
 * `struct settings` (transfer/settings.h); what the policy in Lua needs comes back as a Lua table.
 */
#ifndef SORA_OPTIONS_H
#define SORA_OPTIONS_H

#include <lua.h>

#include "transfer/headers.h"
#include "transfer/settings.h"

/* The calls that take options. */
enum option_scope {
  SCOPE_CLIENT = 1,
  SCOPE_QUERY = 2,
  SCOPE_WAIT = 4,
  SCOPE_MANY = 8,
  SCOPE_DOWNLOAD = 16,
  SCOPE_DECODE = 32,
  SCOPE_VIDEOS = 64, /* wait_all, with `download` */
  SCOPE_ENCODE = 128,
  SCOPE_CREATE = 256,
  SCOPE_CALL = 512
};

/* The defaults of all. */
void sora_settings_init(struct settings *settings);

/* Reads the option table at `index` (nil and none: no options) over what `settings` holds already.
   Raises, `level` up (1: whoever called the running function), what is wrong with a name, a type or
   a value. Pushes the values that `settings` then points into, or has the stack index of: they have
   to stay on the stack, since a finaliser may change the table. */
void sora_settings_read(lua_State *L, int index, enum option_scope scope, int level,
                        struct settings *settings);

/* Whether the settings that were read name any secret. */
int sora_settings_have_secrets(const struct settings *settings);

/* Adds to `list`, which is owned by some userdata, the headers that the settings name: those of the
   table at `settings->headers`, the key, the host, the user agent; of two with the same name the
   first stays. Raises, `level` up, what is wrong with a header. */
void sora_settings_headers(lua_State *L, const struct settings *settings, int level,
                           struct headers *list);

/* core.options(call, opts, level): checks `opts` for a call of the Lua side ("wait", "wait_all",
   "query_all", "download", "create", "generate", "call"). Returns a new table of the options that
   are policy, defaults filled in, and a table of those for core.request (nil when none were given).
 */
int sora_options(lua_State *L);

/* Raises a string with the position `level` up in front, like luaL_error with a level. */
_Noreturn void sora_misuse(lua_State *L, int level, const char *format, ...);

#endif

/*
 * JSON text -> values on the Lua stack, in one pass, strict as RFC 8259 has it, without a tree in
 * between.
 *
 * Integers become Lua integers where they fit, everything else the nearest float; strings are
 * checked to be UTF-8; of a name that occurs twice in an object the last value wins. `[]` gets the
 * metatable that lua-cjson has for empty arrays, where it has one, otherwise one of ours; `{}` gets
 * none. Must not know where the text came from, nor error objects.
 */
#ifndef SORA_JSON_H
#define SORA_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "compat.h"

#define JSON_DEPTH_DEFAULT 512

struct json_options {
  int null_index; /* absolute stack index of the value that stands for null, or 0: absent in
                     objects, the NULL light userdata in arrays and alone */
  int max_depth;  /* so many arrays and objects may be nested */
  int repair;     /* read a text that is refused once more, as repair.h would have it: costs nothing
                     where the first reading succeeds */
  size_t most;    /* bytes of Lua's memory that the values may take, estimated (see json_most); 0:
                     no limit */
};

struct json_error {
  size_t offset;       /* bytes before the fault */
  size_t line, column; /* from 1, in bytes */
  int too_large;       /* the text may be well, but `most` was reached */
  char message[128];   /* what was expected, and a few bytes of what is there */
};

/* What to allow the answer of a service that may have `max_body` bytes. Four times its size and at
   least a mebibyte: what services really send takes about three times its size, while sixteen
   kilobytes of gzip can hold 400 MiB of empty arrays. A table
   counts as 64 bytes, a value in an array as 16, a member as 64, a string as 32 and its length: the
   least that versions of Lua need, or a little more. */
static inline size_t json_most(size_t max_body) {
  size_t least = (size_t)1 << 20;
  if (max_body > SIZE_MAX / 4)
    return SIZE_MAX;
  return 4 * max_body < least ? least : 4 * max_body;
}

/* Pushes the state of decoder and encoder for this Lua state, one value to be kept as long as they
   are used. It holds no text but the names in objects that were met last. */
void sora_json_new(lua_State *L);

/* Decodes text; `state` is the absolute stack index, or that of an upvalue, of what sora_json_new
   pushed. Returns 1 and pushes the value, or returns 0, pushes nothing and fills *error. Raises
   nothing but Lua's memory error. A finaliser that runs meanwhile may use the same state. */
int sora_json_decode(lua_State *L, int state, const char *text, size_t length,
                     const struct json_options *options, struct json_error *error);

#endif

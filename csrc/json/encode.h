/*
 * Lua values -> JSON text: the counterpart of decode.h. What that read, this writes.
 *
 * Integers keep every digit; a float is written with the fewest digits that lead back to it, and
 * one that is whole with ".0", where Lua tells it from an integer. Names of an object are sorted by
 * the bytes that are written, so that equal values give equal texts. A table with the indices 1 to
 * n and nothing else is an array; one with strings as keys, and an empty one without an array's
 * mark (marks.h), an object. Tables are read without their metamethods. Must not know error
 * objects.
 */
#ifndef SORA_JSON_ENCODE_H
#define SORA_JSON_ENCODE_H

#include "compat.h"

#define JSON_INDENT_MOST 16

struct json_encode_options {
  int indent;    /* spaces for each level, 0: all in one line, at most JSON_INDENT_MOST */
  int max_depth; /* so many arrays and objects may be nested */
};

/* What cannot be encoded, and where: `$` is the value, `$.images[3].url` a field of the third one
   in its field `images`. Printable ASCII; holds names, but no values. */
struct json_refusal {
  char message[256];
};

/* Encodes the value at stack index `value`; `state` is the absolute index, or that of an upvalue,
   of what sora_json_new pushed. Returns 1 and pushes the text, or returns 0, pushes nothing and
   fills *refusal. Raises nothing but Lua's memory error or "not enough memory", and leaks nothing
   then. Between its first look at the value and the end of the text no finaliser can run; within
   one it may be used. */
int sora_json_encode(lua_State *L, int state, int value, const struct json_encode_options *options,
                     struct json_refusal *refusal);

#endif

/*
 * A cache from the bytes of a member's name to its Lua string, which outlives a decode.
 *
 * It never grows, and no choice of names makes a look-up cost more than two comparisons. It also
 * tells whether an object may have had a name before. Finalisers may run and use it within
 * sora_names_push. Must not know JSON.
 */
#ifndef SORA_JSON_NAMES_H
#define SORA_JSON_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compat.h"

#define NAMES_SETS 512
#define NAMES_WAYS 2
#define NAMES_MAX_LENGTH 32

/* The strings are at indices 1 to this one of a Lua table that goes with the cache. */
#define NAMES_STRINGS (NAMES_SETS * NAMES_WAYS)

/* Together with the length these words hold every byte of a name; unused ones are 0. */
struct name_bytes {
  uint64_t word[4];
};

struct name {
  struct name_bytes bytes;
  uint64_t object; /* number of the object that had it last */
  size_t length;   /* 0: empty */
};

struct name_set {
  struct name way[NAMES_WAYS];
  uint64_t evicted; /* the highest object number of all that had to leave */
  unsigned next;    /* the way that has to leave next */
};

/* All zero at first. */
struct names {
  uint64_t objects; /* numbered so far: each object gets a higher number than those around it */
  struct name_set sets[NAMES_SETS];
};

/* Tells whether the object, the innermost one, may have had this name pushed before. May say so
   wrongly, but never denies it wrongly. */
bool sora_names_seen(const struct names *names, uint64_t object, const char *p, size_t length);

/* Pushes the name; `strings` is the stack index of the table. Returns what sora_names_seen would
 * have. */
bool sora_names_push(lua_State *L, struct names *names, int strings, uint64_t object, const char *p,
                     size_t length);

#endif

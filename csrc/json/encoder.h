/*
 * The encoder at work: what encode.c and refusal.c share. Within json/ only.
 *
 * A table is written while it waits on the Lua stack, with the key that has been reached in it
 * above it, then the table that is there, and so on: two slots for each level, no recursion.
 */
#ifndef SORA_JSON_ENCODER_H
#define SORA_JSON_ENCODER_H

#include <stdbool.h>
#include <stddef.h>

#include "json/encode.h"
#include "json/room.h"

/* An open array or object. */
struct level {
  const void *table;
  size_t count;   /* of an array: its values */
  size_t written; /* values so far */
  size_t members; /* of an object: bytes of members that belong to the objects around it */
  bool is_array;
};

struct encoder {
  lua_State *L;
  struct rooms *rooms;
  int base;   /* absolute stack index of the first slot; what is there follows */
  int indent; /* spaces for each level */
  size_t depth, max_depth;
  struct json_refusal *refusal;
};

/* What lies on the Lua stack below the open tables. */
enum {
  SLOT_ROOMS,
  SLOT_EMPTY_ARRAY_MT,
  SLOT_ARRAY_MT,
  SLOT_EMPTY_ARRAY,
  SLOT_JSONTYPE,
  SLOT_TABLES
};

#define SLOT_OF_TABLE(e, depth) ((e)->base + SLOT_TABLES + 2 * (int)(depth))
#define SLOT_OF_KEY(e, depth) (SLOT_OF_TABLE(e, depth) + 1)

static inline struct level *level_at(const struct encoder *e, size_t depth) {
  return (struct level *)(void *)e->rooms->levels.data + depth;
}

/* All of these say in e->refusal what cannot be encoded, and where, and return false: */

/* the value that is being written; */
bool sora_encoder_refuse(struct encoder *e, const char *what);

/* the one that the outermost `depth` open tables lead to; */
bool sora_encoder_refuse_at(struct encoder *e, size_t depth, const char *what);

/* the value that is being written, for the type of what is at the stack index: the text `before`
   and the type's name; */
bool sora_encoder_refuse_type(struct encoder *e, const char *before, int index);

/* a table that is nested too deep: mostly because it is within itself, and then the place is where
   it is met for the second time. */
bool sora_encoder_refuse_depth(struct encoder *e, const void *table);

#endif

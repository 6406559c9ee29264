/*
 * The decoder at work: what decode.c, which reads values, and frames.c, which keeps the open arrays
 * and objects, share. Within json/ only.
 *
 * Values wait on the Lua stack until the array or object they belong to closes; only then is its
 * table made, at its final size. An open container has a place on the stack, for its table, and its
 * values above it:
 *
 *   … | place | value value … | place | name value name | place | value …
 *
 * This part of the stack, the window, is bounded. When it is full, each open container gets its
 * table, the tables and the names that wait for their values move to one Lua table, and the window
 * is empty again: the containers are "buried". One comes back when the one within it closes.
 */
#ifndef SORA_JSON_DECODER_H
#define SORA_JSON_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compat.h"
#include "json/names.h"

#ifndef WINDOW_MAX /* tests make these sizes small */
#define WINDOW_FIRST 64
#define WINDOW_MAX 4096
#define FRAMES_FIRST 64
#define SCRATCH_FIRST 512
#endif

/* Slots above the counted ones, for a table and a pair on their way. */
#define STACK_SLACK 4

/* What is counted for a value that is made. */
enum { COST_TABLE = 64, COST_ITEM = 16, COST_MEMBER = 64, COST_STRING = 32 };

/* What lies below the window. */
enum { SLOT_NAMES = 1, SLOT_SCRATCH, SLOT_FRAMES, SLOT_BURIED, SLOTS = SLOT_BURIED };

struct frame {
  uint64_t object; /* number of an object; higher than those of the objects around it */
  int place;       /* stack index of its table, or of nil until it has one; 0: buried */
  int stored;      /* values of an array already in its table */
  bool is_object;
  bool has_table;
  bool in_order; /* a name may occur twice: the order of assignments matters */
};

struct decoder {
  lua_State *L;
  struct names *names;
  const char *text, *end;
  int base;  /* stack top at the call; base + SLOT_… are the slots */
  int top;   /* the stack top */
  int limit; /* what the stack top may reach, STACK_SLACK not counted */
  int null_index;
  size_t depth, max_depth;
  size_t made, most; /* bytes of Lua's memory that the values take, and may take */
  size_t buried;     /* so many of the outermost frames */
  struct frame *frames;
  size_t frames_room;
  char *scratch;
  size_t scratch_room;
  const char *string; /* the one read last */
  size_t length;
  const char *fault, *expected;
  struct frame frames_first[FRAMES_FIRST];
  char scratch_first[SCRATCH_FIRST];
};

/* Counts bytes that are about to be made. When they are more than allowed, the stack is declared
   full: the next value asks for room and is refused. So values need not look at the count. */
static inline void count(struct decoder *d, size_t bytes) {
  d->made += bytes;
  if (d->made > d->most)
    d->limit = 0;
}

/* Makes room on the stack for two more values, either by more stack or by an emptier window. `p` is
   where the next value or member begins. Returns false where there is no more stack, or the values
   take more memory than they may. */
bool sora_frames_make_room(struct decoder *d, const char *p);

/* Opens an array or object, whose values are pushed from now on; and closes the innermost one,
   which then is the value on top of the stack. */
void sora_frames_open(struct decoder *d, bool is_object);
void sora_frames_close(struct decoder *d);

/* The cache of names of the state at that stack index or upvalue, 57 KiB, which is made with the
   first decode: it is most of what opening the module would touch. */
struct names *sora_json_names(lua_State *L, int index);

#endif

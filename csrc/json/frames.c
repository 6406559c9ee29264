#include <limits.h>
#include <string.h>

#include "json/decoder.h"
#include "json/scan.h"

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

/* Moves the waiting values of the frame, which are the topmost, to its table, making it if need be
   for so many more. Afterwards the table, at the frame's place, is the top of the stack. */
static void flush_frame(struct decoder *d, struct frame *frame, size_t more) {
  lua_State *L = d->L;
  int place = frame->place;
  int waiting = d->top - place;
  int values = frame->is_object ? waiting / 2 : waiting;
  size_t cost = (size_t)values * (frame->is_object ? COST_MEMBER : COST_ITEM);
  count(d, frame->has_table ? cost : cost + COST_TABLE);
  if (!frame->has_table) {
    more = least(more, (d->most - least(d->most, d->made)) / COST_ITEM);
    int size = more < (size_t)(INT_MAX - values) ? values + (int)more : values;
    lua_createtable(L, frame->is_object ? 0 : size, frame->is_object ? size : 0);
    lua_replace(L, place);
    frame->has_table = true;
  }
  if (!frame->is_object) {
    for (int i = frame->stored + values; i > frame->stored; i--)
      lua_rawseti(L, place, i);
    frame->stored += values;
  } else if (!frame->in_order) {
    for (; values > 0; values--)
      lua_rawset(L, place);
  } else {
    for (int i = place + 1; i < d->top; i += 2) {
      lua_pushvalue(L, i);
      lua_pushvalue(L, i + 1);
      lua_rawset(L, place);
    }
    lua_settop(L, place);
  }
  d->top = place;
}

/* Indices in the table of buried things. */
#define BURIED_TABLE(depth) ((int)(depth)*2 + 1)
#define BURIED_NAME(depth) ((int)(depth)*2 + 2)

/* Brings the innermost buried frame back; the window is empty. */
static void unbury(struct decoder *d) {
  d->buried--;
  lua_rawgeti(d->L, d->base + SLOT_BURIED, BURIED_TABLE(d->buried));
  d->frames[d->buried].place = ++d->top;
}

/* Empties the window but for the innermost frame's table. In every frame but that one a name waits
   for its value. `p` is where the next value or member begins: what follows there is counted where
   that is easy. */
static void bury(struct decoder *d, const char *p) {
  lua_State *L = d->L;
  if (lua_isnil(L, d->base + SLOT_BURIED)) {
    lua_newtable(L);
    lua_replace(L, d->base + SLOT_BURIED);
  }
  for (size_t i = d->depth; i > d->buried; i--) {
    struct frame *frame = &d->frames[i - 1];
    size_t more = 1;
    if (i == d->depth && !frame->is_object && !frame->has_table)
      more = sora_scan_flat_rest(p, d->end);
    flush_frame(d, frame, more);
    lua_rawseti(L, d->base + SLOT_BURIED, BURIED_TABLE(i - 1));
    frame->place = 0;
    d->top--;
    if (i - 1 > d->buried && d->frames[i - 2].is_object) {
      lua_rawseti(L, d->base + SLOT_BURIED, BURIED_NAME(i - 2));
      d->top--;
    }
  }
  d->buried = d->depth;
  unbury(d);
}

bool sora_frames_make_room(struct decoder *d, const char *p) {
  if (d->made > d->most)
    return false;
  int used = d->top - d->base;
  int more = used < WINDOW_MAX / 2 ? used : WINDOW_MAX - used;
  if (more >= 2 && lua_checkstack(d->L, more + STACK_SLACK)) {
    d->limit = d->top + more;
    return true;
  }
  if (d->depth > 0)
    bury(d, p);
  return d->limit - d->top >= 2;
}

static void grow_frames(struct decoder *d) {
  size_t size = d->frames_room * sizeof(struct frame);
  struct frame *frames = lua_newuserdata(d->L, 2 * size);
  memcpy(frames, d->frames, size);
  lua_replace(d->L, d->base + SLOT_FRAMES);
  d->frames = frames;
  d->frames_room *= 2;
}

void sora_frames_open(struct decoder *d, bool is_object) {
  if (d->depth == d->frames_room)
    grow_frames(d);
  lua_pushnil(d->L);
  struct frame *frame = &d->frames[d->depth++];
  frame->object = is_object ? ++d->names->objects : 0;
  frame->place = ++d->top;
  frame->stored = 0;
  frame->is_object = is_object;
  frame->has_table = false;
  frame->in_order = false;
}

void sora_frames_close(struct decoder *d) {
  lua_State *L = d->L;
  flush_frame(d, &d->frames[--d->depth], 0);
  if (d->depth > 0 && d->depth == d->buried) {
    unbury(d);
    lua_insert(L, -2);
    d->frames[d->depth - 1].place--;
    if (d->frames[d->depth - 1].is_object) {
      lua_rawgeti(L, d->base + SLOT_BURIED, BURIED_NAME(d->depth - 1));
      lua_insert(L, -2);
      d->top++;
    }
  }
}

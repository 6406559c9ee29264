#include "json/decode.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "json/marks.h"
#include "json/names.h"
#include "json/scan.h"
#include "json/number.h"
#include "json/repair.h"
#include "json/room.h"

/*
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

static const char *fail(struct decoder *d, const char *at, const char *expected) {
  d->fault = at;
  d->expected = expected;
  return NULL;
}

/* ---- containers ---- */

/* Counts bytes that are about to be made. Beyond what is allowed there is no more room on the
   stack, so that the next value finds out: values need not look. */
static void count(struct decoder *d, size_t bytes) {
  d->made += bytes;
  if (d->made > d->most)
    d->limit = 0;
}

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

/* Makes room for two more values, either by more stack or by an emptier window. */
static bool make_room(struct decoder *d, const char *p) {
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

static void open_frame(struct decoder *d, bool is_object) {
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

static void close_frame(struct decoder *d) {
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

/* ---- values: each pushes what begins at p and returns where it ends, or fails ---- */

static const char *skip_space(const char *p, const char *end) {
  return p < end && (unsigned char)*p > ' ' ? p : sora_scan_space(p, end);
}

static char peek(const struct decoder *d, const char *p) {
  return p < d->end ? *p : '\0';
}

static void grow_scratch(struct decoder *d, struct scan_copy *copy) {
  size_t used = (size_t)(copy->to - d->scratch);
  size_t room = 2 * (used + copy->wanted);
  char *scratch = lua_newuserdata(d->L, room);
  memcpy(scratch, d->scratch, used);
  lua_replace(d->L, d->base + SLOT_SCRATCH);
  d->scratch = scratch;
  d->scratch_room = room;
  copy->to = scratch + used;
  copy->room = scratch + room;
}

/* Goes on with the string that begins at d->string where scanning has stopped at p, a backslash or
 * fault. */
static const char *read_escaped(struct decoder *d, const char *p) {
  if (p == d->end || *p != '\\')
    return fail(d, p, sora_scan_expected(p, d->end));
  struct scan_copy copy = {d->string, d->scratch, d->scratch + d->scratch_room, 0, NULL};
  enum scan_end result;
  while ((result = sora_scan_unescape(&copy, d->end)) == SCAN_FULL)
    grow_scratch(d, &copy);
  if (result == SCAN_FAULT)
    return fail(d, copy.from, copy.expected);
  d->string = d->scratch;
  d->length = (size_t)(copy.to - d->scratch);
  return copy.from + 1;
}

/* p is an opening quote. Sets d->string and d->length, which hold until the next string, and
   returns what is behind the closing quote. */
static const char *read_string(struct decoder *d, const char *p) {
  d->string = ++p;
  p = sora_scan_plain(p, d->end);
  d->length = (size_t)(p - d->string);
  return p < d->end && *p == '"' ? p + 1 : read_escaped(d, p);
}

static const char *push_string(struct decoder *d, const char *p) {
  p = read_string(d, p);
  if (p != NULL) {
    d->made += COST_STRING + d->length;
    lua_pushlstring(d->L, d->string, d->length);
    d->top++;
  }
  return p;
}

static const char *push_number(struct decoder *d, const char *p) {
  struct number number;
  const char *begin = p;
  p = sora_number_read(p, d->end, &number);
  switch (number.type) {
  case NUMBER_INTEGER:
    if (SORA_LUA_INTEGERS && (lua_Integer)number.integer == number.integer)
      lua_pushinteger(d->L, (lua_Integer)number.integer);
    else
      lua_pushnumber(d->L, (lua_Number)number.integer);
    break;
  case NUMBER_FLOAT:
    lua_pushnumber(d->L, (lua_Number)number.real);
    break;
  case NUMBER_OVERFLOW:
    return fail(d, begin, "a number that a double can hold");
  default:
    return fail(d, p, p == begin ? "a value" : "a digit");
  }
  d->top++;
  return p;
}

static const char *read_literal(struct decoder *d, const char *p, const char *literal,
                                size_t length) {
  if ((size_t)(d->end - p) < length || memcmp(p, literal, length) != 0)
    return fail(d, p, "a value");
  return p + length;
}

static void push_null(struct decoder *d) {
  if (d->null_index != 0)
    lua_pushvalue(d->L, d->null_index);
  else
    lua_pushlightuserdata(d->L, NULL);
}

static const char *push_literal(struct decoder *d, const char *p) {
  switch (*p) {
  case 'n':
    p = read_literal(d, p, "null", 4);
    push_null(d);
    break;
  case 't':
    p = read_literal(d, p, "true", 4);
    lua_pushboolean(d->L, 1);
    break;
  default:
    p = read_literal(d, p, "false", 5);
    lua_pushboolean(d->L, 0);
  }
  d->top++;
  return p;
}

static const char *push_empty(struct decoder *d, const char *p, bool is_object) {
  count(d, COST_TABLE);
  lua_createtable(d->L, 0, 0);
  if (!is_object) {
    lua_rawgeti(d->L, d->base + SLOT_NAMES, MARK_EMPTY_ARRAY_MT);
    lua_setmetatable(d->L, -2);
  }
  d->top++;
  return p + 1;
}

/* Pushes the scalar or empty container at p, or opens the container. */
static const char *push_value(struct decoder *d, const char *p) {
  char c = peek(d, p);
  switch (c) {
  case '"':
    return push_string(d, p);
  case '{':
  case '[':
    if (d->depth == d->max_depth)
      return fail(d, p, "no deeper nesting (max_depth is reached)");
    p = skip_space(p + 1, d->end);
    if (peek(d, p) == c + 2) /* in ASCII a closing bracket is two behind its opening one */
      return push_empty(d, p, c == '{');
    open_frame(d, c == '{');
    return p;
  case 'n':
  case 't':
  case 'f':
    return push_literal(d, p);
  default:
    return push_number(d, p);
  }
}

static void push_name(struct decoder *d, struct frame *frame) {
  frame->in_order |=
      sora_names_push(d->L, d->names, d->base + SLOT_NAMES, frame->object, d->string, d->length);
  d->top++;
}

/* p is where a member begins. Pushes its name, and *pending is set; or, when its value is a null
   that is to be absent, passes over both. Returns where the value begins, or behind the null. */
static const char *push_member(struct decoder *d, const char *p, bool *pending) {
  if (peek(d, p) != '"')
    return fail(d, p, "a name in quotes");
  p = read_string(d, p);
  if (p == NULL)
    return NULL;
  p = skip_space(p, d->end);
  if (peek(d, p) != ':')
    return fail(d, p, "':'");
  p++;
  if (peek(d, p) == ' ')
    p++;
  p = skip_space(p, d->end);
  struct frame *frame = &d->frames[d->depth - 1];
  *pending = true;
  if (peek(d, p) != 'n' || d->null_index != 0) {
    push_name(d, frame);
    return p;
  }
  *pending = false;
  if (sora_names_seen(d->names, frame->object, d->string, d->length)) {
    push_name(d, frame);
    lua_pushnil(d->L); /* takes away what the name may have had before */
    d->top++;
    frame->in_order = true;
  }
  return read_literal(d, p, "null", 4);
}

/* Pushes the value at p with all that is in it. */
static const char *push_document(struct decoder *d, const char *p) {
  bool pending = true; /* a value is due; otherwise a member */
  for (;;) {
    size_t depth = d->depth;
    if (d->limit - d->top < 2 && !make_room(d, p))
      return fail(d, p,
                  d->made > d->most ? "an end (so many values take too much memory)"
                                    : "more room on the Lua stack");
    if (!pending)
      p = push_member(d, p, &pending);
    if (p != NULL && pending)
      p = push_value(d, p);
    if (p == NULL)
      return NULL;
    if (d->depth > depth) {
      pending = !d->frames[depth].is_object;
      continue;
    }
    for (;;) {
      if (d->depth == 0)
        return p;
      bool is_object = d->frames[d->depth - 1].is_object;
      p = skip_space(p, d->end);
      char c = peek(d, p);
      if (c == ',') {
        p = skip_space(p + 1, d->end);
        pending = !is_object;
        break;
      }
      if (c != (is_object ? '}' : ']'))
        return fail(d, p, is_object ? "',' or '}'" : "',' or ']'");
      close_frame(d);
      p++;
    }
  }
}

static const char *push_text(struct decoder *d) {
  const char *p = skip_space(d->text, d->end);
  if (d->end - p >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
    return fail(d, p, "a value, not a byte order mark");
  p = push_document(d, p);
  if (p == NULL)
    return NULL;
  p = skip_space(p, d->end);
  return p == d->end ? p : fail(d, p, "nothing more");
}

/* ---- errors ---- */

/* Writes a few bytes at p so that they can be printed. */
static void excerpt(char *out, size_t size, const char *p, const char *end) {
  static const char hex[] = "0123456789abcdef";
  char *last = out + size - 5; /* room for \xNN and the end */
  for (int i = 0; i < 8 && p < end && out < last; i++, p++) {
    unsigned char c = (unsigned char)*p;
    if (c >= 0x20 && c < 0x7f) {
      *out++ = *p;
    } else {
      *out++ = '\\';
      *out++ = 'x';
      *out++ = hex[c >> 4];
      *out++ = hex[c & 15];
    }
  }
  *out = '\0';
}

static void fill_error(const struct decoder *d, struct json_error *error) {
  char found[24];
  const char *line = d->text;
  error->offset = (size_t)(d->fault - d->text);
  error->line = 1;
  for (const char *p = d->text; p < d->fault; p++)
    if (*p == '\n') {
      error->line++;
      line = p + 1;
    }
  error->column = (size_t)(d->fault - line) + 1;
  excerpt(found, sizeof found, d->fault, d->end);
  bool ended = d->fault == d->end;
  snprintf(error->message, sizeof error->message, "expected %s, got %s%s%s", d->expected,
           ended ? "the end" : "'", ended ? "" : found, ended ? "" : "'");
}

/* ---- the two entries ---- */

void sora_json_new(lua_State *L) {
  luaL_checkstack(L, 8, "decoder");
  memset(lua_newuserdata(L, sizeof(struct names)), 0, sizeof(struct names));
  lua_createtable(L, MARKS_END, 0);
  sora_json_marks_set(L);
  sora_rooms_metatable(L);
  lua_rawseti(L, -2, ENCODER_MT);
  lua_setuservalue(L, -2);
}

/* Pushes the value that the text is, or fails. */
static bool read_text(lua_State *L, int state, const char *text, size_t length,
                      const struct json_options *options, struct decoder *d) {
  d->L = L;
  d->names = lua_touserdata(L, state);
  d->text = text;
  d->end = text + length;
  d->base = lua_gettop(L);
  d->null_index = options->null_index;
  d->depth = d->buried = 0;
  d->max_depth = (size_t)options->max_depth;
  d->made = 0;
  d->most = options->most > 0 ? options->most : SIZE_MAX;
  d->frames = d->frames_first;
  d->frames_room = FRAMES_FIRST;
  d->scratch = d->scratch_first;
  d->scratch_room = SCRATCH_FIRST;
  const char *p;
  fail(d, text, "a value"); /* analyzers do not see that whatever returns NULL says why */
  if (length > INT_MAX) {
    p = fail(d, text, "a text shorter than 2 GiB");
  } else if (!lua_checkstack(L, SLOTS + WINDOW_FIRST + STACK_SLACK)) {
    p = fail(d, text, "more room on the Lua stack");
  } else {
    lua_getuservalue(L, state);
    d->top = d->base + SLOTS;
    d->limit = d->top + WINDOW_FIRST;
    lua_settop(L, d->top);
    p = push_text(d);
  }
  if (p == NULL) {
    lua_settop(L, d->base);
    return false;
  }
  lua_replace(L, d->base + 1);
  lua_settop(L, d->base + 1);
  return true;
}

/* Reads the repaired text, where there is something to repair. A fault is then where it is in the
   text that was given. */
static bool read_repaired(lua_State *L, int state, const char *text, size_t length,
                          const struct json_options *options, struct decoder *d) {
  const char *end = text + length;
  size_t repaired_length = sora_json_repair(text, end, NULL);
  char *repaired = lua_newuserdata(L, repaired_length + 1);
  sora_json_repair(text, end, repaired);
  int base = lua_gettop(L);
  bool decoded = (repaired_length != length || memcmp(repaired, text, length) != 0) &&
                 read_text(L, state, repaired, repaired_length, options, d);
  if (!decoded && d->text == repaired) {
    d->fault = sora_json_repair_origin(text, end, (size_t)(d->fault - repaired));
    d->text = text;
    d->end = end;
  }
  lua_remove(L, base);
  return decoded;
}

int sora_json_decode(lua_State *L, int state, const char *text, size_t length,
                     const struct json_options *options, struct json_error *error) {
  struct decoder d;
  if (read_text(L, state, text, length, options, &d))
    return 1;
  bool too_large = d.made > d.most;
  if (options->repair && !too_large && length <= INT_MAX) {
    luaL_checkstack(L, 1, "decoder");
    if (read_repaired(L, state, text, length, options, &d))
      return 1;
    too_large = d.made > d.most;
  }
  fill_error(&d, error);
  error->too_large = too_large;
  return 0;
}

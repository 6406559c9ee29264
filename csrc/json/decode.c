#include "json/decode.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "json/decoder.h"
#include "json/marks.h"
#include "json/number.h"
#include "json/repair.h"
#include "json/scan.h"

static const char *fail(struct decoder *d, const char *at, const char *expected) {
  d->fault = at;
  d->expected = expected;
  return NULL;
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
    sora_frames_open(d, c == '{');
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
    if (d->limit - d->top < 2 && !sora_frames_make_room(d, p))
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
      sora_frames_close(d);
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

/* ---- the entry ---- */

/* Pushes the value that the text is, or fails. */
static bool read_text(lua_State *L, int state, const char *text, size_t length,
                      const struct json_options *options, struct decoder *d) {
  d->L = L;
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
    d->names = sora_json_names(L, state);
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

#include "json/encode.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/marks.h"
#include "json/number.h"
#include "json/scan.h"

/*
 * A table is written while it waits on the Lua stack, with the key that it has come to above it,
 * and the table that is there, and so on: two slots for each level, no recursion.
 *
 * The members of an object are written in Lua's order and put into theirs when it closes: the bytes
 * move, the table is read once.
 *
 * Nothing here is allocated as Lua's own between the first look at the value and the finished text,
 * so that neither a collection nor a finaliser can come in between and change what is being read.
 * What grows is got from Lua's allocator and belongs to a userdata.
 */

#define GROWS_FROM 512

/* Bytes that grow. */
struct room {
  char *data;
  size_t used, size;
};

/* What the userdata owns. */
struct rooms {
  struct room text, frames, members;
};

/* An open array or object. */
struct frame {
  const void *table;
  size_t count;   /* of an array: its values */
  size_t written; /* values so far */
  size_t members; /* of an object: bytes of members that belong to the objects around it */
  bool is_array;
};

/* A member of an open object, as offsets in the text. */
struct member {
  uint64_t order; /* the first eight bytes of its name, the first of them highest, then zeros */
  size_t begin, end;
  size_t name_length; /* as written, without its quotes; begin + 1 is where it begins */
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

/* Above the open tables: a key, a value, and what is_marked compares. */
#define STACK_SLACK 6

/* ---- memory ---- */

static void release(lua_State *L, struct room *room) {
  void *data;
  lua_Alloc allocate = lua_getallocf(L, &data);
  if (room->data != NULL)
    allocate(data, room->data, room->size, 0);
  *room = (struct room){NULL, 0, 0};
}

static void release_all(lua_State *L, struct rooms *rooms) {
  release(L, &rooms->text);
  release(L, &rooms->frames);
  release(L, &rooms->members);
}

static int collect(lua_State *L) {
  release_all(L, lua_touserdata(L, 1));
  return 0;
}

static void grow(struct encoder *e, struct room *room, size_t more) {
  void *data;
  lua_Alloc allocate = lua_getallocf(e->L, &data);
  size_t size = room->size < GROWS_FROM ? GROWS_FROM : room->size;
  while (size - room->used < more && size <= SIZE_MAX / 2)
    size *= 2;
  char *grown = size - room->used < more ? NULL : allocate(data, room->data, room->size, size);
  if (grown == NULL) {
    release_all(e->L, e->rooms);
    luaL_error(e->L, "not enough memory");
  }
  room->data = grown;
  room->size = size;
}

/* Returns where `more` bytes can be written; whoever writes them adds them to `used`. */
static char *reserve(struct encoder *e, struct room *room, size_t more) {
  if (room->size - room->used < more)
    grow(e, room, more);
  return room->data + room->used;
}

void sora_json_encoder_metatable(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
}

static struct frame *frame_at(const struct encoder *e, size_t depth) {
  return (struct frame *)(void *)e->rooms->frames.data + depth;
}

/* ---- what is refused ---- */

struct message {
  char *out, *end; /* one byte behind `end` there is room for a zero */
};

static void say(struct message *message, const char *text) {
  size_t length = strlen(text), room = (size_t)(message->end - message->out);
  if (length > room) { /* all or nothing, and dots where something is missing */
    message->end = message->out;
    return;
  }
  memcpy(message->out, text, length);
  message->out += length;
}

static bool is_word(const char *text, size_t length) {
  for (size_t i = 0; i < length; i++) {
    unsigned char lower = (unsigned char)text[i] | 0x20;
    bool digit = text[i] >= '0' && text[i] <= '9';
    if (!(lower >= 'a' && lower <= 'z') && text[i] != '_' && !(digit && i > 0))
      return false;
  }
  return length > 0;
}

/* Says a step into a table by the name at `index`. */
static void say_name(struct message *message, lua_State *L, int index) {
  char written[5];
  size_t length;
  const char *name = lua_tolstring(L, index, &length);
  bool word = is_word(name, length);
  say(message, word ? "." : "[\"");
  for (size_t i = 0; i < length && i < 40; i++) {
    unsigned char c = (unsigned char)name[i];
    bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
    snprintf(written, sizeof written, plain ? "%c" : "\\x%02x", c);
    say(message, written);
  }
  if (length > 40)
    say(message, "...");
  if (!word)
    say(message, "\"]");
}

/* Says how the outermost `depth` open tables lead to what is being written. */
static void say_place(struct message *message, const struct encoder *e, size_t depth) {
  char index[32];
  say(message, "$");
  for (size_t i = 0; i < depth; i++) {
    const struct frame *frame = frame_at(e, i);
    if (frame->is_array) {
      snprintf(index, sizeof index, "[%zu]", frame->written);
      say(message, index);
    } else {
      say_name(message, e->L, SLOT_OF_KEY(e, i));
    }
  }
}

static bool refuse_at(struct encoder *e, size_t depth, const char *what) {
  char *text = e->refusal->message;
  struct message message = {text, text + sizeof e->refusal->message - sizeof "..."};
  char *end = message.end;
  say(&message, "cannot encode ");
  say(&message, what);
  say(&message, " at ");
  say_place(&message, e, depth);
  strcpy(message.out, message.end < end ? "..." : "");
  return false;
}

/* Refuses the value that is being written. */
static bool refuse(struct encoder *e, const char *what) {
  return refuse_at(e, e->depth, what);
}

static bool refuse_type(struct encoder *e, const char *before, int index) {
  char what[64];
  snprintf(what, sizeof what, "%s%s", before, luaL_typename(e->L, index));
  return refuse(e, what);
}

/* The nesting is too deep: mostly because a table is within itself. The place is then where it is
   met for the second time. */
static bool refuse_depth(struct encoder *e, const void *table) {
  for (size_t inner = 1; inner <= e->depth; inner++) {
    const void *met = inner < e->depth ? frame_at(e, inner)->table : table;
    for (size_t outer = 0; outer < inner; outer++)
      if (frame_at(e, outer)->table == met)
        return refuse_at(e, inner, "a table within itself");
  }
  return refuse(e, "deeper nesting (max_depth is reached)");
}

/* ---- values ---- */

static void write_bytes(struct encoder *e, const char *bytes, size_t length) {
  memcpy(reserve(e, &e->rooms->text, length), bytes, length);
  e->rooms->text.used += length;
}

/* A line's end and the spaces of so many levels, where lines are indented. */
static void write_line(struct encoder *e, size_t depth) {
  if (e->indent == 0)
    return;
  size_t spaces = depth * (size_t)e->indent;
  char *out = reserve(e, &e->rooms->text, 1 + spaces);
  *out = '\n';
  memset(out + 1, ' ', spaces);
  e->rooms->text.used += 1 + spaces;
}

static char *write_escape(char *out, unsigned char c) {
  static const char hex[] = "0123456789abcdef";
  static const char letters[0x20] = {
      ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
  *out++ = '\\';
  if (c >= 0x20 || letters[c] != '\0') {
    *out++ = c >= 0x20 ? (char)c : letters[c];
    return out;
  }
  *out++ = 'u';
  *out++ = '0';
  *out++ = '0';
  *out++ = hex[c >> 4];
  *out++ = hex[c & 15];
  return out;
}

/* Writes the string at `index` in quotes. Returns NULL, or where it stops being UTF-8. */
static const char *write_string(struct encoder *e, int index) {
  struct room *room = &e->rooms->text;
  size_t length;
  const char *p = lua_tolstring(e->L, index, &length), *end = p + length;
  char *out = reserve(e, room, length + 2);
  *out++ = '"';
  for (;;) {
    const char *stop = sora_scan_plain(p, end);
    memcpy(out, p, (size_t)(stop - p));
    out += stop - p;
    if (stop == end)
      break;
    unsigned char c = (unsigned char)*stop;
    if (c >= 0x80)
      return stop;
    room->used = (size_t)(out - room->data);
    out = write_escape(reserve(e, room, (size_t)(end - stop) + 6), c);
    p = stop + 1;
  }
  *out++ = '"';
  room->used = (size_t)(out - room->data);
  return NULL;
}

static bool put_string(struct encoder *e, int index) {
  const char *fault = write_string(e, index);
  if (fault == NULL)
    return true;
  char what[64];
  snprintf(what, sizeof what, "ill-formed UTF-8 (byte %zu)",
           (size_t)(fault - lua_tostring(e->L, index)));
  return refuse(e, what);
}

#define TWO_TO_63 9223372036854775808.0

/* A double that is an integer of 64 bits, in a Lua that has no others; -0 is none. */
static bool is_integer(double value) {
  return !SORA_LUA_INTEGERS && value >= -TWO_TO_63 && value < TWO_TO_63 &&
         (double)(int64_t)value == value && (value != 0 || !signbit(value));
}

static bool put_number(struct encoder *e, int index) {
  struct room *room = &e->rooms->text;
  char *out = reserve(e, room, NUMBER_LONGEST);
  if (lua_isinteger(e->L, index)) {
    out = sora_number_write_integer((int64_t)lua_tointeger(e->L, index), out);
  } else {
    double value = (double)lua_tonumber(e->L, index);
    if (isnan(value))
      return refuse(e, "NaN");
    if (isinf(value))
      return refuse(e, "an infinite number");
    if (is_integer(value))
      out = sora_number_write_integer((int64_t)value, out);
    else
      out = sora_number_write_real(value, SORA_LUA_INTEGERS, out);
  }
  room->used = (size_t)(out - room->data);
  return true;
}

/* ---- arrays and objects ---- */

enum mark { MARK_NONE, MARK_ARRAY, MARK_OBJECT };

/* What the metatable of the table at `index` makes of it. */
static enum mark mark_of(struct encoder *e, int index) {
  lua_State *L = e->L;
  enum mark mark = MARK_NONE;
  if (!lua_getmetatable(L, index))
    return mark;
  if (lua_rawequal(L, -1, e->base + SLOT_EMPTY_ARRAY_MT) ||
      lua_rawequal(L, -1, e->base + SLOT_ARRAY_MT)) {
    mark = MARK_ARRAY;
  } else {
    lua_pushvalue(L, e->base + SLOT_JSONTYPE);
    lua_rawget(L, -2);
    if (lua_type(L, -1) == LUA_TSTRING) {
      const char *type = lua_tostring(L, -1);
      mark = strcmp(type, "array") == 0    ? MARK_ARRAY
             : strcmp(type, "object") == 0 ? MARK_OBJECT
                                           : MARK_NONE;
    }
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return mark;
}

/* Whether all keys of the table, which is the top of the stack, are the indices from 1 on: counts
   them. */
static bool count_values(struct encoder *e, size_t *count) {
  lua_State *L = e->L;
  lua_Number greatest = 0;
  *count = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1), ++*count) {
    lua_Number key = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;
    if (key < 1 || key != floor(key)) {
      bool name = lua_type(L, -2) == LUA_TSTRING;
      if (name || lua_type(L, -2) == LUA_TNUMBER)
        return refuse(e, name ? "a table with names beside indices"
                              : "a table with an index that is no whole number from 1 on");
      return refuse_type(e, "a table with a key that is a ", -2);
    }
    if (key > greatest)
      greatest = key;
  }
  if (greatest == (lua_Number)*count && *count <= INT_MAX)
    return true;
  return refuse(e, greatest > (lua_Number)*count ? "an array with holes" : "so long an array");
}

static bool open_frame(struct encoder *e, const void *table, bool is_array, size_t count) {
  if (e->depth == e->max_depth || !lua_checkstack(e->L, 2 + STACK_SLACK))
    return refuse_depth(e, table);
  struct room *frames = &e->rooms->frames;
  reserve(e, frames, sizeof(struct frame));
  *frame_at(e, e->depth++) = (struct frame){table, count, 0, e->rooms->members.used, is_array};
  frames->used += sizeof(struct frame);
  lua_pushnil(e->L);
  write_bytes(e, is_array ? "[" : "{", 1);
  return true;
}

/* The table on top of the stack is written when it is empty, otherwise opened. */
static bool put_table(struct encoder *e) {
  lua_State *L = e->L;
  size_t count = 0;
  enum mark mark = mark_of(e, lua_gettop(L));
  lua_pushnil(L);
  if (!lua_next(L, -2)) {
    write_bytes(e, mark == MARK_ARRAY ? "[]" : "{}", 2);
    lua_pop(L, 1);
    return true;
  }
  bool named = lua_type(L, -2) == LUA_TSTRING;
  lua_pop(L, 2);
  bool is_array = mark == MARK_ARRAY || (mark == MARK_NONE && !named);
  if (is_array && !count_values(e, &count))
    return false;
  return open_frame(e, lua_topointer(L, -1), is_array, count);
}

/* Writes the value on top of the stack and pops it, or opens it. */
static bool put_value(struct encoder *e) {
  lua_State *L = e->L;
  int top = lua_gettop(L);
  switch (lua_type(L, top)) {
  case LUA_TTABLE:
    return put_table(e);
  case LUA_TSTRING:
    if (!put_string(e, top))
      return false;
    break;
  case LUA_TNUMBER:
    if (!put_number(e, top))
      return false;
    break;
  case LUA_TBOOLEAN:
    if (lua_toboolean(L, top))
      write_bytes(e, "true", 4);
    else
      write_bytes(e, "false", 5);
    break;
  case LUA_TLIGHTUSERDATA:
    if (lua_touserdata(L, top) == NULL)
      write_bytes(e, "null", 4);
    else if (lua_rawequal(L, top, e->base + SLOT_EMPTY_ARRAY))
      write_bytes(e, "[]", 2);
    else
      return refuse(e, "a light userdata");
    break;
  default:
    return refuse_type(e, "a ", top);
  }
  lua_settop(L, top - 1);
  return true;
}

/* ---- members in order ---- */

static uint64_t first_bytes(const char *name, size_t length) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < 8; i++)
    bytes = bytes << 8 | (i < length ? (unsigned char)name[i] : 0);
  return bytes;
}

/* Compares as bytes; `text` is where the offsets count from. */
static int compare_names(const char *text, const struct member *a, const struct member *b) {
  if (a->order != b->order)
    return a->order < b->order ? -1 : 1;
  size_t least = a->name_length < b->name_length ? a->name_length : b->name_length;
  int order = memcmp(text + a->begin + 1, text + b->begin + 1, least);
  return order != 0 ? order : (a->name_length > b->name_length) - (a->name_length < b->name_length);
}

/* Makes the member at `top` the greatest of those below it, in a heap of `count`. */
static void sift(const char *text, struct member *heap, size_t top, size_t count) {
  struct member moved = heap[top];
  for (size_t child; (child = 2 * top + 1) < count; top = child) {
    if (child + 1 < count && compare_names(text, &heap[child], &heap[child + 1]) < 0)
      child++;
    if (compare_names(text, &moved, &heap[child]) >= 0)
      break;
    heap[top] = heap[child];
  }
  heap[top] = moved;
}

static void heap_sort(const char *text, struct member *members, size_t count) {
  for (size_t i = count / 2; i-- > 0;)
    sift(text, members, i, count);
  while (count-- > 1) {
    struct member greatest = members[0];
    members[0] = members[count];
    members[count] = greatest;
    sift(text, members, 0, count);
  }
}

static bool in_order(const char *text, const struct member *members, size_t count) {
  for (size_t i = 1; i < count; i++)
    if (compare_names(text, &members[i - 1], &members[i]) > 0)
      return false;
  return true;
}

/* Puts the members that the innermost object has written into the order of their names: behind the
   text, then over where they were. */
static void order_members(struct encoder *e, const struct frame *frame) {
  struct room *text = &e->rooms->text;
  struct member *members = (struct member *)(void *)(e->rooms->members.data + frame->members);
  size_t count = frame->written, begin = members[0].begin, end = text->used;
  if (in_order(text->data, members, count))
    return;
  size_t separator = members[0].end; /* a comma and what indents */
  size_t between = members[1].begin - separator;
  char *out = reserve(e, text, end - begin);
  heap_sort(text->data, members, count);
  for (size_t i = 0; i < count; i++) {
    size_t length = members[i].end - members[i].begin;
    memcpy(out, text->data + members[i].begin, length);
    out += length;
    if (i + 1 == count)
      break;
    memcpy(out, text->data + separator, between);
    out += between;
  }
  memcpy(text->data + begin, text->data + end, end - begin);
}

/* ---- one after the other ---- */

enum next { NEXT_VALUE, NEXT_END, NEXT_REFUSED };

static void write_separator(struct encoder *e, bool first) {
  if (!first)
    write_bytes(e, ",", 1);
  write_line(e, e->depth);
}

/* The innermost array's next value is pushed. */
static enum next next_of_array(struct encoder *e, struct frame *frame) {
  if (frame->written == frame->count)
    return NEXT_END;
  write_separator(e, frame->written++ == 0);
  lua_rawgeti(e->L, SLOT_OF_TABLE(e, e->depth - 1), (int)frame->written);
  return NEXT_VALUE;
}

/* The innermost object's next name is written and its value is pushed; its key, which is the top,
   is replaced. */
static enum next next_of_object(struct encoder *e, struct frame *frame) {
  lua_State *L = e->L;
  struct room *members = &e->rooms->members, *text = &e->rooms->text;
  int key = SLOT_OF_KEY(e, e->depth - 1);
  if (!lua_next(L, key - 1))
    return NEXT_END;
  if (lua_type(L, key) != LUA_TSTRING) {
    bool index = lua_type(L, key) == LUA_TNUMBER;
    e->depth--; /* the fault is the object's own */
    if (index)
      refuse(e, "a table with indices beside names");
    else
      refuse_type(e, "a table with a key that is a ", key);
    return NEXT_REFUSED;
  }
  write_separator(e, frame->written++ == 0);
  struct member *member = (struct member *)(void *)reserve(e, members, sizeof *member);
  member->begin = text->used;
  if (write_string(e, key) != NULL) {
    refuse(e, "a name in ill-formed UTF-8");
    return NEXT_REFUSED;
  }
  member->name_length = text->used - member->begin - 2;
  member->order = first_bytes(text->data + member->begin + 1, member->name_length);
  members->used += sizeof *member;
  write_bytes(e, ": ", e->indent > 0 ? 2 : 1);
  return NEXT_VALUE;
}

/* Takes the innermost array or object, whose key is gone, from the stack. */
static void close_frame(struct encoder *e) {
  const struct frame *frame = frame_at(e, --e->depth);
  if (!frame->is_array)
    order_members(e, frame);
  e->rooms->members.used = frame->members;
  e->rooms->frames.used -= sizeof *frame;
  write_line(e, e->depth);
  write_bytes(e, frame->is_array ? "]" : "}", 1);
  lua_settop(e->L, SLOT_OF_TABLE(e, e->depth) - 1);
}

/* Notes where the value ends that was just written. */
static void end_member(struct encoder *e) {
  struct room *members = &e->rooms->members;
  if (!frame_at(e, e->depth - 1)->is_array)
    ((struct member *)(void *)(members->data + members->used))[-1].end = e->rooms->text.used;
}

/* Writes the value on top of the stack with all that is in it. */
static bool put_document(struct encoder *e) {
  for (;;) {
    size_t depth = e->depth;
    if (!put_value(e))
      return false;
    bool opened = e->depth > depth;
    for (;; opened = false) {
      if (e->depth == 0)
        return true;
      if (!opened)
        end_member(e);
      struct frame *frame = frame_at(e, e->depth - 1);
      enum next next = frame->is_array ? next_of_array(e, frame) : next_of_object(e, frame);
      if (next == NEXT_REFUSED)
        return false;
      if (next == NEXT_VALUE)
        break;
      close_frame(e);
    }
  }
}

int sora_json_encode(lua_State *L, int state, int value, const struct json_encode_options *options,
                     struct json_refusal *refusal) {
  luaL_checkstack(L, SLOT_TABLES + 1 + STACK_SLACK, "encoder");
  value = lua_absindex(L, value);
  struct encoder e = {.L = L,
                      .base = lua_gettop(L) + 1,
                      .indent = options->indent,
                      .max_depth = (size_t)options->max_depth,
                      .refusal = refusal};
  e.rooms = lua_newuserdata(L, sizeof *e.rooms);
  memset(e.rooms, 0, sizeof *e.rooms);
  lua_getuservalue(L, state);
  int marks = lua_gettop(L);
  lua_rawgeti(L, marks, ENCODER_MT);
  lua_setmetatable(L, e.base);
  for (int mark = MARK_EMPTY_ARRAY_MT; mark <= MARK_JSONTYPE; mark++)
    lua_rawgeti(L, marks, mark);
  lua_remove(L, marks);
  lua_pushvalue(L, value);
  bool encoded = put_document(&e);
  lua_settop(L, e.base);
  if (encoded)
    lua_pushlstring(L, e.rooms->text.data, e.rooms->text.used);
  release_all(L, e.rooms);
  /* nothing is left for a finaliser, which at the end of LuaJIT would come after the module's own
   */
  lua_pushnil(L);
  lua_setmetatable(L, e.base);
  lua_remove(L, e.base);
  return encoded;
}

#include "json/encode.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "json/encoder.h"
#include "json/marks.h"
#include "json/members.h"
#include "json/number.h"
#include "json/scan.h"

/* Above the open tables: a key, a value, and what mark_of compares. */
#define STACK_SLACK 6

/*
 * The members of an object are written in Lua's order and put into theirs when it closes: the bytes
 * move, the table is read once.
 *
 * Nothing here is allocated as Lua's own between the first look at the value and the finished text,
 * so that neither a collection nor a finaliser can come in between and change what is being read.
 */

/* Returns where `more` bytes can be written; whoever writes them adds them to `used`. */
static char *reserve(struct encoder *e, struct room *room, size_t more) {
  if (room->size - room->used < more)
    sora_room_grow(e->L, e->rooms, room, more);
  return room->data + room->used;
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
  return sora_encoder_refuse(e, what);
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
      return sora_encoder_refuse(e, "NaN");
    if (isinf(value))
      return sora_encoder_refuse(e, "an infinite number");
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
      if (strcmp(type, "array") == 0)
        mark = MARK_ARRAY;
      else if (strcmp(type, "object") == 0)
        mark = MARK_OBJECT;
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
        return sora_encoder_refuse(
            e, name ? "a table with names beside indices"
                    : "a table with an index that is no whole number from 1 on");
      return sora_encoder_refuse_type(e, "a table with a key that is a ", -2);
    }
    if (key > greatest)
      greatest = key;
  }
  if (greatest == (lua_Number)*count && *count <= INT_MAX)
    return true;
  return sora_encoder_refuse(e, greatest > (lua_Number)*count ? "an array with holes"
                                                              : "so long an array");
}

static bool open_table(struct encoder *e, const void *table, bool is_array, size_t count) {
  if (e->depth == e->max_depth || !lua_checkstack(e->L, 2 + STACK_SLACK))
    return sora_encoder_refuse_depth(e, table);
  struct room *levels = &e->rooms->levels;
  reserve(e, levels, sizeof(struct level));
  *level_at(e, e->depth++) = (struct level){table, count, 0, e->rooms->members.used, is_array};
  levels->used += sizeof(struct level);
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
  return open_table(e, lua_topointer(L, -1), is_array, count);
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
      return sora_encoder_refuse(e, "a light userdata");
    break;
  default:
    return sora_encoder_refuse_type(e, "a ", top);
  }
  lua_settop(L, top - 1);
  return true;
}

/* ---- one after the other ---- */

enum next { NEXT_VALUE, NEXT_END, NEXT_REFUSED };

static void write_separator(struct encoder *e, bool first) {
  if (!first)
    write_bytes(e, ",", 1);
  write_line(e, e->depth);
}

/* The innermost array's next value is pushed. */
static enum next next_of_array(struct encoder *e, struct level *level) {
  if (level->written == level->count)
    return NEXT_END;
  write_separator(e, level->written++ == 0);
  lua_rawgeti(e->L, SLOT_OF_TABLE(e, e->depth - 1), (int)level->written);
  return NEXT_VALUE;
}

/* The innermost object's next name is written and its value is pushed; its key, which is the top,
   is replaced. */
static enum next next_of_object(struct encoder *e, struct level *level) {
  lua_State *L = e->L;
  struct room *members = &e->rooms->members, *text = &e->rooms->text;
  int key = SLOT_OF_KEY(e, e->depth - 1);
  if (!lua_next(L, key - 1))
    return NEXT_END;
  if (lua_type(L, key) != LUA_TSTRING) {
    bool index = lua_type(L, key) == LUA_TNUMBER;
    e->depth--; /* the fault is the object's own */
    if (index)
      sora_encoder_refuse(e, "a table with indices beside names");
    else
      sora_encoder_refuse_type(e, "a table with a key that is a ", key);
    return NEXT_REFUSED;
  }
  write_separator(e, level->written++ == 0);
  struct member *member = (struct member *)(void *)reserve(e, members, sizeof *member);
  member->begin = text->used;
  if (write_string(e, key) != NULL) {
    sora_encoder_refuse(e, "a name in ill-formed UTF-8");
    return NEXT_REFUSED;
  }
  sora_member_name(member, text->data, text->used - member->begin - 2);
  members->used += sizeof *member;
  write_bytes(e, ": ", e->indent > 0 ? 2 : 1);
  return NEXT_VALUE;
}

/* Puts the members that the innermost object has written into the order of their names: behind the
   text, then over where they were. */
static void order_members(struct encoder *e, const struct level *level) {
  struct room *text = &e->rooms->text;
  struct member *members = (struct member *)(void *)(e->rooms->members.data + level->members);
  size_t count = level->written, begin = members[0].begin, end = text->used;
  size_t separator = members[0].end; /* a comma and what indents */
  size_t between = count > 1 ? members[1].begin - separator : 0;
  if (!sora_members_sort(text->data, members, count))
    return;
  char *out = reserve(e, text, end - begin);
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

/* Takes the innermost array or object, whose key is gone, from the stack. */
static void close_table(struct encoder *e) {
  const struct level *level = level_at(e, --e->depth);
  if (!level->is_array)
    order_members(e, level);
  e->rooms->members.used = level->members;
  e->rooms->levels.used -= sizeof *level;
  write_line(e, e->depth);
  write_bytes(e, level->is_array ? "]" : "}", 1);
  lua_settop(e->L, SLOT_OF_TABLE(e, e->depth) - 1);
}

/* Notes where the value ends that was just written. */
static void end_member(struct encoder *e) {
  struct room *members = &e->rooms->members;
  if (!level_at(e, e->depth - 1)->is_array)
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
      struct level *level = level_at(e, e->depth - 1);
      enum next next = level->is_array ? next_of_array(e, level) : next_of_object(e, level);
      if (next == NEXT_REFUSED)
        return false;
      if (next == NEXT_VALUE)
        break;
      close_table(e);
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
  sora_rooms_release(L, e.rooms);
  /* nothing is left for a finaliser, which at the end of LuaJIT would come after the module's own
   */
  lua_pushnil(L);
  lua_setmetatable(L, e.base);
  lua_remove(L, e.base);
  return encoded;
}

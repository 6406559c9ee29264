/*
 * libFuzzer's target: decodes the input with several options and checks what must hold for every
 * text; what was decoded is encoded, and has to come back the same. The two scanners, with SIMD and
 * without (portable_…, see the Makefile), must agree on every byte.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

#include "json/decode.h"
#include "json/encode.h"
#include "json/repair.h"
#include "json/scan.h"

const char *portable_scan_plain(const char *p, const char *end);
const char *portable_scan_space(const char *p, const char *end);
enum scan_end portable_scan_unescape(struct scan_copy *copy, const char *end);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds) {
  if (!holds)
    abort();
}

static void compare_scanners(const char *text, size_t size) {
  const char *end = text + size;
  char *mine = malloc(2 * size + 128), *other = mine + size + 64;
  check(sora_scan_space(text, end) == portable_scan_space(text, end));
  check(sora_scan_plain(text, end) == portable_scan_plain(text, end));
  struct scan_copy a = {text, mine, mine + size + 64, 0, NULL};
  struct scan_copy b = {text, other, other + size + 64, 0, NULL};
  check(sora_scan_unescape(&a, end) == portable_scan_unescape(&b, end));
  check(a.from == b.from && a.to - mine == b.to - other);
  check(memcmp(mine, other, (size_t)(a.to - mine)) == 0);
  free(mine);
}

/* The value at the top of the stack is of JSON's types all the way down; pops it. */
static void check_value(lua_State *L) {
  luaL_checkstack(L, 4, "deep");
  switch (lua_type(L, -1)) {
  case LUA_TTABLE:
    for (lua_pushnil(L); lua_next(L, -2);) {
      check(lua_type(L, -2) == LUA_TSTRING || lua_isinteger(L, -2));
      check_value(L);
    }
    break;
  case LUA_TNUMBER:
    check(lua_tonumber(L, -1) - lua_tonumber(L, -1) == 0);
    break;
  default:
    check(lua_isstring(L, -1) || lua_isboolean(L, -1) || lua_touserdata(L, -1) == NULL);
  }
  lua_pop(L, 1);
}

/* Encodes the value at the top of the stack, and what that gives once more: both texts must be the
   same. */
static void check_encoding(lua_State *L, int indent) {
  struct json_options options = {.max_depth = 3000};
  struct json_encode_options written = {.indent = indent, .max_depth = 3000};
  struct json_refusal refusal;
  struct json_error error;
  size_t length, length_again;
  check(sora_json_encode(L, 1, -1, &written, &refusal));
  const char *text = lua_tolstring(L, -1, &length);
  check(sora_json_decode(L, 1, text, length, &options, &error));
  check_value(L);
  check(sora_json_decode(L, 1, text, length, &options, &error));
  check(sora_json_encode(L, 1, -1, &written, &refusal));
  const char *again = lua_tolstring(L, -1, &length_again);
  check(length == length_again && memcmp(text, again, length) == 0);
  lua_pop(L, 3);
}

static void check_repair(const char *text, size_t size) {
  const char *end = text + size;
  size_t length = sora_json_repair(text, end, NULL);
  char *once = malloc(length + 1), *twice = malloc(length + 1);
  check(sora_json_repair(text, end, once) == length);
  check(sora_json_repair(once, once + length, twice) == length || memcmp(once, "\xef", 1) == 0);
  for (size_t i = 0; i <= length; i++) {
    const char *origin = sora_json_repair_origin(text, end, i);
    check(origin >= text && origin <= end);
  }
  free(once);
  free(twice);
}

static int decode(lua_State *L, const char *text, size_t size, struct json_options options) {
  struct json_error error;
  int top = lua_gettop(L);
  int decoded = sora_json_decode(L, 1, text, size, &options, &error);
  check(lua_gettop(L) == top + decoded);
  if (decoded) {
    check_encoding(L, 0);
    check_encoding(L, 2);
    check_value(L);
    return 1;
  }
  check(error.offset <= size && error.line >= 1 && error.column >= 1);
  size_t length = strlen(error.message);
  check(length < sizeof error.message - 1);
  for (size_t i = 0; i < length; i++)
    check(error.message[i] >= 0x20 && error.message[i] < 0x7f);
  return 0;
}

/* Stack index 1 is the decoder's state, 2 is a value that stands for null. */
static lua_State *open_state(void) {
  lua_State *L = luaL_newstate();
  sora_json_new(L);
  lua_pushliteral(L, "null");
  return L;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_State *L;
  if (L == NULL)
    L = open_state();
  const char *text = (const char *)data;
  compare_scanners(text, size);
  int decoded = decode(L, text, size, (struct json_options){.max_depth = 3000});
  check(decode(L, text, size, (struct json_options){.null_index = 2, .max_depth = 3000}) ==
        decoded);
  int shallow = decode(L, text, size, (struct json_options){.max_depth = 3});
  check(decoded || !shallow);
  int repaired = decode(L, text, size, (struct json_options){.max_depth = 3000, .repair = 1});
  check(repaired || !decoded);
  int small = decode(L, text, size, (struct json_options){.max_depth = 3000, .most = 300});
  check(decoded || !small);
  check_repair(text, size);
  return 0;
}

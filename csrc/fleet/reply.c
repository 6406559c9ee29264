#include "fleet/reply.h"

#include <stdio.h>

#include "compat.h"

enum { DEEPEST = 64 };
static const long long EXACT = 1LL << 53; /* integers up to it are exact in a double */

static void push_integer(lua_State *L, long long value) {
  char digits[32];
  if (SORA_LUA_INTEGERS || (value <= EXACT && value >= -EXACT)) {
    compat_pushcount(L, value);
    return;
  }
  snprintf(digits, sizeof digits, "%lld", value);
  lua_pushstring(L, digits);
}

static void push(lua_State *L, const redisReply *reply, int depth) {
  if (depth > DEEPEST)
    luaL_error(L, "the answer of Redis is too deep");
  luaL_checkstack(L, 4, "the answer of Redis is too deep");
  switch (reply->type) {
  case REDIS_REPLY_INTEGER:
    push_integer(L, reply->integer);
    break;
  case REDIS_REPLY_ARRAY:
    lua_createtable(L, reply->elements < 1 << 20 ? (int)reply->elements : 0, 0);
    for (size_t i = 0; i < reply->elements; i++) {
      push(L, reply->element[i], depth + 1);
      lua_rawseti(L, -2, (int)i + 1);
    }
    break;
  case REDIS_REPLY_ERROR:
    lua_createtable(L, 0, 1);
    lua_pushlstring(L, reply->str, (size_t)reply->len);
    lua_setfield(L, -2, "err");
    break;
  case REDIS_REPLY_STRING:
  case REDIS_REPLY_STATUS:
    lua_pushlstring(L, reply->str, (size_t)reply->len);
    break;
  default: /* REDIS_REPLY_NIL; the types of RESP3 are never asked for */
    lua_pushboolean(L, 0);
  }
}

void sora_reply_push(lua_State *L, const redisReply *reply) {
  push(L, reply, 1);
}

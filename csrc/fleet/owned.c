#include "fleet/owned.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "lua/metatable.h"

#define WORDS "sora.redis.words"
#define REPLY "sora.redis.reply"

static int collect_words(lua_State *L) {
  struct words *words = lua_touserdata(L, 1);
  free(words->texts);
  free(words->lengths);
  if (words->command != NULL)
    redisFreeCommand(words->command);
  memset(words, 0, sizeof *words);
  return 0;
}

size_t sora_words_push(lua_State *L, int list) {
  luaL_checktype(L, list, LUA_TTABLE);
  size_t count = lua_rawlen(L, list);
  luaL_argcheck(L, count > 0 && count < INT_MAX, list, "command expected");
  struct words *words = lua_newuserdata(L, sizeof *words);
  memset(words, 0, sizeof *words);
  luaL_setmetatable(L, WORDS);
  words->texts = calloc(count, sizeof *words->texts);
  words->lengths = calloc(count, sizeof *words->lengths);
  if (words->texts == NULL || words->lengths == NULL)
    luaL_error(L, "not enough memory");
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, list, (int)i + 1);
    luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, list, "list of strings expected");
    words->texts[i] = lua_tolstring(L, -1, &words->lengths[i]);
    lua_pop(L, 1); /* the list holds the string */
  }
  long long length =
      redisFormatCommandArgv(&words->command, (int)count, words->texts, words->lengths);
  if (length < 0)
    luaL_error(L, "not enough memory");
  return (size_t)length;
}

static int collect_reply(lua_State *L) {
  redisReply **box = lua_touserdata(L, 1);
  if (*box != NULL)
    freeReplyObject(*box);
  *box = NULL;
  return 0;
}

redisReply **sora_box_push(lua_State *L) {
  /* NOLINTNEXTLINE(bugprone-sizeof-expression): it is a pointer that the userdata holds */
  redisReply **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  luaL_setmetatable(L, REPLY);
  return box;
}

void sora_owned_open(lua_State *L) {
  static const luaL_Reg of_words[] = {{"__gc", collect_words}, {NULL, NULL}};
  static const luaL_Reg of_replies[] = {{"__gc", collect_reply}, {NULL, NULL}};
  sora_metatable_new(L, WORDS, of_words, NULL);
  sora_metatable_new(L, REPLY, of_replies, NULL);
  lua_pop(L, 2);
}

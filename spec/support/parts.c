/*
 * A Lua module for the specs: the part of a download and the rules around it, without a network.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"
#include "transfer/address.h"
#include "transfer/content.h"
#include "transfer/memo.h"
#include "transfer/part.h"
#include "transfer/range.h"
#include "transfer/sync.h"

#define METATABLE "spec.part"

static long long number(lua_State *L, int table, const char *name, long long none) {
  lua_getfield(L, table, name);
  long long value = lua_isnil(L, -1) ? none : (long long)lua_tonumber(L, -1);
  lua_pop(L, 1);
  return value;
}

/* The string stays in the table. */
static const char *text(lua_State *L, int table, const char *name) {
  lua_getfield(L, table, name);
  const char *value = lua_isnil(L, -1) ? "" : lua_tostring(L, -1);
  lua_pop(L, 1);
  return value;
}

static void read_representation(lua_State *L, int table, struct representation *of) {
  memset(of, 0, sizeof *of);
  snprintf(of->etag, sizeof of->etag, "%s", text(L, table, "etag"));
  snprintf(of->modified, sizeof of->modified, "%s", text(L, table, "modified"));
  of->date_is_strong = number(L, table, "strong_date", 0) != 0;
  of->total = number(L, table, "total", -1);
}

static void read_answer(lua_State *L, int table, struct range_answer *answer) {
  answer->status = (long)number(L, table, "status", 200);
  answer->content_range = text(L, table, "range");
  answer->length = number(L, table, "length", -1);
  answer->encoded = number(L, table, "encoded", 0) != 0;
  read_representation(L, table, &answer->of);
}

static const char *const verdicts[] = {"take", "fresh", "whole", "again", "refuse"};

/* parse(text) → first, last, total; nothing for what is no Content-Range */
static int parse(lua_State *L) {
  struct content_range range;
  if (!sora_range_parse(luaL_checkstring(L, 1), &range))
    return 0;
  lua_pushnumber(L, (lua_Number)range.first);
  lua_pushnumber(L, (lua_Number)range.last);
  lua_pushnumber(L, (lua_Number)range.total);
  return 3;
}

/* ask(known, bytes, own, doubt) → from, If-Range */
static int ask(lua_State *L) {
  struct representation known;
  read_representation(L, 1, &known);
  struct range_question question =
      sora_range_ask(&known, (long long)luaL_checknumber(L, 2), lua_toboolean(L, 3),
                     (enum doubt)luaL_optinteger(L, 4, 0));
  lua_pushnumber(L, (lua_Number)question.from);
  lua_pushstring(L, question.if_range);
  return 2;
}

/* judge(known, bytes, own, doubt, answer) → verdict, doubt, first, stop, total */
static int judge(lua_State *L) {
  struct representation known;
  struct range_answer answer;
  read_representation(L, 1, &known);
  read_answer(L, 5, &answer);
  long long end = (long long)luaL_checknumber(L, 2);
  struct range_question question =
      sora_range_ask(&known, end, lua_toboolean(L, 3), (enum doubt)luaL_optinteger(L, 4, 0));
  struct range_outcome outcome = sora_range_judge(&question, &known, end, &answer);
  lua_pushstring(L, verdicts[outcome.verdict]);
  lua_pushnumber(L, outcome.doubt);
  lua_pushnumber(L, (lua_Number)outcome.first);
  lua_pushnumber(L, (lua_Number)outcome.stop);
  lua_pushnumber(L, (lua_Number)outcome.total);
  return 5;
}

/* content(type, bytes) → what it is */
static int content(lua_State *L) {
  static const char *const names[] = {"video", "html", "playlist", "text"};
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  lua_pushstring(L, names[sora_content_of(luaL_checkstring(L, 1), bytes, size)]);
  return 1;
}

/* is_private(address) → as a socket's address, as a URL's host */
static int is_private(lua_State *L) {
  const char *address = luaL_checkstring(L, 1);
  struct sockaddr_in v4 = {.sin_family = AF_INET};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
  char host[128];
  if (inet_pton(AF_INET, address, &v4.sin_addr) == 1) {
    lua_pushboolean(L, sora_address_is_private((struct sockaddr *)&v4));
    lua_pushboolean(L, sora_host_is_private(address));
    return 2;
  }
  snprintf(host, sizeof host, "[%s]", address);
  int numeric = inet_pton(AF_INET6, address, &v6.sin6_addr) == 1;
  if (numeric)
    lua_pushboolean(L, sora_address_is_private((struct sockaddr *)&v6));
  else
    lua_pushnil(L);
  lua_pushboolean(L, sora_host_is_private(numeric ? host : address));
  return 2;
}

/* url(text) → as a memo has it */
static int memo_url(lua_State *L) {
  char *url = sora_memo_url(luaL_checkstring(L, 1));
  lua_pushstring(L, url);
  free(url);
  return 1;
}

/* ---- parts ---- */

static struct part *check_part(lua_State *L) {
  return luaL_checkudata(L, 1, METATABLE);
}

/* open(path [, most]) → part, or nil and why not */
static int open_part(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  long long most = (long long)luaL_optnumber(L, 2, 0);
  struct part *part = lua_newuserdata(L, sizeof *part);
  sora_part_init(part);
  luaL_getmetatable(L, METATABLE);
  lua_setmetatable(L, -2);
  if (sora_part_open(part, path, most))
    return 1;
  lua_pushnil(L);
  lua_pushstring(L, part->why);
  return 2;
}

/* part:ask(url) → from, If-Range */
static int part_ask(lua_State *L) {
  struct part *part = check_part(L);
  if (!sora_part_ask(part, luaL_checkstring(L, 2)))
    return 0;
  lua_pushnumber(L, (lua_Number)part->asked.from);
  lua_pushstring(L, part->asked.if_range);
  return 2;
}

/* part:accept(answer) → verdict */
static int part_accept(lua_State *L) {
  struct range_answer answer;
  read_answer(L, 2, &answer);
  lua_pushstring(L, verdicts[sora_part_accept(check_part(L), &answer)]);
  return 1;
}

/* part:write(bytes) → "written", "differs", "failed" */
static int part_write(lua_State *L) {
  static const char *const names[] = {"written", "differs", "failed"};
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  lua_pushstring(L, names[sora_part_write(check_part(L), bytes, size)]);
  return 1;
}

/* part:finish(complete) → whether it is whole */
static int part_finish(lua_State *L) {
  sora_part_finish(check_part(L), lua_toboolean(L, 2));
  lua_pushboolean(L, check_part(L)->whole);
  return 1;
}

/* part:commit() → whether it was, why not */
static int part_commit(lua_State *L) {
  lua_pushboolean(L, sora_part_commit(check_part(L)));
  lua_pushstring(L, check_part(L)->why);
  return 2;
}

/* part:abandon(discard) */
static int part_abandon(lua_State *L) {
  sora_part_abandon(check_part(L), lua_toboolean(L, 2));
  return 0;
}

/* part:state() → bytes, why, too large, path */
static int part_state(lua_State *L) {
  struct part *part = check_part(L);
  lua_pushnumber(L, (lua_Number)part->end);
  lua_pushstring(L, part->why);
  lua_pushboolean(L, part->too_large);
  lua_pushstring(L, part->path);
  return 4;
}

/* part:sync() → errno of what was lost, 0; or nil where there is no thread */
static int part_sync(lua_State *L) {
  int failure;
  struct sync *sync = sora_sync_begin(check_part(L)->fd);
  if (sync == NULL)
    return 0;
  while (!sora_sync_is_over(sync, &failure))
    ;
  sora_sync_end(sync);
  lua_pushinteger(L, failure);
  return 1;
}

__attribute__((visibility("default"))) int luaopen_parts(lua_State *L);

int luaopen_parts(lua_State *L) {
  static const luaL_Reg functions[] = {{"parse", parse},    {"ask", ask},
                                       {"judge", judge},    {"content", content},
                                       {"url", memo_url},   {"is_private", is_private},
                                       {"open", open_part}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"ask", part_ask},       {"accept", part_accept},
                                     {"write", part_write},   {"finish", part_finish},
                                     {"commit", part_commit}, {"abandon", part_abandon},
                                     {"state", part_state},   {"sync", part_sync},
                                     {"__gc", part_abandon},  {NULL, NULL}};
  luaL_newmetatable(L, METATABLE);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}

#include "lua/part.h"

#include <string.h>

#include "compat.h"
#include "lua/client.h"
#include "lua/metatable.h"
#include "transfer/client.h"
#include "transfer/part.h"
#include "transfer/sync.h"

#define METATABLE "sora.part"

struct box {
  struct part part;
  struct sync *sync; /* that is under way, NULL: none */
};

static struct box *check(lua_State *L) {
  return luaL_checkudata(L, 1, METATABLE);
}

struct part *sora_part_of_lua(lua_State *L, int index) {
  return &((struct box *)luaL_checkudata(L, index, METATABLE))->part;
}

static int failed(lua_State *L, const char *why) {
  lua_pushnil(L);
  lua_pushstring(L, why);
  return 2;
}

int sora_part_to_lua(lua_State *L) {
  const struct client *client = sora_client_check(L, 1, 1);
  const char *path = luaL_checkstring(L, 2);
  double most = sora_client_settings(client)->max_size;
  if (lua_istable(L, 3)) {
    lua_getfield(L, 3, "max_size");
    most = luaL_optnumber(L, -1, most);
  }
  struct box *box = lua_newuserdata(L, sizeof *box);
  box->sync = NULL;
  sora_part_init(&box->part);
  luaL_setmetatable(L, METATABLE);
  return sora_part_open(&box->part, path, (long long)most) ? 1 : failed(L, box->part.why);
}

/* part:progress() → bytes, and of how many (nil: not known) */
static int progress(lua_State *L) {
  const struct part *part = &check(L)->part;
  compat_pushcount(L, part->end);
  if (part->memo.of.total < 0)
    return 1;
  compat_pushcount(L, part->memo.of.total);
  return 2;
}

/* part:is_whole() → whether its bytes are all that there are */
static int is_whole(lua_State *L) {
  lua_pushboolean(L, check(L)->part.whole);
  return 1;
}

/* part:put(bytes): what the whole file holds, from elsewhere than a server → true, or nil, what is
   wrong, and whether that is the size */
static int put(lua_State *L) {
  struct part *part = &check(L)->part;
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  const struct range_answer answer = {
      .status = 200, .content_range = "", .length = (long long)size};
  if (sora_part_ask(part, "data:") && sora_part_accept(part, &answer) == RANGE_TAKE)
    sora_part_write(part, bytes, size);
  sora_part_finish(part, 1);
  lua_pushboolean(L, 1);
  if (part->whole)
    return 1;
  failed(L, part->too_large ? "the video is larger than max_size" : part->why);
  lua_pushboolean(L, part->too_large);
  return 3;
}

static void end_sync(struct box *box) {
  if (box->sync != NULL)
    sora_sync_end(box->sync);
  box->sync = NULL;
}

/* part:flush(beside) → true: its bytes are on the disk; false: not yet, ask again; or nil and what
   is wrong. `beside`: on a thread, where there can be one */
static int flush(lua_State *L) {
  struct box *box = check(L);
  int failure = 0, over = 1;
  if (box->part.state == PART_CLOSED)
    return failed(L, box->part.why);
  if (box->sync == NULL && lua_toboolean(L, 2))
    box->sync = sora_sync_begin(box->part.fd);
  if (box->sync != NULL)
    over = sora_sync_is_over(box->sync, &failure);
  else
    failure = sora_sync_now(box->part.fd);
  if (over)
    end_sync(box);
  if (failure != 0)
    return failed(L, strerror(failure));
  lua_pushboolean(L, over);
  return 1;
}

/* part:commit(beside [, any_kind]): gives it its name → its path, or nil and what is wrong.
   `any_kind`: ".mp4" at the end becomes what the video is */
static int commit(lua_State *L) {
  struct part *part = &check(L)->part;
  int beside = lua_toboolean(L, 2);
  if (lua_toboolean(L, 3) && !sora_part_name_by_kind(part))
    return failed(L, part->why);
  lua_pushstring(L, part->target);
  if (!sora_part_commit(part))
    return failed(L, part->why);
  sora_part_flush_folder(lua_tostring(L, -1), beside);
  return 1;
}

/* part:abandon([discard]): closes it, as its finaliser does; idempotent */
static int abandon(lua_State *L) {
  struct box *box = check(L);
  end_sync(box);
  sora_part_abandon(&box->part, lua_toboolean(L, 2));
  return 0;
}

static int collect(lua_State *L) {
  lua_settop(L, 1);
  return abandon(L);
}

void sora_part_open_lua(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"progress", progress}, {"is_whole", is_whole}, {"put", put}, {"flush", flush},
      {"commit", commit},     {"abandon", abandon},   {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", collect}, {NULL, NULL}};
  sora_metatable_new(L, METATABLE, metamethods, methods);
  lua_pop(L, 1);
}

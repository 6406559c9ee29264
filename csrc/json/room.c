#include "json/room.h"

#include <stdint.h>

#define ROOM_FIRST 512

static void release(lua_State *L, struct room *room) {
  void *data;
  lua_Alloc allocate = lua_getallocf(L, &data);
  if (room->data != NULL)
    allocate(data, room->data, room->size, 0);
  *room = (struct room){NULL, 0, 0};
}

void sora_rooms_release(lua_State *L, struct rooms *rooms) {
  release(L, &rooms->text);
  release(L, &rooms->levels);
  release(L, &rooms->members);
}

void sora_room_grow(lua_State *L, struct rooms *rooms, struct room *room, size_t more) {
  void *data;
  lua_Alloc allocate = lua_getallocf(L, &data);
  size_t size = room->size < ROOM_FIRST ? ROOM_FIRST : room->size;
  while (size - room->used < more && size <= SIZE_MAX / 2)
    size *= 2;
  char *grown = size - room->used < more ? NULL : allocate(data, room->data, room->size, size);
  if (grown == NULL) {
    sora_rooms_release(L, rooms);
    luaL_error(L, "not enough memory");
  }
  room->data = grown;
  room->size = size;
}

static int collect(lua_State *L) {
  sora_rooms_release(L, lua_touserdata(L, 1));
  return 0;
}

void sora_rooms_metatable(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
}

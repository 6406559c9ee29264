/*
 * What the encoder writes into: blocks of bytes that grow. Within json/ only.
 *
 * They come from the allocator of the Lua state, past its collector: no request for memory here
 * makes a finaliser run, which could change the table that is being read. A userdata owns them.
 */
#ifndef SORA_JSON_ROOM_H
#define SORA_JSON_ROOM_H

#include <stddef.h>

#include "compat.h"

struct room {
  char *data;
  size_t used, size;
};

/* What one encoding needs, and its userdata owns. */
struct rooms {
  struct room text, levels, members;
};

/* Makes the room larger by at least `more` bytes. Without memory it frees all of `rooms`, which the
   room is one of, and raises. */
void sora_room_grow(lua_State *L, struct rooms *rooms, struct room *room, size_t more);

/* Frees all three. They can be used again. */
void sora_rooms_release(lua_State *L, struct rooms *rooms);

/* Pushes a new metatable for the userdata, which sora_json_new keeps in the state. */
void sora_rooms_metatable(lua_State *L);

#endif

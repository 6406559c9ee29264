#include <string.h>

#include "compat.h"
#include "json/decode.h"
#include "json/decoder.h"
#include "json/marks.h"
#include "json/room.h"

struct state {
  struct names *names; /* a userdata in the table of the state; NULL before the first decode */
};

void sora_json_new(lua_State *L) {
  luaL_checkstack(L, 8, "decoder");
  struct state *state = lua_newuserdata(L, sizeof *state);
  state->names = NULL;
  lua_createtable(L, 0, MARKS_END - NAMES_STRINGS);
  sora_json_marks_set(L);
  sora_rooms_metatable(L);
  lua_rawseti(L, -2, ENCODER_MT);
  lua_setuservalue(L, -2);
}

/* Makes the cache, and a table that has room for its strings, with what the one before holds. A
   finaliser that decodes meanwhile makes its own, which is dropped. */
static void make_names(lua_State *L, int index, struct state *state) {
  lua_getuservalue(L, index);
  lua_createtable(L, MARKS_END, 0);
  for (int mark = NAMES_STRINGS + 1; mark < NAMES_CACHE; mark++) {
    lua_rawgeti(L, -2, mark);
    lua_rawseti(L, -2, mark);
  }
  struct names *names = memset(lua_newuserdata(L, sizeof *names), 0, sizeof *names);
  lua_rawseti(L, -2, NAMES_CACHE);
  lua_setuservalue(L, index);
  lua_pop(L, 1);
  state->names = names;
}

struct names *sora_json_names(lua_State *L, int index) {
  struct state *state = lua_touserdata(L, index);
  if (state->names == NULL)
    make_names(L, index, state);
  return state->names;
}

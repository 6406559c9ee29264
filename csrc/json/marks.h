/*
 * What the state holds beside the cache of names: the values by which tables and constants say that
 * they are arrays. They are lua-cjson's, where there is one, and the convention of dkjson and
 * lua-rapidjson, `__jsontype` in the metatable.
 *
 * They stand behind the strings of the names, in the table that goes with the state.
 */
#ifndef SORA_JSON_MARKS_H
#define SORA_JSON_MARKS_H

#include "json/names.h"

/* Their indices in that table. */
enum {
  MARK_EMPTY_ARRAY_MT = NAMES_STRINGS + 1, /* the metatable of `[]`: lua-cjson's or ours */
  MARK_ARRAY_MT,                           /* lua-cjson's, or nil */
  MARK_EMPTY_ARRAY,                        /* lua-cjson's constant, or nil */
  MARK_JSONTYPE,                           /* the string "__jsontype" */
  ENCODER_MT,                              /* not a mark: the metatable of the encoder's buffers */
  NAMES_CACHE,                             /* nor this: the cache itself, a userdata */
  MARKS_END = NAMES_CACHE
};

/* Sets the marks in the table on top of the stack. Loads lua-cjson where there is one. */
void sora_json_marks_set(lua_State *L);

#endif

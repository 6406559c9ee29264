/*
 * Pictures in a request's body.
 */
#ifndef SORA_PICTURE_H
#define SORA_PICTURE_H

#include <lua.h>

/* core.data_uri(path, most) → the picture in the file as a data URI (RFC 2397), its type by its
   first bytes; or nil, the kind of an error ("io", "too_large") and what is wrong. `most`: bytes
   of the file. */
int sora_picture_uri(lua_State *L);

#endif

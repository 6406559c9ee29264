/*
 * From Lua's lists of fields and files to the form of a request (transfer/form.h).
 */
#ifndef SORA_LUA_FORM_H
#define SORA_LUA_FORM_H

#include <lua.h>

struct form;
struct request;

/* Makes the metatable. Pushes nothing. */
void sora_form_open(lua_State *L);

/* Pushes the form that the table at `call` has (`fields`, `files`), owned by a userdata: whoever
   takes it sets what is returned to NULL. What is wrong with a file ends the request when it is
   started. Returns NULL, with nil pushed, where there are no files. */
struct form **sora_form_push(lua_State *L, int call, struct request *request);

#endif

#include "lua/form.h"

#include "compat.h"
#include "lua/metatable.h"
#include "transfer/client.h"
#include "transfer/form.h"

#define METATABLE "sora.form"

static int collect_form(lua_State *L) {
  struct form **box = lua_touserdata(L, 1);
  sora_form_free(*box);
  *box = NULL;
  return 0;
}

/* Pushes the value at `place` of the list on top of the stack, which must be a string, and pops it:
   the list holds it. */
static const char *text_at(lua_State *L, int place, size_t *length) {
  lua_rawgeti(L, -1, place);
  const char *text = luaL_checklstring(L, -1, length);
  lua_pop(L, 1);
  return text;
}

/* Adds the fields of the list at `index`: { name, text }. */
static int add_fields(lua_State *L, int index, struct form *form) {
  int added = 1;
  for (int i = 1; added && lua_istable(L, index) && i <= (int)lua_rawlen(L, index); i++) {
    size_t length;
    lua_rawgeti(L, index, i);
    const char *name = text_at(L, 1, NULL), *text = text_at(L, 2, &length);
    added = sora_form_add_field(form, name, text, length);
    lua_pop(L, 1);
  }
  return added;
}

/* Adds the files of the list at `index`: { name, path, most }. What is wrong with one ends the
   request when it is started. */
static void add_files(lua_State *L, int index, struct form *form, struct request *request) {
  const char *fault = NULL;
  for (int i = 1; fault == NULL && i <= (int)lua_rawlen(L, index); i++) {
    int too_large;
    lua_rawgeti(L, index, i);
    const char *name = text_at(L, 1, NULL), *path = text_at(L, 2, NULL);
    lua_rawgeti(L, -1, 3);
    long long most = (long long)lua_tonumber(L, -1);
    fault = sora_form_add_file(form, name, path, most, &too_large);
    if (fault != NULL) {
      enum error_kind kind = too_large ? ERROR_too_large : ERROR_io;
      if (fault == sora_form_no_memory)
        kind = ERROR_memory;
      const char *said = lua_pushfstring(L, "files.%s: %s: %s", name, path, fault);
      sora_request_refuse(request, kind, said);
      lua_pop(L, 1);
    }
    lua_pop(L, 2);
  }
}

struct form **sora_form_push(lua_State *L, int call, struct request *request) {
  lua_getfield(L, call, "files");
  if (lua_isnil(L, -1))
    return NULL;
  int files = lua_gettop(L);
  /* NOLINTNEXTLINE(bugprone-sizeof-expression): it is a pointer that the userdata holds */
  struct form **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  luaL_setmetatable(L, METATABLE);
  *box = sora_form_new();
  lua_getfield(L, call, "fields");
  if (*box == NULL || !add_fields(L, lua_gettop(L), *box))
    luaL_error(L, "not enough memory");
  lua_pop(L, 1);
  add_files(L, files, *box, request);
  lua_replace(L, files);
  return box;
}

void sora_form_open(lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__gc", collect_form}, {NULL, NULL}};
  sora_metatable_new(L, METATABLE, metamethods, NULL);
  lua_pop(L, 1);
}

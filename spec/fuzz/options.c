/*
 * libFuzzer's target: the option tables that Lua gives. The input is a list of names and values,
 * `type name=value` a line; they go to sora.client, to core.options for each call, and to a query
 * that nothing is sent for.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

int luaopen_sora_core(lua_State *L);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* For each table: the calls raise, or return what they should, and leave nothing behind. */
static const char script[] =
    "local core = require 'sora.core'\n"
    "local calls = { 'wait', 'wait_all', 'query_all', 'download', 'query', 'create', 'generate', "
    "'call' }\n"
    "local plain = core.client { base_url = 'http://127.0.0.1:1', retries = 0 }\n"
    "return function(opts, text)\n"
    "  for _, call in ipairs(calls) do\n"
    "    local ok, policy = pcall(core.options, call, opts)\n"
    "    assert(type(policy) == (ok and 'table' or 'string'))\n"
    "  end\n"
    "  pcall(core.decode, '[null]', opts)\n"
    "  local ok, client = pcall(core.client, opts)\n"
    "  if ok then assert(not tostring(client):find 'sk%-secret') core.close(client) end\n"
    "  opts.base_url = nil\n"
    "  opts.proxy = nil\n"
    "  opts.retries = 0\n"
    "  local ok, request = pcall(core.request, plain, 'id' .. text, opts)\n"
    "  if ok then request:cancel() else assert(type(request) == 'string') end\n"
    "end\n";

static lua_State *new_state(void) {
  setenv("SORA_API_KEY", "sk-secret", 1);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_sora_core);
  lua_setfield(L, -2, "sora.core");
  lua_pop(L, 1);
  if (luaL_loadstring(L, script) != 0 || lua_pcall(L, 0, 1, 0) != 0)
    abort();
  return L;
}

/* Pushes the value that a line's type and text stand for. */
static void push_value(lua_State *L, char type, const char *text, size_t length) {
  lua_pushlstring(L, text, length);
  switch (type) {
  case 'n':
    lua_pushnumber(L, strtod(lua_tostring(L, -1), NULL));
    break;
  case 'b':
    lua_pushboolean(L, length > 0 && *text == '1');
    break;
  case 'f':
    lua_getglobal(L, "print");
    break;
  case 't':
    lua_newtable(L);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -3);
    lua_settable(L, -3);
    break;
  default:
    return;
  }
  lua_remove(L, -2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_State *L;
  if (L == NULL)
    L = new_state();
  const char *text = (const char *)data, *end = text + size;
  lua_pushvalue(L, 1);
  lua_newtable(L);
  while (text < end) {
    const char *line_end = memchr(text, '\n', (size_t)(end - text));
    const char *stop = line_end == NULL ? end : line_end;
    const char *equals = memchr(text, '=', (size_t)(stop - text));
    if (equals != NULL && equals - text >= 2) {
      lua_pushlstring(L, text + 2, (size_t)(equals - text) - 2);
      push_value(L, *text, equals + 1, (size_t)(stop - equals) - 1);
      lua_settable(L, -3);
    }
    text = stop + 1;
  }
  lua_pushlstring(L, (const char *)data, size < 40 ? size : 40);
  if (lua_pcall(L, 2, 0, 0) != 0)
    abort();
  if (lua_gettop(L) != 1)
    abort();
  return 0;
}

#include "lua/encode.h"

#include "json/encode.h"
#include "lua/error.h"
#include "lua/options.h"

int sora_encode(lua_State *L) {
  struct settings settings;
  struct json_refusal refusal;
  luaL_checkany(L, 1);
  sora_settings_init(&settings);
  sora_settings_read(L, 2, SCOPE_ENCODE, 1, &settings);
  if (settings.indent > JSON_INDENT_MOST)
    sora_misuse(L, 1, "option 'indent' must be a whole number from 0 to %d", JSON_INDENT_MOST);
  struct json_encode_options options = {.indent = (int)settings.indent,
                                        .max_depth = (int)settings.max_depth};
  if (sora_json_encode(L, lua_upvalueindex(1), 1, &options, &refusal))
    return 1;
  struct failure failure = {.kind = ERROR_decode, .message = refusal.message, .retry_after = -1};
  lua_pushnil(L);
  sora_error_push(L, &failure);
  return 2;
}

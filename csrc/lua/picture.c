#include "lua/picture.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "compat.h"
#include "transfer/upload.h"

#define METATABLE "sora.upload"

static int collect(lua_State *L) {
  sora_upload_close(lua_touserdata(L, 1));
  return 0;
}

/* Pushes a file that is not open yet, and is closed by the collector at the latest. */
static struct upload *push_upload(lua_State *L) {
  struct upload *upload = lua_newuserdata(L, sizeof *upload);
  *upload = (struct upload){.fd = -1};
  luaL_newmetatable(L, METATABLE);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  return upload;
}

static int fail(lua_State *L, const char *kind, const char *what) {
  lua_pushnil(L);
  lua_pushstring(L, kind);
  lua_pushstring(L, what);
  return 3;
}

/* RFC 4648, 4. Returns the end of what it wrote. */
static char *write_base64(char *out, const unsigned char *bytes, size_t length) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (; length >= 3; bytes += 3, length -= 3) {
    uint32_t word = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
    *out++ = letters[word >> 18];
    *out++ = letters[word >> 12 & 63];
    *out++ = letters[word >> 6 & 63];
    *out++ = letters[word & 63];
  }
  if (length > 0) {
    uint32_t word = (uint32_t)bytes[0] << 16 | (length == 2 ? (uint32_t)bytes[1] << 8 : 0);
    *out++ = letters[word >> 18];
    *out++ = letters[word >> 12 & 63];
    *out++ = length == 2 ? letters[word >> 6 & 63] : '=';
    *out++ = '=';
  }
  return out;
}

/* Reads all of the file; returns 0 where it is not what it was. */
static int read_all(const struct upload *upload, char *bytes, size_t size) {
  size_t read = 0;
  long length = 1;
  while (read < size && length > 0) {
    length = sora_upload_read(upload, bytes + read, size - read);
    read += length > 0 ? (size_t)length : 0;
  }
  return read == size;
}

int sora_picture_uri(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  long long most = (long long)luaL_checknumber(L, 2);
  int too_large;
  struct upload *upload = push_upload(L);
  const char *fault = sora_upload_open(upload, path, most, &too_large);
  if (fault != NULL)
    return fail(L, too_large ? "too_large" : "io", fault);
  if (upload->type == NULL || strncmp(upload->type, "image/", 6) != 0) {
    sora_upload_close(upload);
    return fail(L, "io", "is no picture that is known (JPEG, PNG, GIF, WebP, BMP, AVIF, HEIC)");
  }
  size_t size = (size_t)upload->size;
  char *bytes = lua_newuserdata(L, size);
  size_t prefix = strlen("data:") + strlen(upload->type) + strlen(";base64,");
  char *uri = lua_newuserdata(L, prefix + (size + 2) / 3 * 4 + 1);
  int whole = read_all(upload, bytes, size);
  snprintf(uri, prefix + 1, "data:%s;base64,", upload->type);
  sora_upload_close(upload);
  if (!whole)
    return fail(L, "io", "has changed while it was read");
  const char *end = write_base64(uri + prefix, (const unsigned char *)bytes, size);
  lua_pushlstring(L, uri, (size_t)(end - uri));
  return 1;
}

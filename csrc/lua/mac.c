#include "lua/mac.h"

#include "compat.h"

#if defined(SORA_MAC_libcrypto)

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { SIZE = 32 };

static int compute(const char *key, size_t key_length, const char *text, size_t length,
                   unsigned char *mac) {
  return HMAC(EVP_sha256(), key, (int)key_length, (const unsigned char *)text, length, mac, NULL) !=
         NULL;
}

static int differ(const void *a, const void *b) {
  return CRYPTO_memcmp(a, b, SIZE);
}

#elif defined(SORA_MAC_gnutls)

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

enum { SIZE = 32 };

static int compute(const char *key, size_t key_length, const char *text, size_t length,
                   unsigned char *mac) {
  return gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, key_length, text, length, mac) == 0;
}

static int differ(const void *a, const void *b) {
  return gnutls_memcmp(a, b, SIZE);
}

#endif

#if defined(SORA_MAC_libcrypto) || defined(SORA_MAC_gnutls)

enum { LONGEST_KEY = 4096 }; /* bytes: HMAC() takes an int */

/* core.mac_matches(key, text, mac) → whether mac, 32 bytes, is the HMAC-SHA256 (RFC 2104) of the
   text; compared in constant time */
static int matches(lua_State *L) {
  size_t key_length, length, given_length;
  unsigned char mac[SIZE];
  const char *key = luaL_checklstring(L, 1, &key_length);
  const char *text = luaL_checklstring(L, 2, &length);
  const char *given = luaL_checklstring(L, 3, &given_length);
  luaL_argcheck(L, key_length <= LONGEST_KEY, 1, "a shorter key expected");
  if (!compute(key, key_length, text, length, mac))
    return luaL_error(L, "not enough memory");
  lua_pushboolean(L, given_length == SIZE && differ(mac, given) == 0);
  explicit_bzero(mac, sizeof mac);
  return 1;
}

void sora_mac_open(lua_State *L) {
  lua_pushcfunction(L, matches);
  lua_setfield(L, 1, "mac_matches");
}

#else

void sora_mac_open(lua_State *L) {
  (void)L;
}

#endif

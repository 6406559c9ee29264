/*
 * HMAC-SHA256 (RFC 2104, FIPS 180-4), for webhooks: that of OpenSSL or, where the build has found
 * no headers of it, of GnuTLS. One of the two is what libcurl speaks TLS with, mostly.
 */
#ifndef SORA_LUA_MAC_H
#define SORA_LUA_MAC_H

#include <lua.h>

/* Adds to the module at stack index 1 core.mac_matches(key, text, mac) → whether that is the text's
   code, compared in a time that says nothing of where they differ. Nothing is added by a build that
   has neither library. */
void sora_mac_open(lua_State *L);

#endif

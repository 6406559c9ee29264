/*
 * A bell for an event loop that cannot watch a descriptor of others, but can read a UDP socket of
 * its own (nginx): a thread waits for the descriptors instead, and sends the loop a byte when one
 * of them is ready.
 *
 *   local bell, port, token = core.bell()   -- nil: there is none on this system
 *   … a UDP socket of the loop is connected to 127.0.0.1:port and sends the token …
 *   bell:answer()                           -- true: from now on it rings
 *   bell:watch(fd)                          -- rings once when fd is ready; at once if it is
 *   bell:close()
 *
 * The thread touches neither Lua nor libcurl, only the bell's own descriptors.
 */
#ifndef SORA_BELL_H
#define SORA_BELL_H

#include <lua.h>

/* Makes the metatable. Pushes nothing. */
void sora_bell_open(lua_State *L);

/* core.bell() */
int sora_bell_new(lua_State *L);

#endif

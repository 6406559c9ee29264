/*
 * A host's name looked up on a thread: getaddrinfo(3) blocks, and no event loop may stand still for
 * a name server. An address needs no thread.
 *
 * Neither Lua nor hiredis is known here.
 */
#ifndef SORA_LOOKUP_H
#define SORA_LOOKUP_H

#include <netdb.h>

struct lookup;

/* Looks up the addresses of `host` for TCP. NULL without memory, descriptors or a thread, with
   errno. */
struct lookup *sora_lookup_start(const char *host, int port);

/* A descriptor that is readable once the lookup is over; it is the lookup's. */
int sora_lookup_fd(const struct lookup *lookup);

/* Whether it is over. */
int sora_lookup_is_over(const struct lookup *lookup);

/* What was found, the caller's from now on (freeaddrinfo), or NULL and why not. */
struct addrinfo *sora_lookup_take(struct lookup *lookup, const char **failure);

/* Lets go of it, whether it is over or not. NULL is none. */
void sora_lookup_free(struct lookup *lookup);

/* The addresses of a host that is written as one, or NULL. */
struct addrinfo *sora_lookup_literal(const char *host, int port);

#endif

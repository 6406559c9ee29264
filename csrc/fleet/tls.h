/*
 * TLS of a link, where hiredis has it (1.0 and later, in a library of its own): the certificate of
 * the server and its name are checked, by the system's authorities, or those of $SSL_CERT_FILE and
 * $SSL_CERT_DIR.
 *
 * OpenSSL is known in tls.c alone, Lua nowhere here.
 */
#ifndef SORA_TLS_H
#define SORA_TLS_H

#include <hiredis/hiredis.h>

struct tls;

/* Whether this build can. */
int sora_tls_is_there(void);

/* What all connections of a link share. NULL without memory. */
struct tls *sora_tls_new(void);

void sora_tls_free(struct tls *tls); /* NULL is none */

/* Begins a handshake on a connected context, which reads and writes go on with. A server that is
   quick may have sent its certificate by the end of that. Returns 0, and the context has an error.
 */
int sora_tls_start(struct tls *tls, redisContext *context, const char *host);

/* What is wrong with the certificate of the connection that was started last, while its context is
   there, or of the one whose start has just failed; NULL: nothing. */
const char *sora_tls_fault(const struct tls *tls);

#endif

#include "fleet/tls.h"

#include <stddef.h>

#ifdef SORA_REDIS_TLS

#include <hiredis/hiredis_ssl.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

struct tls {
  SSL_CTX *context;
  const SSL *last; /* belongs to the context of the connection; NULL: its start has failed */
  long refused;    /* why then, of X509_V_… */
};

int sora_tls_is_there(void) {
  return 1;
}

struct tls *sora_tls_new(void) {
  struct tls *tls = calloc(1, sizeof *tls);
  if (tls == NULL)
    return NULL;
  tls->context = SSL_CTX_new(TLS_client_method());
  if (tls->context == NULL || !SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) ||
      !SSL_CTX_set_default_verify_paths(tls->context)) {
    sora_tls_free(tls);
    return NULL;
  }
  SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
  return tls;
}

void sora_tls_free(struct tls *tls) {
  if (tls == NULL)
    return;
  SSL_CTX_free(tls->context);
  free(tls);
}

/* An address is no name: it is looked for among the certificate's addresses, and not sent. */
static int expect(SSL *ssl, const char *host) {
  if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host))
    return 1;
  return SSL_set1_host(ssl, host) && SSL_set_tlsext_host_name(ssl, host);
}

int sora_tls_start(struct tls *tls, redisContext *context, const char *host) {
  SSL *ssl = SSL_new(tls->context);
  tls->last = ssl;
  if (ssl != NULL && expect(ssl, host) && redisInitiateSSL(context, ssl) == REDIS_OK)
    return 1;
  tls->refused = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;
  tls->last = NULL;
  SSL_free(ssl);
  return 0;
}

const char *sora_tls_fault(const struct tls *tls) {
  long result = tls->last != NULL ? SSL_get_verify_result(tls->last) : tls->refused;
  return result != X509_V_OK ? X509_verify_cert_error_string(result) : NULL;
}

#else

int sora_tls_is_there(void) {
  return 0;
}

struct tls *sora_tls_new(void) {
  return NULL;
}

void sora_tls_free(struct tls *tls) {
  (void)tls;
}

int sora_tls_start(struct tls *tls, redisContext *context, const char *host) {
  (void)tls, (void)context, (void)host;
  return 0;
}

const char *sora_tls_fault(const struct tls *tls) {
  (void)tls;
  return NULL;
}

#endif

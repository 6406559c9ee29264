#include "transfer/outcome.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int sora_status_passes(long status) {
  static const struct {
    long first, last;
  } passing[] = {{408, 408}, {425, 425}, {429, 429}, {500, 500},
                 {502, 504}, {507, 507}, {520, 530}, {598, 599}};
  for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
    if (status >= passing[i].first && status <= passing[i].last)
      return 1;
  return 0;
}

void sora_outcome_set(struct outcome *outcome, enum error_kind kind, const char *message) {
  outcome->kind = kind;
  outcome->retryable = 0;
  snprintf(outcome->message, sizeof outcome->message, "%s", message);
}

static const struct verdict {
  CURLcode code;
  enum error_kind kind;
  int retryable;
} verdicts[] = {
    {CURLE_COULDNT_RESOLVE_HOST, ERROR_dns, 1},
    {CURLE_COULDNT_RESOLVE_PROXY, ERROR_dns, 1},
    {CURLE_COULDNT_CONNECT, ERROR_connect, 1},
    {CURLE_OPERATION_TIMEDOUT, ERROR_timeout, 1},
    {CURLE_OUT_OF_MEMORY, ERROR_memory, 0},
    {CURLE_SSL_CONNECT_ERROR, ERROR_tls, 1}, /* a handshake that was cut; the rest are verdicts */
    {CURLE_PEER_FAILED_VERIFICATION, ERROR_tls, 0},
    {CURLE_SSL_CACERT_BADFILE, ERROR_tls, 0},
    {CURLE_SSL_CERTPROBLEM, ERROR_tls, 0},
    {CURLE_SSL_CIPHER, ERROR_tls, 0},
    {CURLE_SSL_ENGINE_NOTFOUND, ERROR_tls, 0},
    {CURLE_SSL_ISSUER_ERROR, ERROR_tls, 0},
    {CURLE_SSL_INVALIDCERTSTATUS, ERROR_tls, 0},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, ERROR_tls, 0},
#if LIBCURL_VERSION_NUM >= 0x074d00
    {CURLE_SSL_CLIENTCERT, ERROR_tls, 0},
#endif
#if LIBCURL_VERSION_NUM >= 0x080600
    {CURLE_TOO_LARGE, ERROR_too_large, 0},
#else
    {(CURLcode)100, ERROR_too_large, 0}, /* CURLE_TOO_LARGE, from 8.6 on */
#endif
    {CURLE_TOO_MANY_REDIRECTS, ERROR_http, 0},
    {CURLE_URL_MALFORMAT, ERROR_http, 0},
};

/* What a TLS library says where libcurl has no code of its own for it: the peer's verdict, which
   another try will not change. */
static int is_verdict_of_tls(const char *said) {
  static const char *const phrases[] = {"certificate required",   "wrong version number",
                                        "alert certificate",      "alert bad certificate",
                                        "unsupported protocol",   "alert handshake failure",
                                        "alert protocol version", "unknown ca"};
  for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
    if (strstr(said, phrases[i]) != NULL)
      return 1;
  return 0;
}

/* Whether two more descriptors, of a connection and of a file, could not be opened now. libcurl and
   the TLS library report their want as one of many other failures. */
static int descriptors_are_short(void) {
  int first = dup(STDERR_FILENO), second = dup(STDERR_FILENO);
  int failure = errno;
  if (first >= 0)
    close(first);
  if (second >= 0)
    close(second);
  return (first < 0 || second < 0) && (failure == EMFILE || failure == ENFILE);
}

void sora_outcome_judge(struct outcome *outcome, CURLcode code, const char *said,
                        long proxy_status) {
  if (*said == '\0')
    said = curl_easy_strerror(code);
  sora_outcome_set(outcome, ERROR_network, said);
  outcome->retryable = 1;
  for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
    if (verdicts[i].code == code) {
      outcome->kind = verdicts[i].kind;
      outcome->retryable = verdicts[i].retryable;
    }
  }
  if (outcome->kind != ERROR_network && descriptors_are_short()) {
    sora_outcome_set(outcome, ERROR_connect, strerror(EMFILE));
    outcome->retryable = 1;
  } else if (strncmp(said, "Unsupported proxy", 17) == 0) {
    /* its text quotes the URL, and so the password */
    sora_outcome_set(outcome, ERROR_connect, "the URL of the proxy is not one that libcurl knows");
  } else if (proxy_status >= 400) {
    char message[96];
    snprintf(message, sizeof message, "the proxy answers CONNECT with HTTP %ld", proxy_status);
    sora_outcome_set(outcome, ERROR_connect, message);
    outcome->status = proxy_status;
    outcome->retryable = sora_status_passes(proxy_status);
  } else if ((outcome->kind == ERROR_network || outcome->kind == ERROR_tls) &&
             is_verdict_of_tls(said)) {
    outcome->kind = ERROR_tls;
    outcome->retryable = 0;
  }
}

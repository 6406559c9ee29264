/*
 * What one attempt came to: the verdicts over libcurl's codes and HTTP's statuses.
 */
#ifndef SORA_OUTCOME_H
#define SORA_OUTCOME_H

#include <curl/curl.h>

#include "transfer/kinds.h"

struct outcome {
  enum error_kind kind; /* ERROR_NONE: an answer came, whatever its status */
  int retryable;        /* to ask again may help */
  long status;          /* of HTTP, 0: none came */
  double retry_after;   /* seconds, below 0: none */
  char message[CURL_ERROR_SIZE + 64];
};

/* Whether a status of HTTP may be another one soon: the one list of these. */
int sora_status_passes(long status);

/* Sets kind and message; not retryable. */
void sora_outcome_set(struct outcome *outcome, enum error_kind kind, const char *message);

/* Judges how libcurl ended: `code` is not CURLE_OK, `said` is what stands in the error buffer, ""
   for nothing, `proxy_status` that of a proxy's answer to CONNECT, 0: none. `outcome->status` is
   set already. */
void sora_outcome_judge(struct outcome *outcome, CURLcode code, const char *said,
                        long proxy_status);

#endif

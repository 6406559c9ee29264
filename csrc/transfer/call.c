/*
 * Any function of the service but the query: what makes something is sent once.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "transfer/form.h"
#include "transfer/form_mime.h"
#include "transfer/libcurl.h"
#include "transfer/request.h"
#include "transfer/text.h"

/* A body of more bytes is given up only when nothing of it moves for so long as an attempt may
   take. */
enum { LARGE = 64 * 1024 };

static char *join(const char *prefix, const char *path) {
  size_t size = strlen(prefix) + strlen(path) + 1;
  char *url = malloc(size);
  if (url == NULL)
    return NULL;
  strcpy(url, prefix);
  strcat(url, path);
  return url;
}

int sora_request_set_call(struct request *request, const struct base_url *base,
                          const struct call *call) {
  struct sending *sending = &request->sending;
  sending->active = 1;
  sending->once = call->once;
  sending->form = call->form;
  sending->large = call->form != NULL || call->body_length > LARGE;
  sending->method = sora_copy_text(call->method);
  request->url = join(base->prefix, call->path);
  request->path = base->path;
  request->loopback = base->loopback;
  request->plain = base->plain;
  if (call->body != NULL) {
    sending->length = call->body_length;
    sending->body = malloc(call->body_length + 1);
    if (sending->body != NULL)
      memcpy(sending->body, call->body, call->body_length);
  }
  return request->url != NULL && sending->method != NULL &&
         (call->body == NULL || sending->body != NULL);
}

static int speaks_any_version(const struct request *request) {
  return request->settings->http_version == HTTP_BEST;
}

#define SET(option, value) (failed |= curl_easy_setopt(easy, option, value) != CURLE_OK)

/* libcurl sends a request again by itself when a kept connection turns out to be dead, whatever it
   makes (lib/multi.c, Curl_retry_request), and answers "no error" then. It does not on a new
   connection, but for a stream that the server has refused, which was not looked at (RFC 9113,
   8.7). */
int sora_sending_set(struct request *request, CURL *easy) {
  struct sending *sending = &request->sending;
  int failed = 0;
  if (sending->once) {
    SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_FORBID_REUSE, 1L);
  }
  if (sending->form != NULL) {
    sora_sending_end(request);
    sending->mime = sora_form_mime(sending->form, easy);
    failed |= sending->mime == NULL;
    SET(CURLOPT_MIMEPOST, sending->mime);
  } else if (sending->body != NULL) {
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)sending->length);
    SET(CURLOPT_POSTFIELDS, sending->body);
  } else if (strcmp(sending->method, "HEAD") == 0) {
    SET(CURLOPT_NOBODY, 1L);
  } else if (strcmp(sending->method, "GET") != 0 && strcmp(sending->method, "DELETE") != 0) {
    SET(CURLOPT_POST, 1L); /* says that its length is 0 */
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
    SET(CURLOPT_POSTFIELDS, "");
  }
  if (sending->large && sora_libcurl_stops_uploads() && speaks_any_version(request))
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  if (sending->large) {
    double patience = ceil(request->limits.request_timeout);
    SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
    SET(CURLOPT_LOW_SPEED_TIME, patience < 1e6 ? (long)patience : 1000000L);
  }
  SET(CURLOPT_CUSTOMREQUEST, sending->method);
  return !failed;
}

void sora_sending_note(struct request *request) {
  curl_off_t before = 0;
  const struct attempt *attempt = &request->attempt;
  if (attempt->handle != NULL)
    curl_easy_getinfo(attempt->handle->easy, CURLINFO_PRETRANSFER_TIME_T, &before);
  request->sending.sent |= attempt->sent > 0 || before > 0;
}

void sora_sending_end(struct request *request) {
  curl_mime_free(request->sending.mime);
  request->sending.mime = NULL;
}

void sora_sending_free(struct request *request) {
  struct sending *sending = &request->sending;
  sora_sending_end(request);
  sora_form_free(sending->form);
  if (sending->body != NULL)
    explicit_bzero(sending->body, sending->length);
  free(sending->body);
  free(sending->method);
  memset(sending, 0, sizeof *sending);
}

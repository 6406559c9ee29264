#include "transfer/fetch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transfer/address.h"
#include "transfer/request.h"
#include "transfer/text.h"

enum {
  PAGE = 4 * 1024,    /* what is read of an answer that is no video */
  BUFFER = 128 * 1024 /* libcurl's */
};

/* ---- putting one together ---- */

/* No Content-Encoding is asked for; libcurl decodes one that comes all the same. */
static int make_headers(struct request *request, int own) {
  struct fetch *fetch = &request->fetch;
  const char *if_range = fetch->part->asked.if_range;
  fetch->headers = sora_headers_new();
  return fetch->headers != NULL && sora_headers_omit(fetch->headers, "Accept-Encoding") &&
         sora_headers_add(fetch->headers, "Accept", "*/*") &&
         (if_range == NULL || sora_headers_add(fetch->headers, "If-Range", if_range)) &&
         (!own || sora_headers_inherit(fetch->headers, request->headers));
}

/* A download that stays out of private networks has connections of its own, so it waits for none of
   the others'. NULL without memory. */
static char *queue_of(const char *origin, int keep_public) {
  static const char apart[] = "public ";
  if (!keep_public)
    return sora_copy_text(origin);
  size_t size = strlen(origin) + sizeof apart;
  char *queue = malloc(size);
  if (queue != NULL)
    snprintf(queue, size, "%s%s", apart, origin);
  return queue;
}

int sora_request_set_fetch(struct request *request, const struct base_url *base,
                           const struct fetch_source *source) {
  struct fetch *fetch = &request->fetch;
  char message[160];
  char *origin = sora_url_origin(source->url);
  int own = origin != NULL && strcmp(origin, base->origin) == 0;
  fetch->part = source->part;
  fetch->keep_public = source->keep_public && !own;
  fetch->queue = queue_of(origin != NULL ? origin : "", fetch->keep_public);
  free(origin);
  request->place.video = 1;
  request->limits.retries = 0;
  request->url = sora_copy_text(source->url);
  request->loopback = sora_url_is_loopback(source->url);
  request->plain = sora_starts_with(source->url, "http:");
  if (!sora_part_ask(source->part, source->video)) {
    sora_request_refuse(request, ERROR_io, source->part->why);
  } else if (fetch->keep_public && sora_url_is_private(source->url)) {
    snprintf(message, sizeof message, SORA_PRIVATE_ADDRESS, "the host of the URL");
    sora_request_refuse(request, ERROR_connect, message);
  }
  return request->url != NULL && fetch->queue != NULL && make_headers(request, own);
}

/* An address is looked at when it is connected to. So the transfer gets a connection of its own,
   and goes through its proxy without exceptions. */
static int set_public(struct request *request, CURL *easy) {
  const char *proxy = sora_handle_proxy(request->settings, request->plain);
  request->fetch.proxied = *proxy != '\0';
  return curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_NOPROXY, "") == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_PROXY, proxy) == CURLE_OK;
}

int sora_fetch_set(struct request *request, CURL *easy) {
  const struct range_question *asked = &request->fetch.part->asked;
  char range[32];
  double patience = ceil(request->limits.request_timeout);
  int failed = 0;
#define SET(option, value) (failed |= curl_easy_setopt(easy, option, value) != CURLE_OK)
  SET(CURLOPT_HTTPHEADER, sora_headers_list(request->fetch.headers));
  SET(CURLOPT_BUFFERSIZE, (long)BUFFER);
  SET(CURLOPT_PATH_AS_IS, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
  SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
  SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  /* no limit for the whole: only a transfer that stands still is given up */
  SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
  SET(CURLOPT_LOW_SPEED_TIME, patience < 1e6 ? (long)patience : 1000000L);
  if (asked->from > 0) {
    snprintf(range, sizeof range, "%lld-", asked->from);
    SET(CURLOPT_RANGE, range);
  }
#undef SET
  return !failed && (!request->fetch.keep_public || set_public(request, easy));
}

/* ---- an attempt ---- */

void sora_fetch_forget(struct request *request) {
  struct fetch *fetch = &request->fetch;
  free(fetch->redirect);
  free(fetch->queue);
  fetch->redirect = fetch->queue = NULL;
  sora_headers_release(&fetch->headers);
}

void sora_fetch_begin(struct request *request) {
  struct fetch *fetch = &request->fetch;
  sora_part_finish(fetch->part, 0);
  fetch->state = FETCH_AWAITED;
  fetch->content = CONTENT_VIDEO;
  fetch->refused[0] = '\0';
  free(fetch->redirect);
  fetch->redirect = NULL;
}

static int refuse(struct request *request, enum error_kind kind, const char *message) {
  sora_request_refuse(request, kind, message);
  return 0;
}

/* What is wrong is the file. */
static int refuse_file(struct request *request) {
  const struct part *part = request->fetch.part;
  char message[96];
  if (!part->too_large)
    return refuse(request, ERROR_io, part->why);
  snprintf(message, sizeof message, "the video is larger than max_size, %lld bytes", part->most);
  return refuse(request, ERROR_too_large, message);
}

/* Has the part take in what the headers say. Returns 0 when no byte is to follow. */
static int accept_answer(struct request *request, long status) {
  struct fetch *fetch = &request->fetch;
  const struct answer_headers *headers = &request->attempt.answer;
  struct range_answer answer = {
      .status = status, .content_range = headers->content_range, .encoded = headers->encoded};
  curl_off_t length = -1;
  curl_easy_getinfo(request->attempt.handle->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  answer.length = length;
  memcpy(answer.of.etag, headers->etag, sizeof answer.of.etag);
  memcpy(answer.of.modified, headers->last_modified, sizeof answer.of.modified);
  answer.of.date_is_strong = sora_range_date_is_strong(curl_getdate(headers->last_modified, NULL),
                                                       curl_getdate(headers->date, NULL));
  switch (sora_part_accept(fetch->part, &answer)) {
  case RANGE_TAKE:
  case RANGE_FRESH:
    fetch->state = FETCH_TAKEN;
    return 1;
  case RANGE_WHOLE:
    fetch->state = FETCH_TAKEN;
    return 0;
  case RANGE_AGAIN:
    fetch->state = FETCH_AGAIN;
    return 0;
  case RANGE_REFUSE:
    break;
  }
  if (fetch->part->why[0] != '\0' || fetch->part->too_large)
    return refuse_file(request);
  return refuse(request, ERROR_http, "the server sent another range");
}

static int write_bytes(struct request *request, const char *bytes, size_t size) {
  struct fetch *fetch = &request->fetch;
  switch (sora_part_write(fetch->part, bytes, size)) {
  case PART_WRITTEN:
    return 1;
  case PART_FAILED:
    return refuse_file(request);
  case PART_DIFFERS:
    break;
  }
  if (fetch->part->asked.from == 0)
    return refuse(request, ERROR_network, "the server sent more than it announced");
  fetch->state = FETCH_AGAIN;
  return 0;
}

/* Looks at the first bytes, which are in the body. The rest of a part needs no look: it is compared
   with the part. */
static int decide(struct request *request, long status) {
  struct fetch *fetch = &request->fetch;
  struct buffer *body = &request->body;
  const char *bytes = body->data != NULL ? body->data : "";
  if (status != 200 && status != 206)
    fetch->state = FETCH_REFUSED;
  else if (status == 200 || fetch->part->asked.from == 0)
    fetch->content = sora_content_of(request->attempt.answer.type, bytes, body->length);
  if (fetch->content != CONTENT_VIDEO)
    fetch->state = FETCH_REFUSED;
  if (fetch->state == FETCH_REFUSED)
    return body->length < PAGE;
  int taken = accept_answer(request, status) && write_bytes(request, bytes, body->length);
  body->length = 0;
  return taken;
}

int sora_fetch_take(struct request *request, const char *bytes, size_t size) {
  struct fetch *fetch = &request->fetch;
  struct buffer *body = &request->body;
  long status = 0;
  if (fetch->state == FETCH_TAKEN)
    return write_bytes(request, bytes, size);
  if (fetch->state == FETCH_REFUSED && size > PAGE - body->length)
    size = PAGE - body->length;
  if (!sora_buffer_append(body, bytes, size))
    return refuse(request, ERROR_memory, "not enough memory");
  if (fetch->state == FETCH_REFUSED)
    return body->length < PAGE;
  if (body->length < CONTENT_TOLD)
    return 1;
  curl_easy_getinfo(request->attempt.handle->easy, CURLINFO_RESPONSE_CODE, &status);
  return decide(request, status);
}

/* Where the answer leads instead of bringing the video. */
static void note_redirect(struct request *request) {
  const char *url = NULL;
  curl_easy_getinfo(request->attempt.handle->easy, CURLINFO_REDIRECT_URL, &url);
  if (url == NULL)
    return;
  request->fetch.redirect = strdup(url);
  if (request->fetch.redirect == NULL)
    refuse(request, ERROR_memory, "not enough memory");
}

void sora_fetch_over(struct request *request, long status, int complete) {
  struct fetch *fetch = &request->fetch;
  int awaited = fetch->state == FETCH_AWAITED;
  complete |= fetch->state == FETCH_REFUSED && request->outcome.kind == ERROR_NONE;
  if (complete && status == 416 && fetch->part->asked.from > 0)
    accept_answer(request, status);
  else if (complete && awaited && request->body.length == 0 && (status == 200 || status == 206))
    refuse(request, ERROR_network, "the server sent an empty video");
  else if (complete && awaited)
    decide(request, status);
  if (complete && status >= 300 && status < 400)
    note_redirect(request);
  sora_part_finish(fetch->part, complete && fetch->state == FETCH_TAKEN);
}

int sora_fetch_is_answered(const struct request *request, CURLcode code) {
  enum fetch_state state = request->fetch.state;
  return code == CURLE_OK || (request->fetch.part != NULL && code == CURLE_WRITE_ERROR &&
                              (state == FETCH_REFUSED || state == FETCH_AGAIN));
}

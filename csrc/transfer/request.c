#include "transfer/request.h"

#include <stdlib.h>
#include <string.h>

#include "transfer/text.h"

/* ---- putting one together ---- */

enum { ROOM_FOR_ID = 47 /* bytes, at least: the next one may be longer */ };

struct request *sora_request_make(const char *id, size_t length) {
  size_t room = length > ROOM_FOR_ID ? length : ROOM_FOR_ID;
  struct request *request = calloc(1, sizeof *request + room + 1);
  if (request == NULL)
    return NULL;
  request->outcome.retry_after = -1;
  request->id_room = room;
  request->id_length = length;
  memcpy(request->id, id, length);
  return request;
}

/* Frees what it owns. */
static void release(struct request *request) {
  sora_request_forget(request);
  sora_sending_free(request);
  sora_reports_free(&request->reports);
  sora_wipe_text(&request->url);
}

void sora_request_destroy(struct request *request) {
  release(request);
  free(request);
}

void sora_request_allow_renewal(struct request *request) {
  request->renewable = 1;
}

int sora_request_is_renewable(const struct request *request) {
  return request->renewable;
}

int sora_request_renew(struct request *request, const char *id, size_t length) {
  struct request renewed = {.tag = request->tag,
                            .limits = request->limits,
                            .outcome = {.retry_after = -1},
                            .renewable = 1,
                            .id_room = request->id_room,
                            .id_length = length};
  if (!request->renewable || length > request->id_room)
    return 0;
  if (length == request->id_length && memcmp(id, request->id, length) == 0) {
    renewed.url = request->url;
    renewed.path = request->path;
    renewed.relay_length = request->relay_length;
    renewed.loopback = request->loopback;
    renewed.plain = request->plain;
    request->url = NULL;
  }
  release(request);
  *request = renewed;
  memcpy(request->id, id, length);
  request->id[length] = '\0';
  return 1;
}

struct request_limits *sora_request_limits(struct request *request) {
  return &request->limits;
}

int sora_request_set_settings(struct request *request, const struct settings *settings) {
  request->settings = sora_settings_new(settings);
  return request->settings != NULL;
}

void sora_request_set_headers(struct request *request, struct headers *headers) {
  request->headers = sora_headers_share(headers);
}

const char *sora_request_set_query(struct request *request, const struct base_url *base,
                                   const char *path) {
  if (request->url != NULL)
    return NULL; /* it was renewed, for the same task */
  request->relay_length = strlen(base->prefix);
  request->path = base->path;
  request->loopback = base->loopback;
  request->plain = base->plain;
  return sora_url_of_task(base, path, request->id, request->id_length, &request->url);
}

void sora_request_refuse(struct request *request, enum error_kind kind, const char *message) {
  sora_outcome_set(&request->outcome, kind, message);
}

/* ---- the end ---- */

void sora_request_fail(struct request *request, enum error_kind kind, const char *message) {
  sora_outcome_set(&request->outcome, kind, message);
  request->outcome.status = 0;
  request->outcome.retry_after = -1;
}

void sora_request_forget(struct request *request) {
  memset(&request->attempt.answer, 0, sizeof request->attempt.answer);
  sora_buffer_free(&request->body);
  sora_headers_release(&request->headers);
  sora_fetch_forget(request);
  sora_settings_release(&request->settings);
}

/* ---- reading ---- */

int sora_request_has_ended(const struct request *request) {
  return request->place.state == REQUEST_ENDED;
}

const char *sora_request_state(const struct request *request) {
  static const char *const words[] = {"new", "queued", "running", "paused", "ended"};
  return words[request->place.state];
}

struct client *sora_request_client(const struct request *request) {
  return request->place.client;
}

int sora_request_tag(const struct request *request) {
  return request->tag;
}

void sora_request_set_tag(struct request *request, int tag) {
  request->tag = tag;
}

void sora_request_result(const struct request *request, struct request_result *result) {
  const struct outcome *outcome = &request->outcome;
  *result = (struct request_result){
      .kind = outcome->kind,
      .message = outcome->message,
      .retryable = outcome->retryable,
      .status = outcome->status,
      .retry_after = outcome->retry_after,
      .attempts = request->attempts,
      .id = request->id,
      .id_length = request->id_length,
      .relay = request->url,
      .relay_length = request->url != NULL ? request->relay_length : 0,
      .body = request->body.length > 0 ? request->body.data : NULL,
      .body_length = request->body.length,
      .request_id = request->attempt.answer.request_id,
      .secrets = {request->headers, request->settings},
      .max_depth = request->limits.max_depth,
      .max_body = request->limits.max_body,
      .download = request->fetch.part != NULL,
      .again = request->fetch.state == FETCH_AGAIN,
      .refused = request->fetch.state == FETCH_REFUSED,
      .content = request->fetch.content,
      .redirect = request->fetch.redirect,
      .call = request->sending.active,
      .sent = request->sending.sent,
      .method = request->sending.active ? request->sending.method : "GET",
      .url = request->url,
  };
}

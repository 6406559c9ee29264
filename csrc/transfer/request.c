#include "transfer/request.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "transfer/backoff.h"
#include "transfer/libcurl.h"
#include "transfer/process.h"
#include "transfer/text.h"

static const double LONGEST_RETRY_AFTER = 120; /* a longer one is the caller's to wait for */

enum {
  MOST_HEAD = 256 * 1024, /* bytes of an answer's headers */
  HELD_FROM = 16 * 1024,  /* bytes of an answer: before, libcurl holds nothing back */
  MOST_REDIRECTS = 5,
  DOWNLOAD_BUFFER = 128 * 1024 /* libcurl's, for a download */
};

/* ---- putting one together ---- */

struct request *sora_request_make(const char *id, size_t length) {
  struct request *request = calloc(1, sizeof *request + length + 1);
  if (request == NULL)
    return NULL;
  request->fetch.sink.fd = -1;
  request->fetch.total = -1;
  request->outcome.retry_after = -1;
  request->id_length = length;
  memcpy(request->id, id, length);
  return request;
}

void sora_request_destroy(struct request *request) {
  sora_sink_close(&request->fetch.sink);
  sora_request_forget(request);
  sora_wipe_text(&request->url);
  if (request->own != NULL)
    sora_settings_free(request->own);
  free(request->own);
  free(request);
}

struct request_limits *sora_request_limits(struct request *request) {
  return &request->limits;
}

int sora_request_set_settings(struct request *request, const struct settings *settings) {
  request->own = calloc(1, sizeof *request->own);
  return request->own != NULL && sora_settings_copy(request->own, settings);
}

void sora_request_set_headers(struct request *request, struct headers *headers) {
  request->headers = sora_headers_share(headers);
}

const char *sora_request_set_query(struct request *request, const struct base_url *base,
                                   const char *path) {
  request->relay_length = strlen(base->prefix);
  request->loopback = base->loopback;
  request->plain = base->plain;
  return sora_url_of_task(base, path, request->id, request->id_length, &request->url);
}

int sora_request_set_fetch(struct request *request, const struct fetch_file *file) {
  struct fetch *fetch = &request->fetch;
  fetch->active = request->place.video = 1;
  request->limits.retries = 0;
  request->url = sora_copy_text(file->url);
  request->loopback = sora_url_is_loopback(file->url);
  request->plain = sora_starts_with(file->url, "http:");
  request->headers = sora_headers_new();
  if (file->validator != NULL && strlen(file->validator) < sizeof fetch->validator)
    strcpy(fetch->validator, file->validator);
  /* none of the caller's: the video's host is not the service */
  if (request->url == NULL || request->headers == NULL ||
      !sora_headers_add(request->headers, "Accept", "*/*") ||
      (fetch->validator[0] != '\0' &&
       !sora_headers_add(request->headers, "If-Range", fetch->validator)))
    return 0;
  if (!sora_sink_open(&fetch->sink, file->path, file->offset))
    sora_request_refuse(request, ERROR_io,
                        fetch->sink.failure == EWOULDBLOCK ? "another download is writing this file"
                                                           : strerror(fetch->sink.failure));
  return 1;
}

void sora_request_refuse(struct request *request, enum error_kind kind, const char *message) {
  sora_outcome_set(&request->outcome, kind, message);
}

/* ---- callbacks of libcurl: no Lua here ---- */

struct connection *sora_request_connection(const struct request *request) {
  const struct host *host = request->place.host;
  return sora_connections_get(host->connections, request->attempt.connection);
}

static void note_progress(struct request *request, size_t size) {
  struct attempt *attempt = &request->attempt;
  struct connection *connection = sora_request_connection(request);
  attempt->came += size;
  if (connection == NULL)
    return;
  connection->progress++;
  if (attempt->came >= HELD_FROM && attempt->answer.version == 2 && sora_libcurl_holds_back())
    connection->held = 1;
}

/* The connection is there, and the request is about to be sent on it; it is sent again, on another
   one, where libcurl tries once more by itself. */
static void note_sent(struct request *request, int local_port, int ipv6) {
  struct attempt *attempt = &request->attempt;
  struct host *host = request->place.host;
  struct connection *before = sora_request_connection(request);
  struct connection *now = sora_connections_find(host->connections, host, local_port, ipv6);
  if (before != NULL)
    before->live--;
  if (now != NULL)
    now->live++;
  attempt->connection = now == NULL ? 0 : now->serial;
  attempt->progress = now == NULL ? 0 : now->progress;
  attempt->times.sent = sora_now();
  sora_host_sent(host, now, attempt->sent++ > 0, attempt->opened);
}

#if LIBCURL_VERSION_NUM >= 0x075000
static int on_sent(void *argument, char *address, char *local, int port, int local_port) {
  (void)address, (void)port;
  note_sent(argument, local_port, strchr(local, ':') != NULL);
  return CURL_PREREQFUNC_OK;
}
#endif

void sora_request_find_sent(struct request *request) {
  CURL *easy = request->attempt.handle->easy;
  curl_off_t ready = 0;
  long port = 0;
  char *address = NULL;
  if (request->attempt.sent > 0)
    return;
  curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &ready);
  if (ready == 0)
    return;
  curl_easy_getinfo(easy, CURLINFO_LOCAL_PORT, &port);
  curl_easy_getinfo(easy, CURLINFO_LOCAL_IP, &address);
  note_sent(request, (int)port, address != NULL && strchr(address, ':') != NULL);
}

static size_t on_header(char *line, size_t size, size_t count, void *argument) {
  struct request *request = argument;
  struct attempt *attempt = &request->attempt;
  size *= count;
  if (attempt->head == 0) {
    attempt->times.first_byte = sora_now();
    sora_request_find_sent(request);
  }
  attempt->head += size;
  note_progress(request, size);
  if (attempt->head > MOST_HEAD) {
    sora_request_refuse(request, ERROR_too_large, "the answer's headers have no end");
    return !size;
  }
  int version = attempt->answer.version;
  sora_answer_header(&attempt->answer, line, size);
  if (attempt->answer.version != version)
    sora_host_heard(request->place.host, attempt->answer.version);
  return size;
}

static int take_answer(struct request *request, const char *bytes, size_t size) {
  char message[64];
  if (size > (size_t)request->limits.max_body - request->body.length) {
    snprintf(message, sizeof message, "the answer is larger than max_body, %ld bytes",
             request->limits.max_body);
    sora_request_refuse(request, ERROR_too_large, message);
    return 0;
  }
  if (sora_buffer_append(&request->body, bytes, size))
    return 1;
  sora_request_refuse(request, ERROR_memory, "not enough memory");
  return 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *argument) {
  struct request *request = argument;
  size *= count;
  note_progress(request, size);
  if (request->fetch.active ? sora_fetch_take(request, bytes, size)
                            : take_answer(request, bytes, size))
    return size;
  /* What has come of the rest counts against an HTTP/2 connection's window for good: after a few
     such answers it would stand still. So the connection ends with those that it serves now. */
  curl_easy_setopt(request->attempt.handle->easy, CURLOPT_FORBID_REUSE, 1L);
  return !size; /* anything but `size` ends the transfer */
}

/* ---- an attempt ---- */

static long milliseconds(double seconds) {
  double rounded = ceil(seconds * 1000);
  if (rounded < 1)
    return 1;
  return rounded > 2147483647.0 ? 2147483647L : (long)rounded;
}

#define SET(option, value) (failed |= curl_easy_setopt(easy, option, value) != CURLE_OK)

static int set_fetch(const struct request *request, CURL *easy) {
  char range[32];
  double patience = ceil(request->limits.request_timeout);
  int failed = 0;
  SET(CURLOPT_ACCEPT_ENCODING, NULL);
  SET(CURLOPT_BUFFERSIZE, (long)DOWNLOAD_BUFFER);
  SET(CURLOPT_PATH_AS_IS, 1L);
  SET(CURLOPT_FOLLOWLOCATION, 1L);
  SET(CURLOPT_MAXREDIRS, (long)MOST_REDIRECTS);
#if LIBCURL_VERSION_NUM >= 0x075500
  SET(CURLOPT_PROTOCOLS_STR, "http,https");
  SET(CURLOPT_REDIR_PROTOCOLS_STR, request->plain ? "http,https" : "https");
#else
  SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
  SET(CURLOPT_REDIR_PROTOCOLS,
      (long)(request->plain ? CURLPROTO_HTTP | CURLPROTO_HTTPS : CURLPROTO_HTTPS));
#endif
  /* no limit for the whole: only a transfer that stands still is given up */
  SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
  SET(CURLOPT_LOW_SPEED_TIME, patience < 1e6 ? (long)patience : 1000000L);
  if (request->fetch.sink.offset > 0) {
    snprintf(range, sizeof range, "%lld-", request->fetch.sink.offset);
    SET(CURLOPT_RANGE, range);
  }
  return !failed;
}

static int set_request(struct request *request, CURL *easy) {
  int failed = 0;
  SET(CURLOPT_URL, request->url);
  SET(CURLOPT_HTTPHEADER, sora_headers_list(request->headers));
  SET(CURLOPT_WRITEFUNCTION, on_body);
  SET(CURLOPT_WRITEDATA, request);
  SET(CURLOPT_HEADERFUNCTION, on_header);
  SET(CURLOPT_HEADERDATA, request);
#if LIBCURL_VERSION_NUM >= 0x075000
  SET(CURLOPT_PREREQFUNCTION, on_sent);
  SET(CURLOPT_PREREQDATA, request);
#endif
  SET(CURLOPT_PRIVATE, request);
  SET(CURLOPT_FORBID_REUSE, 0L);
  SET(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request->limits.connect_timeout));
  if (request->fetch.active)
    failed |= !set_fetch(request, easy);
  return !failed;
}

#undef SET

int sora_request_begin(struct request *request, struct handle *handle, double now) {
  struct attempt *attempt = &request->attempt;
  double queued = attempt->times.queued;
  memset(attempt, 0, sizeof *attempt);
  attempt->handle = handle;
  attempt->times.queued = queued;
  attempt->times.started = now;
  sora_buffer_clear(&request->body);
  request->outcome.kind = ERROR_NONE;
  request->outcome.status = 0;
  handle->error[0] = '\0';
  return set_request(request, handle->easy);
}

/* What libcurl has measured, where somebody wants to know. */
static void read_times(struct request *request, double now) {
  struct attempt_times *times = &request->attempt.times;
  CURL *easy = request->attempt.handle->easy;
  curl_off_t lookup = 0, connect = 0, handshake = 0;
  times->ended = now;
  times->bytes = (long)request->attempt.came;
  times->version = request->attempt.answer.version;
  times->reused = request->attempt.sent > 0 && !request->attempt.opened;
  if (!request->observed)
    return;
  curl_easy_getinfo(easy, CURLINFO_NAMELOOKUP_TIME_T, &lookup);
  curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connect);
  curl_easy_getinfo(easy, CURLINFO_APPCONNECT_TIME_T, &handshake);
  times->lookup = (double)lookup / 1e6;
  times->connect = connect > lookup ? (double)(connect - lookup) / 1e6 : 0;
  times->handshake = handshake > connect ? (double)(handshake - connect) / 1e6 : 0;
}

static void judge(struct request *request, CURLcode code) {
  struct outcome *outcome = &request->outcome;
  const struct handle *handle = request->attempt.handle;
  long proxy_status = 0;
  curl_easy_getinfo(handle->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
  sora_outcome_judge(outcome, code, handle->error, outcome->status == 0 ? proxy_status : 0);
  if (request->attempt.failure != 0 && outcome->kind == ERROR_connect)
    snprintf(outcome->message, sizeof outcome->message, "no socket: %s",
             strerror(request->attempt.failure));
  if (code == CURLE_UNSUPPORTED_PROTOCOL && request->fetch.active)
    sora_outcome_set(outcome, ERROR_http, handle->error);
  /* this is what libcurl says of a line that is longer than the 100 KiB it would keep, too */
  if (code == CURLE_OUT_OF_MEMORY && outcome->status != 0 && request->body.length == 0 &&
      request->fetch.sink.received == 0)
    sora_outcome_set(outcome, ERROR_too_large,
                     "a header of the answer is too long, or memory is short");
}

static void note_outcome(struct request *request, CURLcode code) {
  struct outcome *outcome = &request->outcome;
  const struct attempt *attempt = &request->attempt;
  outcome->status = 0;
  if (attempt->head > 0) /* else it is what an answer before had */
    curl_easy_getinfo(attempt->handle->easy, CURLINFO_RESPONSE_CODE, &outcome->status);
  outcome->retry_after = sora_retry_after(&attempt->answer, (long long)time(NULL));
  if (outcome->kind != ERROR_NONE) { /* a callback refused the answer */
    outcome->retryable = outcome->kind == ERROR_network;
  } else if (code != CURLE_OK) {
    judge(request, code);
  } else {
    outcome->retryable = sora_status_passes(outcome->status);
    if (request->fetch.active && outcome->status == 200 && request->fetch.sink.received == 0 &&
        !attempt->answer.text)
      sora_fetch_accept(request, 200);
  }
}

/* The pause before the next attempt in seconds, or below 0 when there is to be none. */
static double pause_before_next(const struct request *request, double now) {
  const struct outcome *outcome = &request->outcome;
  if (!outcome->retryable || request->attempts > request->limits.retries ||
      outcome->retry_after > LONGEST_RETRY_AFTER)
    return -1;
  double pause =
      outcome->retry_after >= 0 ? outcome->retry_after : sora_backoff(request->attempts - 1);
  return request->limits.deadline != 0 && now + pause >= request->limits.deadline ? -1 : pause;
}

double sora_request_attempt_over(struct request *request, CURLcode code, double now) {
  note_outcome(request, code);
  read_times(request, now);
  return pause_before_next(request, now);
}

double sora_request_look_at(const struct request *request, double since) {
  const struct request_limits *limits = &request->limits;
  /* a download may take its time: see CURLOPT_LOW_SPEED_TIME */
  double due = request->fetch.active ? INFINITY : since + limits->request_timeout;
  return limits->deadline != 0 && limits->deadline < due ? limits->deadline : due;
}

/* An attempt that was not sent is bounded by libcurl's time to connect. */
int sora_request_is_late(struct request *request, double now, double *due) {
  const struct request_limits *limits = &request->limits;
  const struct attempt_times *times = &request->attempt.times;
  char *said = request->attempt.handle->error;
  *due = sora_request_look_at(request, times->sent != 0 ? times->sent
                                                        : times->started + limits->connect_timeout);
  if (*due > now)
    return 0;
  if (limits->deadline != 0 && limits->deadline <= now)
    snprintf(said, CURL_ERROR_SIZE, "no answer within the timeout");
  else
    snprintf(said, CURL_ERROR_SIZE, "no %s within %g seconds",
             times->sent != 0 ? "answer" : "connection", limits->request_timeout);
  return 1;
}

int sora_request_spoils_connection(const struct request *request, CURLcode code) {
  const struct connection *connection = sora_request_connection(request);
  if (connection == NULL)
    return 0;
  if (code == CURLE_OPERATION_TIMEDOUT)
    return connection->progress == request->attempt.progress;
  return code == CURLE_HTTP2 || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR;
}

/* ---- the end ---- */

static int brings_video(const struct request *request) {
  long status = request->outcome.status;
  return (status == 200 || status == 206) && !request->attempt.answer.text;
}

void sora_request_finish(struct request *request) {
  struct sink *sink = &request->fetch.sink;
  if (sink->fd < 0)
    return;
  long long modified = (long long)curl_getdate(request->attempt.answer.last_modified, NULL);
  /* the time of the part is the validator with which a later call goes on: see download.lua */
  if (sink->received > 0 && !sora_sink_sync(sink, modified) && request->outcome.kind == ERROR_NONE)
    sora_request_refuse(request, ERROR_io, strerror(sink->failure));
  if (request->outcome.kind != ERROR_NONE || !brings_video(request))
    sora_sink_close(sink);
}

void sora_request_fail(struct request *request, enum error_kind kind, const char *message) {
  sora_outcome_set(&request->outcome, kind, message);
  request->outcome.status = 0;
  request->outcome.retry_after = -1;
}

void sora_request_forget(struct request *request) {
  memset(&request->attempt.answer, 0, sizeof request->attempt.answer);
  sora_buffer_free(&request->body);
  sora_headers_release(&request->headers);
}

void sora_request_close_file(struct request *request) {
  sora_sink_close(&request->fetch.sink);
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
      .html = request->attempt.answer.html,
      .headers = request->headers,
      .max_depth = request->limits.max_depth,
      .max_body = request->limits.max_body,
      .download = request->fetch.active,
      .is_video = brings_video(request),
  };
}

void sora_request_progress(const struct request *request, struct fetch_progress *progress) {
  const struct fetch *fetch = &request->fetch;
  *progress = (struct fetch_progress){
      .offset = fetch->sink.offset,
      .received = fetch->sink.received,
      .total = fetch->total,
      .etag = request->attempt.answer.etag,
      .last_modified = request->attempt.answer.last_modified,
  };
}

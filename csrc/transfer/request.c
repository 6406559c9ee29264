#include "transfer/request.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static const double FIRST_PAUSE = 0.5, LONGEST_PAUSE = 8; /* seconds between attempts */
static const double LONGEST_RETRY_AFTER = 120; /* a longer one is the caller's to wait for */

enum {
  MOST_HEAD = 256 * 1024, /* bytes of an answer's headers */
  ERROR_PAGE = 4 * 1024   /* what is kept of the answer when a download is refused */
};

/* ---- callbacks of libcurl: no Lua here ---- */

int sora_request_refuse(struct request *request, enum error_kind kind, const char *message) {
  request->kind = kind;
  snprintf(request->message, sizeof request->message, "%s", message);
  return 0;
}

static int on_query_body(struct request *request, const char *bytes, size_t size) {
  if (size > (size_t)request->max_body - request->body.length) {
    char message[64];
    snprintf(message, sizeof message, "the answer is larger than max_body, %ld bytes",
             request->max_body);
    return sora_request_refuse(request, ERROR_too_large, message);
  }
  return sora_buffer_append(&request->body, bytes, size) ||
         sora_request_refuse(request, ERROR_memory, "not enough memory");
}

int sora_request_brings_video(const struct request *request, long status) {
  return (status == 200 || status == 206) && !request->answer.text;
}

/* Whether the answer is the part that was asked for (RFC 9110, 14.4) and, as far as it says, of the
   video that the earlier part is of: a server may not know If-Range. Learns the size of the whole.
 */
static int range_fits(struct request *request) {
  const char *before = request->validator;
  const char *after = *before == '"' ? request->answer.etag : request->answer.last_modified;
  if (*before != '\0' && *after != '\0' && strcmp(before, after) != 0)
    return 0;
  long long first = -1, last = -1, total = -1;
  if (sscanf(request->answer.content_range, "bytes %lld-%lld/%lld", &first, &last, &total) < 2)
    return 0;
  request->total = total;
  return first == request->sink.offset;
}

/* Decides, before the first byte is written, what the body is. */
static int accept_body(struct request *request, long status) {
  struct sink *sink = &request->sink;
  curl_off_t length = -1;
  if (status == 206)
    return range_fits(request) ||
           sora_request_refuse(request, ERROR_http, "the server sent another range");
  curl_easy_getinfo(request->handle->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  request->total = length;
  return sink->offset == 0 || sora_sink_restart(sink) ||
         sora_request_refuse(request, ERROR_io, strerror(sink->failure));
}

static int on_download_body(struct request *request, const char *bytes, size_t size) {
  long status = 0;
  curl_easy_getinfo(request->handle->easy, CURLINFO_RESPONSE_CODE, &status);
  if (!sora_request_brings_video(request, status)) {
    size_t room = ERROR_PAGE - request->body.length;
    return sora_buffer_append(&request->body, bytes, size < room ? size : room) ||
           sora_request_refuse(request, ERROR_memory, "not enough memory");
  }
  if (request->sink.received == 0 && !accept_body(request, status))
    return 0;
  return sora_sink_write(&request->sink, bytes, size) ||
         sora_request_refuse(request, ERROR_io, strerror(request->sink.failure));
}

size_t sora_request_on_body(char *bytes, size_t size, size_t count, void *argument) {
  struct request *request = argument;
  size *= count;
  int taken = request->download ? on_download_body(request, bytes, size)
                                : on_query_body(request, bytes, size);
  if (taken)
    return size;
  /* What has come of the rest counts against an HTTP/2 connection's window for good: after a few
     such answers it would stand still. So the connection ends with those that it serves now. */
  curl_easy_setopt(request->handle->easy, CURLOPT_FORBID_REUSE, 1L);
  return !size; /* anything but `size` ends the transfer */
}

size_t sora_request_on_header(char *line, size_t size, size_t count, void *argument) {
  struct request *request = argument;
  size *= count;
  request->head += size;
  if (request->head > MOST_HEAD)
    return sora_request_refuse(request, ERROR_too_large, "the answer's headers have no end"), !size;
  sora_answer_header(&request->answer, line, size);
  return size;
}

/* CURLOPT_PREREQFUNCTION: the connection is there, the request is about to be sent on it. */
int sora_request_on_connection(void *argument, char *address, char *local, int port,
                               int local_port) {
  struct request *request = argument;
  (void)address, (void)local, (void)port;
  request->began = sora_now();
  request->local_port = local_port;
  request->answers = request->client->answers;
  return 0; /* CURL_PREREQFUNC_OK */
}

/* ---- the outcome of an attempt ---- */

static void classify(struct request *request, CURLcode code) {
  static const struct {
    CURLcode code;
    enum error_kind kind;
    int retryable;
  } kinds[] = {
      {CURLE_COULDNT_RESOLVE_HOST, ERROR_dns, 1},
      {CURLE_COULDNT_RESOLVE_PROXY, ERROR_dns, 1},
      {CURLE_COULDNT_CONNECT, ERROR_connect, 1},
      {CURLE_OPERATION_TIMEDOUT, ERROR_timeout, 1},
      {CURLE_OUT_OF_MEMORY, ERROR_memory, 0},
      {CURLE_SSL_CONNECT_ERROR, ERROR_tls,
       1}, /* a handshake that was cut; what follows is a verdict */
      {CURLE_PEER_FAILED_VERIFICATION, ERROR_tls, 0},
      {CURLE_SSL_CACERT_BADFILE, ERROR_tls, 0},
      {CURLE_SSL_CERTPROBLEM, ERROR_tls, 0},
      {CURLE_SSL_CIPHER, ERROR_tls, 0},
      {CURLE_SSL_ENGINE_NOTFOUND, ERROR_tls, 0},
      {CURLE_SSL_ISSUER_ERROR, ERROR_tls, 0},
      {CURLE_SSL_INVALIDCERTSTATUS, ERROR_tls, 0},
      {CURLE_TOO_MANY_REDIRECTS, ERROR_http, 0},
      {CURLE_UNSUPPORTED_PROTOCOL, ERROR_http, 0},
      {CURLE_URL_MALFORMAT, ERROR_http, 0},
  };
  request->kind = ERROR_network;
  request->retryable = 1;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (kinds[i].code == code) {
      request->kind = kinds[i].kind;
      request->retryable = kinds[i].retryable;
    }
  }
  if (code == CURLE_UNSUPPORTED_PROTOCOL && !request->download) { /* no HTTP: garbage on the way */
    request->kind = ERROR_network;
    request->retryable = 1;
  }
  const char *said = request->handle->error;
  snprintf(request->message, sizeof request->message, "%s",
           *said ? said : curl_easy_strerror(code));
}

/* wire-format: 408 425 429, 500 502 503 504, 520 to 527 */
static int status_is_passing(long status) {
  return status == 408 || status == 425 || status == 429 || status == 500 ||
         (status >= 502 && status <= 504) || (status >= 520 && status <= 527);
}

static void note_outcome(struct request *request, CURLcode code) {
  CURL *easy = request->handle->easy;
  request->status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &request->status);
  request->client->answers += request->status != 0;
  request->retry_after = sora_retry_after(&request->answer, time(NULL));
  if (request->kind != ERROR_NONE) { /* a callback refused the body */
    request->retryable = request->kind == ERROR_network;
  } else if (code != CURLE_OK) {
    classify(request, code);
    request->client->worn |= code == CURLE_OUT_OF_MEMORY;
    /* this is what libcurl says of a line that is longer than the 100 KiB it would keep, too */
    if (code == CURLE_OUT_OF_MEMORY && request->status != 0 && request->body.length == 0 &&
        request->sink.received == 0)
      sora_request_refuse(request, ERROR_too_large,
                          "a header of the answer is too long, or memory is short");
  } else {
    request->retryable = status_is_passing(request->status);
    if (request->download && request->status == 200 && request->sink.received == 0 &&
        !request->answer.text)
      accept_body(request, 200);
  }
}

/* The pause before the next attempt in seconds, or below 0 when there is to be none. */
static double pause_before_next(struct request *request) {
  if (!request->retryable || request->attempts > request->retries)
    return -1;
  double pause = request->retry_after;
  if (pause > LONGEST_RETRY_AFTER)
    return -1;
  if (pause < 0) {
    pause = FIRST_PAUSE * pow(2, request->attempts - 1);
    pause = (pause < LONGEST_PAUSE ? pause : LONGEST_PAUSE) *
            (1 - 0.25 * sora_client_random(request->client));
  }
  return request->deadline != 0 && sora_now() + pause >= request->deadline ? -1 : pause;
}

/* ---- attempts ---- */

static void end(struct request *request) {
  struct client *client = request->client;
  sora_timers_remove(&client->timers, &request->timer);
  if (request->handle != NULL)
    sora_handle_release(client, request->handle);
  request->handle = NULL;
  if (request->download && request->sink.fd >= 0) {
    long long modified = (long long)curl_getdate(request->answer.last_modified, NULL);
    /* the time of the part is the validator with which a later call goes on: see download.lua */
    if (request->sink.received > 0 && !sora_sink_sync(&request->sink, modified) &&
        request->kind == ERROR_NONE)
      sora_request_refuse(request, ERROR_io, strerror(request->sink.failure));
    /* a whole video stays locked until it has its own name */
    if (request->kind != ERROR_NONE || !sora_request_brings_video(request, request->status))
      sora_sink_close(&request->sink);
  }
  sora_list_remove(&client->live, request);
  client->counts.in_flight--;
  request->state = REQUEST_ENDED;
  request->queued = 1;
  sora_list_append(&client->finished, request);
}

static void end_without_memory(struct request *request) {
  request->client->worn = 1;
  sora_request_refuse(request, ERROR_memory, "not enough memory");
  request->retryable = 0;
  end(request);
}

static long milliseconds(double seconds) {
  double rounded = ceil(seconds * 1000);
  return rounded > 2147483647.0 ? 2147483647L : rounded < 1 ? 1L : (long)rounded;
}

/* Sets the timer for `limit` seconds from `since`, or for the deadline of all attempts where that
   is earlier. Returns 0 without memory. */
static int look_after(struct request *request, double since, double limit) {
  double due = since + limit;
  if (request->began == 0)
    request->answers = request->client->answers;
  if (request->deadline != 0 && request->deadline < due)
    due = request->deadline;
  return isinf(due) || sora_timers_add(&request->client->timers, &request->timer, due);
}

static void start_attempt(struct request *request) {
  struct client *client = request->client;
  CURL *easy = request->handle->easy;
  memset(&request->answer, 0, sizeof request->answer);
  request->body.length = request->head = 0;
  request->kind = ERROR_NONE;
  request->handle->error[0] = '\0';
  /* without CURLOPT_PREREQFUNCTION the time in the queue counts */
  request->began = LIBCURL_VERSION_NUM >= 0x075000 ? 0 : sora_now();
  request->answers = client->answers;
  request->attempts++;
  client->counts.attempts++;
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 0L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request->connect_timeout));
  /* a download may take its time: see CURLOPT_LOW_SPEED_TIME */
  double limit = request->download ? INFINITY : request->request_timeout;
  if (look_after(request, sora_now(), limit) &&
      curl_multi_add_handle(client->multi, easy) == CURLM_OK)
    request->state = REQUEST_RUNNING;
  else
    end_without_memory(request);
}

void sora_request_attempt_ended(struct request *request, CURLcode code) {
  note_outcome(request, code);
  sora_timers_remove(&request->client->timers, &request->timer);
  curl_multi_remove_handle(request->client->multi, request->handle->easy);
  double pause = pause_before_next(request);
  if (pause < 0) {
    end(request);
    return;
  }
  request->state = REQUEST_PAUSED;
  if (!sora_timers_add(&request->client->timers, &request->timer, sora_now() + pause))
    end_without_memory(request);
}

/* Where nobody at all was answered meanwhile, the connection may be dead, and other requests on it
   with it; libcurl would go on using one of HTTP/2. */
static void time_out(struct request *request, double now) {
  if (request->began != 0 && request->answers == request->client->answers)
    sora_pollset_shut(&request->client->set, request->local_port);
  if (request->deadline != 0 && now >= request->deadline)
    snprintf(request->handle->error, CURL_ERROR_SIZE, "no answer within the timeout");
  else
    snprintf(request->handle->error, CURL_ERROR_SIZE, "%s within %g seconds",
             request->began != 0 ? "no answer" : "no connection", request->request_timeout);
  sora_request_attempt_ended(request, CURLE_OPERATION_TIMEDOUT);
}

/* request_timeout is for an attempt that has a connection. One that waits in libcurl's queue for a
   connection to become free goes on waiting as long as the server answers others. */
void sora_request_on_timer(struct timer *timer, double now) {
  struct request *request =
      (struct request *)(void *)((char *)timer - offsetof(struct request, timer));
  double since = request->began != 0                            ? request->began
                 : request->answers != request->client->answers ? now
                                                                : -INFINITY;
  if (request->state == REQUEST_PAUSED)
    start_attempt(request);
  else if ((request->deadline != 0 && now >= request->deadline) ||
           since + request->request_timeout <= now)
    time_out(request, now);
  else if (!look_after(request, since, request->request_timeout)) {
    curl_multi_remove_handle(request->client->multi, request->handle->easy);
    end_without_memory(request);
  }
}

void sora_request_forget(struct request *request) {
  memset(&request->answer, 0, sizeof request->answer);
  sora_buffer_free(&request->body);
  sora_headers_free(request->headers);
  request->headers = NULL;
}

static void set_outcome(struct request *request, enum error_kind kind, const char *why) {
  sora_request_refuse(request, kind, why);
  request->retryable = 0;
  request->status = 0;
  request->retry_after = -1;
}

void sora_request_void(struct request *request, const char *why) {
  if (request->kind != ERROR_cancelled)
    set_outcome(request, ERROR_cancelled, why);
  sora_request_forget(request);
  sora_sink_close(&request->sink);
}

/* Of a request that has ended the client may be gone already. */
static void stop(struct request *request, enum error_kind kind, const char *why) {
  if (request->state == REQUEST_NEW || request->state == REQUEST_ENDED)
    return;
  sora_client_enter(request->client); /* in a forked child, this ends it */
  if (request->state == REQUEST_RUNNING)
    curl_multi_remove_handle(request->client->multi, request->handle->easy);
  else if (request->state != REQUEST_PAUSED)
    return;
  set_outcome(request, kind, why);
  end(request);
  sora_request_forget(request);
}

void sora_request_cancel(struct request *request, const char *why) {
  stop(request, ERROR_cancelled, why);
}

void sora_request_out_of_memory(struct request *request) {
  stop(request, ERROR_memory, "not enough memory");
}

void sora_request_claim(struct request *request) {
  if (request->queued && request->client != NULL)
    sora_list_remove(&request->client->finished, request);
  request->queued = 0;
}

void sora_request_launch(struct request *request, struct client *client) {
  request->client = client;
  sora_list_append(&client->live, request);
  client->counts.requests++;
  client->counts.in_flight++;
  if (request->kind != ERROR_NONE)
    end(request);
  else if (request->handle == NULL)
    end_without_memory(request);
  else if (sora_client_may_start(client) ||
           !sora_timers_add(&client->timers, &request->timer, sora_now()))
    start_attempt(request);
  else
    request->state = REQUEST_PAUSED;
}

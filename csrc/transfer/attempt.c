#include "transfer/attempt.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "transfer/address.h"
#include "transfer/backoff.h"
#include "transfer/libcurl.h"
#include "transfer/request.h"

static const double LONGEST_RETRY_AFTER = 120; /* a longer one is the caller's to wait for */

enum {
  MOST_HEAD = 256 * 1024, /* bytes of an answer's headers */
  HELD_FROM = 16 * 1024   /* bytes of an answer: before, libcurl holds nothing back */
};

/* ---- callbacks of libcurl: no Lua here ---- */

struct connection *sora_attempt_connection(const struct request *request) {
  const struct host *host = request->place.host;
  return sora_connections_get(host->connections, request->attempt.connection);
}

static void note_progress(struct request *request, size_t size) {
  struct attempt *attempt = &request->attempt;
  struct connection *connection = sora_attempt_connection(request);
  attempt->came += size;
  if (connection == NULL)
    return;
  connection->progress++;
  if (attempt->came >= HELD_FROM && attempt->answer.version == 2 && sora_libcurl_holds_back())
    sora_connections_hold(request->place.host->connections, connection);
}

/* The request is about to be sent on a connection that stands. This is called again where libcurl
   tries once more by itself, on another connection. */
static void note_sent(struct request *request, int local_port, int ipv6) {
  struct attempt *attempt = &request->attempt;
  struct host *host = request->place.host;
  struct connection *before = sora_attempt_connection(request);
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
  const struct handle *handle = argument;
  struct request *request = handle->request;
  double deadline = request->limits.deadline;
  (void)address, (void)port;
  if (deadline != 0 && deadline <= sora_now()) { /* nobody has stepped the client for so long */
    sora_request_refuse(request, ERROR_timeout, "not sent within the timeout");
    return CURL_PREREQFUNC_ABORT;
  }
  note_sent(request, local_port, strchr(local, ':') != NULL);
  return CURL_PREREQFUNC_OK;
}
#endif

void sora_attempt_find_sent(struct request *request) {
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

/* The answer has begun, and with that what it says of its connection. */
static void note_version(const struct request *request) {
  struct connection *connection = sora_attempt_connection(request);
  if (connection != NULL)
    connection->version = request->attempt.answer.version;
  if (!request->sending.large)
    sora_host_heard(request->place.host, request->attempt.answer.version);
}

static size_t on_header(char *line, size_t size, size_t count, void *argument) {
  struct handle *handle = argument;
  struct request *request = handle->request;
  struct attempt *attempt = &request->attempt;
  size *= count;
  if (attempt->head == 0) {
    attempt->times.first_byte = sora_now();
    sora_attempt_find_sent(request);
  }
  attempt->head += size;
  note_progress(request, size);
  if (attempt->head > MOST_HEAD) {
    sora_request_refuse(request, ERROR_too_large, "the answer's headers have no end");
    return !size;
  }
  int version = attempt->answer.version;
  if (sora_answer_header(&attempt->answer, line, size, request->fetch.part != NULL))
    sora_handle_watch(handle);
  if (attempt->answer.version != version)
    note_version(request);
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
  struct handle *handle = argument;
  struct request *request = handle->request;
  size *= count;
  note_progress(request, size);
  if (request->fetch.part != NULL ? sora_fetch_take(request, bytes, size)
                                  : take_answer(request, bytes, size))
    return size;
  /* The bytes of this answer that still arrive are thrown away, and libcurl never tells the server
     that there is room again in the window of HTTP/2: after a few such answers the server could
     send nothing more on this connection. So no other request gets it, and it is closed when those
     that it serves now have ended. */
  curl_easy_setopt(handle->easy, CURLOPT_FORBID_REUSE, 1L);
  handle->shared = 0; /* it is not kept */
  return !size;       /* anything but `size` ends the transfer */
}

/* ---- its beginning ---- */

static long milliseconds(double seconds) {
  double rounded = ceil(seconds * 1000);
  if (rounded < 1)
    return 1;
  return rounded > 2147483647.0 ? 2147483647L : (long)rounded;
}

#define SET(option, value) (failed |= curl_easy_setopt(easy, option, value) != CURLE_OK)

/* What is the same for every request. */
static int set_callbacks(struct handle *handle) {
  CURL *easy = handle->easy;
  int failed = 0;
  SET(CURLOPT_WRITEFUNCTION, on_body);
  SET(CURLOPT_WRITEDATA, handle);
  SET(CURLOPT_HEADERFUNCTION, on_header);
  SET(CURLOPT_HEADERDATA, handle);
#if LIBCURL_VERSION_NUM >= 0x075000
  SET(CURLOPT_PREREQFUNCTION, on_sent);
  SET(CURLOPT_PREREQDATA, handle);
#endif
  SET(CURLOPT_PRIVATE, handle);
  return !failed;
}

static int set_request(struct request *request, struct handle *handle) {
  CURL *easy = handle->easy;
  const struct curl_slist *headers = sora_headers_list(request->headers);
  long connect_timeout = milliseconds(request->limits.connect_timeout);
  int failed =
      !sora_handle_aim(handle, request->settings, request->place.host, request->url, request->path);
  if (handle->headers != headers)
    SET(CURLOPT_HTTPHEADER, headers);
  handle->headers = headers;
  if (handle->connect_timeout != connect_timeout)
    SET(CURLOPT_CONNECTTIMEOUT_MS, connect_timeout);
  handle->connect_timeout = connect_timeout;
  if (request->fetch.part != NULL)
    failed |= !sora_fetch_set(request, easy);
  if (request->sending.active)
    failed |= !sora_sending_set(request, easy);
  return !failed;
}

#undef SET

/* Where a kept connection has died under the attempt before, others may have died with it. libcurl
   by itself tries five of them and gives up: so the next attempt has a new one. Over HTTP/2 many
   requests share one, and the next will do. */
static int wants_new_connection(const struct request *request) {
  return request->outcome.kind == ERROR_network && request->place.host->version == 1;
}

static int set_new_connection(struct handle *handle) {
  handle->shared = 0; /* it is not kept */
  return curl_easy_setopt(handle->easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK;
}

int sora_attempt_begin(struct request *request, struct handle *handle, double now) {
  struct attempt *attempt = &request->attempt;
  double queued = attempt->times.queued;
  int anew = wants_new_connection(request);
  memset(attempt, 0, sizeof *attempt);
  attempt->handle = handle;
  attempt->times.queued = queued;
  attempt->times.started = now;
  sora_buffer_clear(&request->body);
  request->outcome.kind = ERROR_NONE;
  request->outcome.status = 0;
  handle->error[0] = '\0';
  if (request->fetch.part != NULL)
    sora_fetch_begin(request);
  handle->request = request;
  return (handle->prepared || set_callbacks(handle)) && set_request(request, handle) &&
         (!anew || set_new_connection(handle));
}

/* ---- its end ---- */

static void judge(struct request *request, CURLcode code) {
  struct outcome *outcome = &request->outcome;
  const struct handle *handle = request->attempt.handle;
  long proxy_status = 0;
  curl_easy_getinfo(handle->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
  sora_outcome_judge(outcome, code, handle->error, outcome->status == 0 ? proxy_status : 0);
  if (request->attempt.failure != 0 && outcome->kind == ERROR_connect)
    snprintf(outcome->message, sizeof outcome->message, "no socket: %s",
             strerror(request->attempt.failure));
  if (request->fetch.refused[0] != '\0' && outcome->kind == ERROR_connect) {
    char message[160];
    snprintf(message, sizeof message, SORA_PRIVATE_ADDRESS, request->fetch.refused);
    sora_outcome_set(outcome, ERROR_connect, message);
  }
  /* libcurl says the same of a line that is longer than the 100 KiB that it keeps */
  if (code == CURLE_OUT_OF_MEMORY && outcome->status != 0 && request->body.length == 0)
    sora_outcome_set(outcome, ERROR_too_large,
                     "a header of the answer is too long, or memory is short");
}

static void note_outcome(struct request *request, CURLcode code) {
  struct outcome *outcome = &request->outcome;
  const struct attempt *attempt = &request->attempt;
  outcome->status = 0;
  if (attempt->head > 0) /* else libcurl still has the status of the attempt before */
    curl_easy_getinfo(attempt->handle->easy, CURLINFO_RESPONSE_CODE, &outcome->status);
  outcome->retry_after = sora_retry_after(&attempt->answer, (long long)time(NULL));
  if (request->fetch.part != NULL)
    sora_fetch_over(request, outcome->status, code == CURLE_OK && outcome->kind == ERROR_NONE);
  if (outcome->kind != ERROR_NONE) /* a callback refused the answer */
    outcome->retryable = outcome->kind == ERROR_network || outcome->kind == ERROR_timeout;
  else if (!sora_fetch_is_answered(request, code))
    judge(request, code);
  else
    outcome->retryable = sora_status_passes(outcome->status);
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

double sora_attempt_over(struct request *request, CURLcode code, double now) {
  note_outcome(request, code);
  return pause_before_next(request, now);
}

/* ---- while it runs ---- */

double sora_attempt_look_at(const struct request *request, double since) {
  const struct request_limits *limits = &request->limits;
  /* much to send or to fetch may take its time: see CURLOPT_LOW_SPEED_TIME */
  int large = request->fetch.part != NULL || request->sending.large;
  double due = large ? INFINITY : since + limits->request_timeout;
  return limits->deadline != 0 && limits->deadline < due ? limits->deadline : due;
}

/* An attempt that was not sent is bounded by libcurl's time to connect. */
int sora_attempt_is_late(struct request *request, double now, double *due) {
  const struct request_limits *limits = &request->limits;
  const struct attempt_times *times = &request->attempt.times;
  char *said = request->attempt.handle->error;
  *due = sora_attempt_look_at(request, times->sent != 0 ? times->sent
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

int sora_attempt_spoils_connection(const struct request *request, CURLcode code, double now) {
  const struct connection *connection = sora_attempt_connection(request);
  if (connection == NULL)
    return 0;
  if (code == CURLE_OPERATION_TIMEDOUT)
    return connection->progress == request->attempt.progress &&
           (connection->live <= 1 ||
            now - request->attempt.times.sent >= request->limits.request_timeout);
  return code == CURLE_HTTP2 || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR;
}

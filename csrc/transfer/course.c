#include <errno.h>
#include <math.h>
#include <string.h>

#include "transfer/client_parts.h"
#include "transfer/libcurl.h"

static const double KEPT_AFTER = 0.25; /* seconds that libcurl may have a request without a sign */

void sora_course_end(struct request *request) {
  struct client *client = request->place.client;
  sora_timers_remove(&client->timers, &request->place.timer);
  sora_places_remove(&request->place);
  client->counts.in_flight--;
  request->place.state = REQUEST_ENDED;
  sora_reports_unlist(request);
  sora_places_append(&client->ended, &request->place);
  client->news++;
}

void sora_course_end_without_memory(struct request *request) {
  request->place.client->short_of_memory = 1;
  sora_request_fail(request, ERROR_memory, "not enough memory");
  sora_course_end(request);
}

static void withdraw(struct request *request) {
  struct place *place = &request->place;
  sora_host_withdraw(place->host, place);
  place->client->queued--;
}

/* Takes the request's handle out of libcurl. */
static void leave_libcurl(struct request *request) {
  struct client *client = request->place.client;
  struct attempt *attempt = &request->attempt;
  struct connection *connection = sora_attempt_connection(request);
  if (connection != NULL && --connection->live == 0)
    connection->idle_since = sora_now();
  if (attempt->handle != NULL) { /* else the process was forked */
    struct sigpipe_guard guard = sora_libcurl_enter();
    sora_sending_note(request);
    curl_multi_remove_handle(client->multi, attempt->handle->easy);
    sora_sending_end(request);
    sora_handle_give_back(&client->handles, attempt->handle, attempt->sent);
    sora_libcurl_leave(&guard);
  }
  attempt->handle = NULL;
  sora_host_left(request->place.host, &request->place, attempt->sent > 0, attempt->opened);
  if (attempt->opened && attempt->sent == 0)
    sora_connections_prune(&client->connections);
}

/* Has the request looked after at `due` (0, infinite: never). Returns 0, having ended it, when
 * memory is short. */
static int set_timer(struct request *request, double due) {
  struct client *client = request->place.client;
  sora_timers_remove(&client->timers, &request->place.timer);
  if (due == 0 || isinf(due) || sora_timers_add(&client->timers, &request->place.timer, due))
    return 1;
  if (request->place.state == REQUEST_RUNNING)
    leave_libcurl(request);
  sora_course_end_without_memory(request);
  return 0;
}

void sora_course_enqueue(struct request *request, int in_front) {
  struct place *place = &request->place;
  if (!set_timer(request, request->limits.deadline))
    return;
  place->state = REQUEST_QUEUED;
  request->attempt.times.queued = sora_now();
  sora_host_enqueue(place->host, place, in_front);
  place->client->queued++;
}

static void fail_queued(struct request *request) {
  sora_request_fail(request, ERROR_timeout,
                    "no connection was free within the timeout: the request was still queued");
  request->outcome.retryable = 1;
  sora_course_end(request);
}

static void fail_to_start(struct request *request, int failure) {
  if (failure != EMFILE && failure != ENFILE) {
    sora_course_end_without_memory(request);
    return;
  }
  sora_request_fail(request, ERROR_connect, strerror(failure));
  sora_course_end(request);
}

static void begin(struct request *request) {
  struct client *client = request->place.client;
  int shared = request->settings == client->settings && request->fetch.part == NULL &&
               !request->sending.active;
  double now = sora_now(), deadline = request->limits.deadline;
  withdraw(request);
  if (deadline != 0 && deadline <= now) {
    fail_queued(request);
    return;
  }
  errno = 0;
  if (!sora_multi_ready(client)) {
    fail_to_start(request, errno);
    return;
  }
  struct handle *handle =
      sora_handle_take(&client->handles, request->settings, shared, client->share);
  if (handle == NULL || !sora_reports_prepare(request) ||
      !sora_attempt_begin(request, handle, now) ||
      !(handle->prepared || sora_multi_set_sockets(client, handle)) ||
      curl_multi_add_handle(client->multi, handle->easy) != CURLM_OK) {
    if (handle != NULL) {
      sora_sending_end(request);
      handle->shared = 0;
      sora_handle_give_back(&client->handles, handle, 0);
    }
    request->attempt.handle = NULL;
    sora_course_end_without_memory(request);
    return;
  }
  handle->prepared = 1;
  request->attempts++;
  client->counts.attempts++;
  request->place.state = REQUEST_RUNNING;
  sora_host_began(request->place.host, &request->place);
  set_timer(request, sora_attempt_look_at(request, now));
}

/* Before the host's idle connections are used, by a request that `starts` or, where one of them was
   lost, by one that libcurl sends again: of HTTP/2 libcurl itself reads the end, and more than the
   end may lie there. */
static void look_at_idle(struct client *client, struct host *host, int starts) {
  if (host->version >= 2 || !(starts || (host->look_at == 0 && host->live > 0)))
    return;
  double now = sora_now();
  if (now >= host->look_at)
    host->look_at = sora_connections_drain_closed(&client->connections, host, now);
}

/* Hands on what may start; how many streams a connection takes follows what is live. */
void sora_course_start_waiting(struct client *client) {
  int streams = 0;
  for (struct host *host = client->hosts; host != NULL; host = host->next) {
    struct place *place;
    look_at_idle(client, host, client->queued > 0 && sora_host_next(host) != NULL);
    while (client->queued > 0 && client->started < STARTS_PER_STEP &&
           (place = sora_host_next(host)) != NULL) {
      client->started++;
      begin(sora_request_at(place));
    }
    int wanted = sora_host_streams(host);
    streams = host->live > 0 && wanted > streams ? wanted : streams;
    if (client->kept_due == 0 && sora_host_is_kept_waiting(host))
      client->kept_due = sora_now() + KEPT_AFTER;
  }
  if (streams > 0 && client->multi != NULL && streams != client->streams &&
      curl_multi_setopt(client->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)streams) == CURLM_OK)
    client->streams = streams;
}

/* What libcurl keeps to itself comes back, not counted as an attempt: a server allows fewer streams
   than were believed. */
static void take_back(struct request *request) {
  sora_timers_remove(&request->place.client->timers, &request->place.timer);
  sora_host_is_full(request->place.host);
  leave_libcurl(request);
  request->kept++;
  request->attempts--;
  request->place.client->counts.attempts--;
  double queued = request->attempt.times.queued;
  sora_course_enqueue(request, 1);
  request->attempt.times.queued = queued; /* it has waited all the time */
}

static int is_kept(const struct request *request, double now) {
  return request->place.state == REQUEST_RUNNING && request->attempt.sent == 0 &&
         !request->attempt.opened && request->kept < 8 &&
         request->attempt.times.started + KEPT_AFTER <= now &&
         sora_host_is_kept_waiting(request->place.host);
}

void sora_course_take_back_kept(struct client *client, double now) {
  for (struct place *place = client->live.last, *before; place != NULL; place = before) {
    before = place->previous;
    if (is_kept(sora_request_at(place), now))
      take_back(sora_request_at(place));
  }
  client->kept_due = 0;
}

/* An authority that the system's folder does not have may be in its bundle. */
static int trusts_more_now(const struct request *request, CURLcode code) {
  const struct handle *handle = request->attempt.handle;
  return code == CURLE_PEER_FAILED_VERIFICATION && handle != NULL &&
         sora_handle_trust_bundle(handle);
}

void sora_course_attempt_over(struct request *request, CURLcode code) {
  struct client *client = request->place.client;
  double now = sora_now();
  int again = trusts_more_now(request, code);
  double pause = again ? 0 : sora_attempt_over(request, code, now);
  if (!again)
    sora_reports_add(request, pause, now);
  sora_timers_remove(&client->timers, &request->place.timer);
  if (sora_attempt_spoils_connection(request, code, now))
    sora_connection_shut(sora_attempt_connection(request));
  leave_libcurl(request);
  client->short_of_memory |= request->outcome.kind == ERROR_memory;
  request->attempts -= again;
  if (pause < 0) {
    sora_course_end(request);
  } else if (pause == 0) {
    sora_course_enqueue(request, 1);
  } else {
    request->place.state = REQUEST_PAUSED;
    set_timer(request, now + pause);
  }
}

void sora_course_break_off(struct request *request, enum error_kind kind, const char *why) {
  enum request_state state = request->place.state;
  if (state != REQUEST_RUNNING && state != REQUEST_QUEUED && state != REQUEST_PAUSED)
    return;
  sora_request_fail(request, kind, why);
  if (state == REQUEST_RUNNING) {
    sora_reports_add(request, -1, sora_now());
    leave_libcurl(request);
  } else if (state == REQUEST_QUEUED) {
    withdraw(request);
  }
  sora_course_end(request);
  sora_request_forget(request);
}

void sora_course_on_time(struct request *request, double now) {
  double due;
  if (request->place.state == REQUEST_PAUSED) {
    sora_course_enqueue(request, 1);
  } else if (request->place.state == REQUEST_QUEUED) {
    withdraw(request);
    fail_queued(request);
  } else if (sora_attempt_is_late(request, now, &due)) {
    sora_course_attempt_over(request, CURLE_OPERATION_TIMEDOUT);
  } else {
    set_timer(request, due);
  }
}

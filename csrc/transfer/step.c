#include <errno.h>
#include <string.h>

#include "transfer/client_parts.h"
#include "transfer/libcurl.h"

enum {
  EVENTS_PER_STEP = 64,
  MOST_HELD = 256 /* times that a step asks for what libcurl holds back */
};

static const double SLICE = 0.002; /* seconds after which further sockets wait for the next step */
static const double STALE = 0.02;  /* seconds since sockets were served: then they come first */

static const char LOST[] = "lost: somebody else has closed the descriptor of the client";

/* Reads all messages before it deals with them: curl_multi_remove_handle goes through those that
   are left, for each of a thousand that ended at once. */
static void collect(struct client *client) {
  struct place *first = NULL, **last = &first;
  CURLMsg *message;
  int left;
  while (client->multi != NULL && (message = curl_multi_info_read(client->multi, &left)) != NULL) {
    struct handle *handle = NULL;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&handle);
    struct request *request = handle->request;
    request->code = message->data.result;
    request->place.ended_next = NULL;
    *last = &request->place;
    last = &request->place.ended_next;
  }
  while (first != NULL) {
    struct request *request = sora_request_at(first);
    first = first->ended_next;
    sora_course_attempt_over(request, request->code);
  }
}

/* After an error of its own, for want of memory most of all, libcurl may forget requests, which
   would wait for ever: all of them end, and the next one opens another multi handle. */
static void replace_multi(struct client *client) {
  if (sora_pollset_lost(&client->set)) { /* which is why on_socket has failed */
    sora_client_start_over(client, LOST);
    return;
  }
  while (client->live.first != NULL)
    sora_course_break_off(sora_request_at(client->live.first), ERROR_memory, "not enough memory");
  sora_multi_close(client);
  sora_multi_forget_hosts(client);
}

static double earlier(double a, double b) {
  if (a == 0 || b == 0)
    return a + b;
  return a < b ? a : b;
}

/* When a timer is due, 0: there is none. */
static double due_at(const struct client *client) {
  const struct timer *timer = sora_timers_first(&client->timers);
  return earlier(earlier(client->curl_due, client->kept_due), timer != NULL ? timer->due : 0);
}

static int can_start(const struct client *client) {
  for (const struct host *host = client->hosts; client->queued > 0 && host != NULL;
       host = host->next)
    if (sora_host_next(host) != NULL)
      return 1;
  return 0;
}

/* Seconds until something is due whatever the sockets do, 0: now, below 0: nothing is. */
static double due_in(const struct client *client) {
  double due = due_at(client);
  if (can_start(client))
    return 0;
  if (due == 0)
    return -1;
  double left = due - sora_now();
  return left > 0 ? left : 0;
}

double sora_client_timeout(const struct client *client) {
  return sora_client_has_news(client) ? 0 : due_in(client);
}

/* Makes the descriptor readable in `due` seconds, below 0: when a socket is ready. */
static void arm(struct client *client, double due) {
  sora_pollset_arm(&client->set, due < 0 ? 0 : sora_now() + due);
}

static void act(struct client *client, curl_socket_t fd, int events) {
  int running;
  struct sigpipe_guard guard = sora_libcurl_enter();
  if (curl_multi_socket_action(client->multi, fd, events, &running) != CURLM_OK)
    client->failed = 1;
  sora_libcurl_leave(&guard);
}

/* Has libcurl run the transfers that it may have forgotten. Pausing one and letting it go on asks
   for a run of that one alone. */
static void remind(struct client *client) {
  for (struct place *place = client->live.first; client->forgotten && place != NULL;
       place = place->next) {
    struct attempt *attempt = &sora_request_at(place)->attempt;
    if (place->state != REQUEST_RUNNING || !attempt->forgotten)
      continue;
    attempt->forgotten = 0;
    curl_easy_pause(attempt->handle->easy, CURLPAUSE_SEND);
    curl_easy_pause(attempt->handle->easy, CURLPAUSE_CONT);
  }
  client->forgotten = 0;
}

static void find_sent(struct client *client) {
#if LIBCURL_VERSION_NUM < 0x075000
  for (struct place *place = client->live.first; place != NULL; place = place->next)
    if (place->state == REQUEST_RUNNING && place->host->unsent > 0)
      sora_attempt_find_sent(sora_request_at(place));
#else
  (void)client;
#endif
}

/* Asks for what libcurl may hold back, until nothing more comes. */
static void serve_held(struct client *client) {
  int fd;
  for (int i = 0; i < MOST_HELD && !client->failed; i++) {
    if ((fd = sora_connections_next_held(&client->connections)) < 0)
      return;
    act(client, fd, CURL_CSELECT_IN);
  }
  if (client->curl_due == 0) /* something is still held back: libcurl runs again in the next step */
    client->curl_due = sora_now();
}

/* What has to be done after libcurl was called. */
static void settle(struct client *client) {
  serve_held(client);
  remind(client);
  find_sent(client);
  collect(client);
  if (client->failed)
    replace_multi(client);
}

/* libcurl's own timer: it begins with what was handed to it. */
static void run_libcurl(struct client *client) {
  if (client->multi != NULL && client->curl_due != 0 && client->curl_due <= sora_now()) {
    client->curl_due = 0;
    act(client, CURL_SOCKET_TIMEOUT, 0);
  }
  settle(client);
}

static void run_timers(struct client *client) {
  double now = sora_now();
  struct timer *timer;
  int left = STARTS_PER_STEP;
  while ((timer = sora_timers_first(&client->timers)) != NULL && timer->due <= now && left-- > 0) {
    sora_timers_remove(&client->timers, timer);
    sora_course_on_time(
        sora_request_at((struct place *)(void *)((char *)timer - offsetof(struct place, timer))),
        now);
  }
  if (client->kept_due != 0 && client->kept_due <= now)
    sora_course_take_back_kept(client, now);
}

/* Waits up to `seconds` for sockets and serves those that are ready. Returns 0, with errno, for a
   signal. */
static int serve(struct client *client, double seconds) {
  struct pollset_event events[EVENTS_PER_STEP];
  int count = sora_pollset_wait(&client->set, seconds, events, EVENTS_PER_STEP);
  if (count < 0 && errno == EINTR)
    return 0;
  if (count < 0) {
    int failure = errno;
    sora_client_start_over(client, sora_pollset_lost(&client->set) ? LOST : strerror(failure));
    return 1;
  }
  client->served = sora_now();
  double over = client->served + SLICE;
  for (int i = 0; i < count && !client->failed && (i == 0 || sora_now() < over); i++) {
    const struct pollset_event *event = &events[client->acts++ % (unsigned)count];
    act(client, event->fd, event->events);
  }
  settle(client);
  return 1;
}

/* How long a step may wait, of `seconds`: not beyond what is due, nor when it has something to
   tell. */
static double patience(const struct client *client, unsigned news, double seconds) {
  if (seconds == 0 || client->news != news)
    return 0;
  double due = due_in(client);
  return due >= 0 && (seconds < 0 || due < seconds) ? due : seconds;
}

/* What was started goes out first. Then sockets come before timers, so that what has arrived is
   never a timeout; libcurl's timers, too, wait for that where nobody has looked for a while. */
int sora_client_step(struct client *client, double seconds) {
  unsigned news = client->news;
  client->started = 0;
  int stale =
      client->multi != NULL && client->live.first != NULL && sora_now() - client->served > STALE;
  if (stale && !serve(client, 0))
    return 0;
  sora_course_start_waiting(client);
  if (client->multi == NULL)
    return 1;
  run_libcurl(client);
  int served = stale && seconds == 0; /* once is enough where nobody waits */
  if (client->multi != NULL && !served && !serve(client, patience(client, news, seconds)))
    return 0;
  run_timers(client);
  sora_course_start_waiting(client);
  run_libcurl(client);
  if (client->exported)
    arm(client, due_in(client));
  return 1;
}

void sora_client_send(struct client *client) {
  double now = sora_now();
  int overdue = client->curl_due != 0 && client->curl_due <= now;
  if (!overdue) /* else sockets come first: what has arrived is never a timeout */
    sora_course_start_waiting(client);
  if (!overdue && client->multi != NULL)
    run_libcurl(client);
}

void sora_client_announce(struct client *client, double within) {
  double due = sora_client_timeout(client);
  if (client->exported)
    arm(client, within >= 0 && (due < 0 || due > within) ? within : due);
}

#include "transfer/client.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transfer/address.h"
#include "transfer/connections.h"
#include "transfer/handle.h"
#include "transfer/libcurl.h"
#include "transfer/pollset.h"
#include "transfer/process.h"
#include "transfer/queue.h"
#include "transfer/request.h"
#include "transfer/timers.h"

enum {
  HOSTS_KEPT = 4, /* for so many hosts connections are kept, while there are as many as allowed */
  EVENTS_PER_STEP = 64,
  MOST_HELD = 256,     /* times that a step asks for what libcurl holds back */
  STARTS_PER_STEP = 32 /* what is started beyond that waits for the next step */
};

static const double SLICE = 0.002; /* seconds after which further sockets wait for the next step */
static const double KEPT_AFTER = 0.25; /* seconds that libcurl may have a request without a sign */
static const double STALE = 0.02;      /* seconds after which timers are not told before sockets */

const char sora_client_closed[] = "the client was closed";
static const char LOST[] = "lost: somebody else has closed the descriptor of the client";
static const char FORKED[] = "lost: the process was forked while it was in flight";

struct client {
  CURLM *multi; /* NULL: closed, or not open yet */
  CURLSH *share;
  struct pollset set;
  struct connections connections;
  struct timers timers;          /* of requests */
  double curl_due;               /* when libcurl wants to be called, 0: it does not */
  double kept_due;               /* when to look for requests that libcurl keeps, 0: no need */
  double served;                 /* when the sockets were looked at last */
  struct place_list live, ended; /* not ended; ended, and nobody was told of it … */
  struct place_list told;        /* … or was, and has not read it */
  struct host *hosts;
  int queued;  /* requests that wait in the hosts' queues */
  int started; /* in this step */
  int streams; /* that libcurl puts on one connection, at most */
  struct handles handles;
  struct settings *settings; /* NULL, as the headers: closed */
  struct base_url base;
  struct headers *headers;
  struct client_counts counts;
  unsigned process;    /* that the connections belong to, 0: there never were any */
  int exported;        /* the descriptor was handed out: its timer has to be armed */
  int forgotten;       /* a live attempt is marked so */
  int failed;          /* libcurl's multi handle is not to be relied on any more */
  int short_of_memory; /* it was, in libcurl: a connection may be left that never comes to be */
  unsigned acts; /* on sockets: the next step goes on after the last one, so that all have a turn */
  int open;
};

static struct request *request_of(struct place *place) {
  return (struct request *)(void *)place;
}

/* ---- lists ---- */

static void append(struct place_list *list, struct place *place) {
  place->list = list;
  place->previous = list->last;
  place->next = NULL;
  *(list->last != NULL ? &list->last->next : &list->first) = place;
  list->last = place;
}

/* One that is in no list is left alone. */
static void unlink_place(struct place *place) {
  struct place_list *list = place->list;
  if (list == NULL)
    return;
  place->list = NULL;
  *(place->previous != NULL ? &place->previous->next : &list->first) = place->next;
  *(place->next != NULL ? &place->next->previous : &list->last) = place->previous;
  place->previous = place->next = NULL;
}

/* ---- libcurl's sockets and timer ---- */

/* A socket that did not become a connection: the next address has its turn. */
static void note_lost_socket(struct client *client, CURL *easy) {
  struct request *request = NULL;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&request);
  if (request == NULL || request->attempt.sent > 0)
    return;
  request->attempt.forgotten = client->forgotten = 1;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *argument, void *unused) {
  struct client *client = argument;
  (void)unused;
  if (what == CURL_POLL_REMOVE && sora_libcurl_forgets_addresses())
    note_lost_socket(client, easy);
  return sora_pollset_want(&client->set, fd, what == CURL_POLL_REMOVE ? 0 : what) ? 0 : -1;
}

static int on_timer(CURLM *multi, long milliseconds, void *argument) {
  struct client *client = argument;
  (void)multi;
  client->curl_due = milliseconds < 0 ? 0 : sora_now() + (double)milliseconds / 1000;
  return 0;
}

static curl_socket_t on_open(void *argument, curlsocktype purpose, struct curl_sockaddr *address) {
  struct request *request = argument;
  struct client *client = request->place.client;
  struct fetch *fetch = &request->fetch;
  (void)purpose;
  if (fetch->keep_public && !fetch->proxied && sora_address_is_private(&address->addr)) {
    sora_address_write(&address->addr, fetch->refused, sizeof fetch->refused);
    return CURL_SOCKET_BAD;
  }
#ifdef SOCK_CLOEXEC
  int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
#else
  int fd = socket(address->family, address->socktype, address->protocol);
#endif
  if (fd < 0) {
    request->attempt.failure = errno;
    return CURL_SOCKET_BAD;
  }
  if (!sora_connections_add(&client->connections, fd, request->place.host) ||
      !sora_pollset_own(&client->set, fd, 1)) {
    close(fd);
    return CURL_SOCKET_BAD;
  }
  if (!request->attempt.opened && request->attempt.sent == 0)
    sora_host_connects(request->place.host);
  request->attempt.opened = 1;
  return fd;
}

static int on_close(void *argument, curl_socket_t fd) {
  struct client *client = argument;
  struct host *host = sora_connections_remove(&client->connections, fd);
  if (host != NULL)
    sora_host_lost(host);
  sora_pollset_own(&client->set, fd, 0);
  return close(fd);
}

static int set_sockets(struct client *client, struct request *request, CURL *easy) {
  return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, request) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, client) == CURLE_OK;
}

/* ---- the multi handle ---- */

static int set_multi(struct client *client) {
  CURLM *multi = client->multi;
  int failed = 0;
#define SET(option, value) (failed |= curl_multi_setopt(multi, option, value) != CURLM_OK)
  SET(CURLMOPT_SOCKETFUNCTION, on_socket);
  SET(CURLMOPT_SOCKETDATA, client);
  SET(CURLMOPT_TIMERFUNCTION, on_timer);
  SET(CURLMOPT_TIMERDATA, client);
  /* a second line: queue.h says what is handed on */
  SET(CURLMOPT_MAX_HOST_CONNECTIONS, client->settings->max_connections);
  SET(CURLMOPT_MAX_CONCURRENT_STREAMS, (long)STREAMS);
  /* libcurl's own limit is four times what is in flight just then, beyond which it closes them */
  SET(CURLMOPT_MAXCONNECTS, client->settings->max_connections * HOSTS_KEPT);
#undef SET
  client->streams = STREAMS;
  return !failed;
}

/* The pollset stays open: a host may watch its descriptor. */
static void close_multi(struct client *client) {
  struct libcurl_guard guard = sora_libcurl_enter();
  sora_handles_free(&client->handles);
  if (client->multi != NULL)
    curl_multi_cleanup(client->multi);
  client->multi = NULL;
  if (client->share != NULL)
    curl_share_cleanup(client->share);
  client->share = NULL;
  sora_libcurl_leave(&guard);
  client->curl_due = client->kept_due = 0;
  client->failed = client->short_of_memory = 0;
}

/* Returns 0 when memory or descriptors are short; the client is as before then. */
static int open_multi(struct client *client) {
  client->process = sora_process();
  if (sora_libcurl_init() && sora_pollset_init(&client->set)) {
    client->multi = curl_multi_init();
    client->share = curl_share_init();
    if (client->multi != NULL && client->share != NULL && set_multi(client) &&
        curl_share_setopt(client->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK)
      return 1;
  }
  int failure = errno;
  close_multi(client);
  errno = failure;
  return 0;
}

static int ready(struct client *client) {
  if (client->short_of_memory && client->live.first == NULL)
    close_multi(client);
  return client->multi != NULL || open_multi(client);
}

static void forget_what_hosts_are(struct client *client) {
  for (struct host *host = client->hosts; host != NULL; host = host->next) {
    host->stands = 0;
    host->tried = 0;
  }
}

/* Ends what is in flight and drops all connections; the next request opens new ones. */
static void start_over(struct client *client, const char *why) {
  sora_client_cancel(client, why);
  close_multi(client);
  sora_pollset_close(&client->set);
  sora_connections_free(&client->connections);
  forget_what_hosts_are(client);
  client->exported = 0;
}

/* In a child of fork: libcurl would say farewell on its parent's connections, and close descriptors
   of its own whose numbers may be other files by now. So what it has is left where it is. */
static void abandon(struct client *client) {
  client->multi = NULL;
  client->share = NULL;
  client->handles = (struct handles){NULL, 0};
  client->curl_due = client->kept_due = 0;
  client->failed = client->short_of_memory = client->exported = 0;
  for (struct place *place = client->live.first; place != NULL; place = place->next)
    request_of(place)->attempt.handle = NULL;
  sora_connections_close(&client->connections);
  sora_pollset_forget(&client->set);
  sora_client_cancel(client, FORKED);
  forget_what_hosts_are(client);
}

void sora_client_enter(struct client *client) {
  unsigned process = client->process == 0 ? 0 : sora_process(); /* 0: nothing was ever opened */
  if (client->process == process)
    return;
  client->process = process;
  abandon(client);
}

/* ---- requests on their way ---- */

static struct host *host_of(struct client *client, const struct request *request,
                            const char *origin) {
  for (struct host *host = client->hosts; host != NULL; host = host->next)
    if (strcmp(host->origin, origin) == 0)
      return host;
  struct host *host = sora_host_new(origin, request->plain, (int)client->settings->max_connections,
                                    &client->connections);
  if (host != NULL) {
    host->one_by_one = sora_libcurl_mixes_tunnels() && sora_handle_uses_proxy(client->settings);
    host->next = client->hosts;
    client->hosts = host;
  }
  return host;
}

static void end(struct request *request) {
  struct client *client = request->place.client;
  sora_timers_remove(&client->timers, &request->place.timer);
  unlink_place(&request->place);
  client->counts.in_flight--;
  request->place.state = REQUEST_ENDED;
  append(&client->ended, &request->place);
}

static void end_without_memory(struct request *request) {
  request->place.client->short_of_memory = 1;
  sora_request_fail(request, ERROR_memory, "not enough memory");
  end(request);
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
  struct connection *connection = sora_request_connection(request);
  if (connection != NULL && --connection->live == 0)
    connection->idle_since = sora_now();
  if (attempt->handle != NULL) { /* else the process was forked */
    struct libcurl_guard guard = sora_libcurl_enter();
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
  end_without_memory(request);
  return 0;
}

static void enqueue(struct request *request, int in_front) {
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
  end(request);
}

static void fail_to_start(struct request *request, int failure) {
  if (failure != EMFILE && failure != ENFILE) {
    end_without_memory(request);
    return;
  }
  sora_request_fail(request, ERROR_connect, strerror(failure));
  end(request);
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
  if (!ready(client)) {
    fail_to_start(request, errno);
    return;
  }
  struct handle *handle =
      sora_handle_take(&client->handles, request->settings, shared, client->share);
  if (handle == NULL || !sora_request_begin(request, handle, now) ||
      !set_sockets(client, request, handle->easy) ||
      curl_multi_add_handle(client->multi, handle->easy) != CURLM_OK) {
    if (handle != NULL) {
      sora_sending_end(request);
      handle->shared = 0;
      sora_handle_give_back(&client->handles, handle, 0);
    }
    request->attempt.handle = NULL;
    end_without_memory(request);
    return;
  }
  request->attempts++;
  client->counts.attempts++;
  request->place.state = REQUEST_RUNNING;
  sora_host_began(request->place.host, &request->place);
  set_timer(request, sora_request_look_at(request, now));
}

/* Hands on what may start; how many streams a connection takes follows what is live. */
static void start_waiting(struct client *client) {
  int streams = 0;
  for (struct host *host = client->hosts; host != NULL; host = host->next) {
    struct place *place;
    /* of HTTP/2 libcurl itself reads the end, and more than the end may lie there */
    if (client->queued > 0 && host->version < 2 && sora_host_next(host) != NULL)
      sora_connections_bury(&client->connections, host, sora_now());
    while (client->queued > 0 && client->started < STARTS_PER_STEP &&
           (place = sora_host_next(host)) != NULL) {
      client->started++;
      begin(request_of(place));
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
  enqueue(request, 1);
}

static int is_kept(const struct request *request, double now) {
  return request->place.state == REQUEST_RUNNING && request->attempt.sent == 0 &&
         !request->attempt.opened && request->kept < 8 &&
         request->attempt.times.started + KEPT_AFTER <= now &&
         sora_host_is_kept_waiting(request->place.host);
}

static void take_back_kept(struct client *client, double now) {
  for (struct place *place = client->live.last, *before; place != NULL; place = before) {
    before = place->previous;
    if (is_kept(request_of(place), now))
      take_back(request_of(place));
  }
  client->kept_due = 0;
}

/* An authority that the system's folder does not have may be in its bundle. */
static int trusts_more_now(struct request *request, CURLcode code) {
  struct client *client = request->place.client;
  if (code != CURLE_PEER_FAILED_VERIFICATION || !sora_handle_trust_bundle(request->settings))
    return 0;
  sora_handles_free(&client->handles);
  return 1;
}

static void attempt_over(struct request *request, CURLcode code) {
  struct client *client = request->place.client;
  double now = sora_now();
  int again = trusts_more_now(request, code);
  double pause = again ? 0 : sora_request_attempt_over(request, code, now);
  sora_timers_remove(&client->timers, &request->place.timer);
  if (sora_request_spoils_connection(request, code))
    sora_connection_shut(sora_request_connection(request));
  leave_libcurl(request);
  client->short_of_memory |= request->outcome.kind == ERROR_memory;
  request->attempts -= again;
  if (pause < 0) {
    end(request);
  } else if (pause == 0) {
    enqueue(request, 1);
  } else {
    request->place.state = REQUEST_PAUSED;
    set_timer(request, now + pause);
  }
}

/* Ends a request that has not ended, whatever it does. */
static void break_off(struct request *request, enum error_kind kind, const char *why) {
  if (request->place.state == REQUEST_RUNNING)
    leave_libcurl(request);
  else if (request->place.state == REQUEST_QUEUED)
    withdraw(request);
  else if (request->place.state != REQUEST_PAUSED)
    return;
  sora_request_fail(request, kind, why);
  end(request);
  sora_request_forget(request);
}

/* ---- stepping ---- */

/* Reads all messages before it deals with them: curl_multi_remove_handle goes through those that
   are left, for each of a thousand that ended at once. */
static void collect(struct client *client) {
  struct place *first = NULL, **last = &first;
  CURLMsg *message;
  int left;
  while (client->multi != NULL && (message = curl_multi_info_read(client->multi, &left)) != NULL) {
    struct request *request = NULL;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
    request->code = message->data.result;
    request->place.ended_next = NULL;
    *last = &request->place;
    last = &request->place.ended_next;
  }
  while (first != NULL) {
    struct request *request = request_of(first);
    first = first->ended_next;
    attempt_over(request, request->code);
  }
}

/* After an error of its own, for want of memory most of all, libcurl may forget requests, which
   would wait for ever: all of them end, and the next one opens another multi handle. */
static void replace_multi(struct client *client) {
  if (sora_pollset_lost(&client->set)) { /* which is why on_socket has failed */
    start_over(client, LOST);
    return;
  }
  while (client->live.first != NULL)
    break_off(request_of(client->live.first), ERROR_memory, "not enough memory");
  close_multi(client);
  forget_what_hosts_are(client);
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
  return client->ended.first != NULL ? 0 : due_in(client);
}

/* Makes the descriptor readable in `due` seconds, below 0: when a socket is ready. */
static void arm(struct client *client, double due) {
  sora_pollset_arm(&client->set, due < 0 ? 0 : sora_now() + due);
}

static void act(struct client *client, curl_socket_t fd, int events) {
  int running;
  struct libcurl_guard guard = sora_libcurl_enter();
  if (curl_multi_socket_action(client->multi, fd, events, &running) != CURLM_OK)
    client->failed = 1;
  sora_libcurl_leave(&guard);
}

/* Has those run that libcurl may have forgotten: pausing and going on asks for a run of that
   transfer alone. */
static void remind(struct client *client) {
  for (struct place *place = client->live.first; client->forgotten && place != NULL;
       place = place->next) {
    struct attempt *attempt = &request_of(place)->attempt;
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
      sora_request_find_sent(request_of(place));
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
  client->curl_due = client->curl_due != 0 ? client->curl_due : sora_now(); /* so there is more */
}

/* libcurl's own timer: it begins with what was handed to it. */
static void run_libcurl(struct client *client) {
  if (client->multi != NULL && client->curl_due != 0 && client->curl_due <= sora_now()) {
    client->curl_due = 0;
    act(client, CURL_SOCKET_TIMEOUT, 0);
    serve_held(client);
    remind(client);
    find_sent(client);
  }
  collect(client);
  if (client->failed)
    replace_multi(client);
}

static void on_time(struct request *request, double now) {
  double due;
  if (request->place.state == REQUEST_PAUSED) {
    enqueue(request, 1);
  } else if (request->place.state == REQUEST_QUEUED) {
    withdraw(request);
    fail_queued(request);
  } else if (sora_request_is_late(request, now, &due)) {
    attempt_over(request, CURLE_OPERATION_TIMEDOUT);
  } else {
    set_timer(request, due);
  }
}

static void run_timers(struct client *client) {
  double now = sora_now();
  struct timer *timer;
  int left = STARTS_PER_STEP;
  while ((timer = sora_timers_first(&client->timers)) != NULL && timer->due <= now && left-- > 0) {
    sora_timers_remove(&client->timers, timer);
    on_time(request_of((struct place *)(void *)((char *)timer - offsetof(struct place, timer))),
            now);
  }
  if (client->kept_due != 0 && client->kept_due <= now)
    take_back_kept(client, now);
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
    start_over(client, sora_pollset_lost(&client->set) ? LOST : strerror(failure));
    return 1;
  }
  client->served = sora_now();
  double over = client->served + SLICE;
  for (int i = 0; i < count && !client->failed && (i == 0 || sora_now() < over); i++) {
    const struct pollset_event *event = &events[client->acts++ % (unsigned)count];
    act(client, event->fd, event->events);
  }
  serve_held(client);
  remind(client);
  find_sent(client);
  collect(client);
  if (client->failed)
    replace_multi(client);
  return 1;
}

/* How long a step may wait, of `seconds`: not beyond what is due, nor when something has ended. */
static double patience(const struct client *client, const struct place *last, double seconds) {
  if (seconds == 0 || client->ended.last != last)
    return 0;
  double due = due_in(client);
  return due >= 0 && (seconds < 0 || due < seconds) ? due : seconds;
}

/* What was started goes out first. Then sockets come before timers, so that what has arrived is
   never a timeout; libcurl's timers, too, wait for that where nobody has looked for a while. */
int sora_client_step(struct client *client, double seconds) {
  const struct place *last = client->ended.last;
  client->started = 0;
  if (client->multi != NULL && client->live.first != NULL && sora_now() - client->served > STALE &&
      !serve(client, 0))
    return 0;
  start_waiting(client);
  if (client->multi == NULL)
    return 1;
  run_libcurl(client);
  if (client->multi != NULL && !serve(client, patience(client, last, seconds)))
    return 0;
  run_timers(client);
  start_waiting(client);
  run_libcurl(client);
  if (client->exported)
    arm(client, due_in(client));
  return 1;
}

void sora_client_announce(struct client *client) {
  if (client->exported)
    arm(client, sora_client_timeout(client));
}

int sora_client_fd(struct client *client) {
  int fd = ready(client) ? sora_pollset_fd(&client->set) : -1;
  if (fd >= 0 && !client->exported) {
    client->exported = 1;
    sora_client_announce(client);
  }
  return fd;
}

int sora_client_is_busy(const struct client *client) {
  return client->live.first != NULL;
}

int sora_client_has_ended(const struct client *client) {
  return client->ended.first != NULL;
}

/* ---- requests, from outside ---- */

int sora_client_start(struct client *client, struct request *request, const char *origin) {
  if (!client->open)
    return 0;
  struct host *host = host_of(client, request, origin);
  if (request->settings == NULL)
    request->settings = sora_settings_share(client->settings);
  request->place.client = client;
  request->place.host = host;
  append(&client->live, &request->place);
  client->counts.requests++;
  client->counts.in_flight++;
  if (request->outcome.kind != ERROR_NONE)
    end(request);
  else if (host == NULL)
    end_without_memory(request);
  else
    enqueue(request, 0);
  return 1;
}

void sora_request_cancel(struct request *request, const char *why) {
  if (request->place.state == REQUEST_NEW || request->place.state == REQUEST_ENDED)
    return;
  sora_client_enter(request->place.client); /* in a forked child, this ends it */
  break_off(request, ERROR_cancelled, why);
}

struct request *sora_client_next_ended(struct client *client) {
  struct place *place = client->ended.first;
  if (place == NULL)
    return NULL;
  unlink_place(place);
  append(&client->told, place);
  return request_of(place);
}

void sora_request_take(struct request *request) {
  if (request->place.state == REQUEST_ENDED)
    unlink_place(&request->place);
}

void sora_request_free(struct request *request) {
  if (request == NULL)
    return;
  sora_request_cancel(request, "collected");
  sora_request_take(request);
  sora_request_destroy(request);
}

/* ---- life ---- */

struct client *sora_client_make(void) {
  struct client *client = calloc(1, sizeof *client);
  if (client != NULL)
    sora_pollset_preinit(&client->set);
  return client;
}

int sora_client_configure(struct client *client, const struct settings *settings,
                          struct base_url *base, struct headers *headers) {
  client->base = *base;
  *base = (struct base_url){0};
  client->headers = headers;
  client->settings = sora_settings_new(settings);
  client->open = client->settings != NULL && sora_handle_obey_environment(client->settings);
  return client->open;
}

int sora_client_is_closed(const struct client *client) {
  return !client->open;
}

struct settings *sora_client_settings(const struct client *client) {
  return client->settings;
}

const struct base_url *sora_client_base(const struct client *client) {
  return &client->base;
}

struct headers *sora_client_headers(const struct client *client) {
  return client->headers;
}

void sora_client_count(const struct client *client, struct client_counts *counts) {
  *counts = client->counts;
  counts->queued = client->queued;
  counts->connections = client->connections.opened;
  counts->open_connections = (long)client->connections.count;
}

void sora_client_cancel(struct client *client, const char *why) {
  while (client->live.first != NULL)
    break_off(request_of(client->live.first), ERROR_cancelled, why);
}

/* Without the key, what a server said can't be told to anybody any more: it may quote the key. */
static void discard_answers(struct place_list *list) {
  for (struct place *place = list->first; place != NULL; place = place->next) {
    struct request *request = request_of(place);
    if (request->outcome.kind != ERROR_cancelled)
      sora_request_fail(request, ERROR_cancelled, sora_client_closed);
    sora_request_forget(request);
  }
}

void sora_client_close(struct client *client) {
  sora_client_enter(client);
  client->open = 0;
  start_over(client, sora_client_closed);
  sora_timers_free(&client->timers);
  discard_answers(&client->ended);
  discard_answers(&client->told);
  sora_headers_release(&client->headers);
  sora_url_free_base(&client->base);
  sora_settings_release(&client->settings);
}

void sora_client_free(struct client *client) {
  if (client == NULL)
    return;
  sora_client_close(client);
  while (sora_client_next_ended(client) != NULL)
    ;
  while (client->told.first != NULL) {
    struct place *place = client->told.first;
    unlink_place(place);
    place->client = NULL;
  }
  while (client->hosts != NULL) {
    struct host *host = client->hosts;
    client->hosts = host->next;
    free(host);
  }
  free(client);
}

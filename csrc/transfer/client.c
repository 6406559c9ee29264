#include "transfer/client.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transfer/handle.h"
#include "transfer/headers.h"
#include "transfer/request.h"

enum {
  /* on one HTTP/2 connection, which is what servers allow: whenever something comes in on a
     connection, libcurl looks at each of its transfers */
  MOST_STREAMS = 128,
  HOSTS_KEPT = 4, /* for so many hosts connections are kept, while there are as many as allowed */
  EVENTS_PER_STEP = 64,
  STARTS_PER_STEP = 32 /* what is started beyond that waits for the next step */
};

static const double SLICE = 0.002; /* seconds after which further sockets wait for the next step */

const char sora_client_closed[] = "the client was closed";
static const char LOST[] = "lost: somebody else has closed the descriptor of the client";

/* ---- lists ---- */

void sora_list_append(struct request_list *list, struct request *request) {
  request->previous = list->last;
  request->next = NULL;
  *(list->last ? &list->last->next : &list->first) = request;
  list->last = request;
}

void sora_list_remove(struct request_list *list, struct request *request) {
  *(request->previous ? &request->previous->next : &list->first) = request->next;
  *(request->next ? &request->next->previous : &list->last) = request->previous;
  request->previous = request->next = NULL;
}

/* xorshift64*, Vigna 2016 */
double sora_client_random(struct client *client) {
  unsigned long long x = client->random;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  client->random = x;
  return (double)((x * 2685821657736338717ULL) >> 11) / 9007199254740992.0;
}

static void seed(struct client *client) {
  double now = sora_now();
  unsigned long long bits;
  memcpy(&bits, &now, sizeof bits);
  client->random =
      (bits ^ (unsigned long long)getpid() << 32 ^ (unsigned long long)(size_t)client) | 1;
}

/* ---- libcurl's global state ---- */

static int global_ready;
static pthread_mutex_t global_mutex = PTHREAD_MUTEX_INITIALIZER;

/* libcurl is never cleaned up, and this module never unmapped: a thread that looks up a host can
   outlive the Lua state that asked, and runs code of libcurl's then. Returns 0 when memory is
   short; the next call tries again. */
static int global_init(void) {
  Dl_info info;
  pthread_mutex_lock(&global_mutex);
  if (!global_ready && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) {
    global_ready = 1;
    if (dladdr((void *)&global_mutex, &info) != 0 && info.dli_fname != NULL)
      dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
  int ready = global_ready;
  pthread_mutex_unlock(&global_mutex);
  return ready;
}

/* ---- the multi handle ---- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *argument, void *unused) {
  struct client *client = argument;
  (void)easy, (void)unused;
  return sora_pollset_want(&client->set, fd, what == CURL_POLL_REMOVE ? 0 : what) ? 0 : -1;
}

static int on_timer(CURLM *multi, long milliseconds, void *argument) {
  struct client *client = argument;
  (void)multi;
  client->curl_due = milliseconds < 0 ? 0 : sora_now() + (double)milliseconds / 1000;
  return 0;
}

static int set_multi(struct client *client) {
  CURLM *multi = client->multi;
  int failed = 0;
#define SET(option, value) (failed |= curl_multi_setopt(multi, option, value) != CURLM_OK)
  SET(CURLMOPT_SOCKETFUNCTION, on_socket);
  SET(CURLMOPT_SOCKETDATA, client);
  SET(CURLMOPT_TIMERFUNCTION, on_timer);
  SET(CURLMOPT_TIMERDATA, client);
  /* without a limit, a thousand requests open hundreds of connections before the first says it can
   * multiplex */
  SET(CURLMOPT_MAX_HOST_CONNECTIONS, client->settings.max_connections);
  SET(CURLMOPT_MAX_CONCURRENT_STREAMS, (long)MOST_STREAMS);
  /* libcurl's own limit is four times what is in flight just then, beyond which it closes them */
  SET(CURLMOPT_MAXCONNECTS, client->settings.max_connections * HOSTS_KEPT);
#undef SET
  return !failed;
}

/* The pollset stays open: a host may watch its descriptor. */
static void close_multi(struct client *client) {
  sora_handles_free(client);
  if (client->multi != NULL)
    curl_multi_cleanup(client->multi);
  client->multi = NULL;
  if (client->share != NULL)
    curl_share_cleanup(client->share);
  client->share = NULL;
  client->curl_due = 0;
  client->broken = client->worn = 0;
}

/* Returns 0 when memory or descriptors are short; the client is as before then. */
static int open_multi(struct client *client) {
  client->process = getpid();
  seed(client);
  if (global_init() && sora_pollset_init(&client->set)) {
    client->multi = curl_multi_init();
    client->share = curl_share_init();
    if (client->multi != NULL && client->share != NULL && set_multi(client) &&
        curl_share_setopt(client->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK)
      return 1;
  }
  close_multi(client);
  return 0;
}

/* Ends what is in flight and drops all connections; the next request opens new ones. */
static void start_over(struct client *client, const char *why) {
  while (client->live.first != NULL)
    sora_request_cancel(client->live.first, why);
  close_multi(client);
  sora_pollset_close(&client->set);
  client->counts.open_connections = 0;
  client->exported = 0;
}

/* After an error of its own, for want of memory most of all, libcurl may forget requests, which
   would wait for ever: all of them end, and the next one opens another multi handle. */
static void replace_multi(struct client *client) {
  if (sora_pollset_lost(&client->set)) { /* which is why on_socket has failed */
    start_over(client, LOST);
    return;
  }
  while (client->live.first != NULL)
    sora_request_out_of_memory(client->live.first);
  close_multi(client);
}

void sora_client_enter(struct client *client) {
  if (client->process == 0 || client->process == getpid()) /* 0: nothing was ever opened */
    return;
  client->process = getpid();
  sora_pollset_orphan(&client->set); /* before libcurl says farewell on the parent's sockets */
  start_over(client, "lost: the process was forked while it was in flight");
}

/* ---- stepping ---- */

/* Reads all messages before it deals with them: curl_multi_remove_handle goes through those that
   are left, for each of a thousand that ended at once. */
static void collect(struct client *client) {
  struct request *first = NULL, **last = &first;
  CURLMsg *message;
  int left;
  while (client->multi != NULL && (message = curl_multi_info_read(client->multi, &left)) != NULL) {
    struct request *request = NULL;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
    request->code = message->data.result;
    request->ended_next = NULL;
    *last = request;
    last = &request->ended_next;
  }
  while (first != NULL) {
    struct request *request = first;
    first = request->ended_next;
    sora_request_attempt_ended(request, request->code);
  }
}

/* Seconds until a timer is due, 0: now, below 0: there is none. */
static double due_in(const struct client *client) {
  const struct timer *timer = sora_timers_first(&client->timers);
  double due = client->curl_due;
  if (timer != NULL && (due == 0 || timer->due < due))
    due = timer->due;
  if (due == 0)
    return -1;
  double left = due - sora_now();
  return left > 0 ? left : 0;
}

double sora_client_timeout(const struct client *client) {
  return client->finished.first != NULL ? 0 : due_in(client);
}

/* Makes the descriptor readable in `due` seconds, below 0: when a socket is ready. */
static void arm(struct client *client, double due) {
  sora_pollset_arm(&client->set, due < 0 ? 0 : sora_now() + due);
}

static void act(struct client *client, curl_socket_t fd, int events) {
  int running;
  if (curl_multi_socket_action(client->multi, fd, events, &running) != CURLM_OK)
    client->broken = 1;
}

static void run_timers(struct client *client) {
  double now = sora_now();
  struct timer *timer;
  int left = STARTS_PER_STEP;
  while ((timer = sora_timers_first(&client->timers)) != NULL && timer->due <= now && left-- > 0) {
    sora_timers_remove(&client->timers, timer);
    sora_request_on_timer(timer, now);
  }
  if (client->curl_due != 0 && client->curl_due <= now) {
    client->curl_due = 0;
    act(client, CURL_SOCKET_TIMEOUT, 0);
  }
  collect(client);
  if (client->broken)
    replace_multi(client);
}

int sora_client_may_start(struct client *client) {
  return client->started++ < STARTS_PER_STEP;
}

int sora_client_step(struct client *client, double seconds) {
  struct pollset_event events[EVENTS_PER_STEP];
  if (client->multi == NULL)
    return 1;
  const struct request *last = client->finished.last;
  client->started = 0;
  run_timers(client);
  if (client->multi == NULL)
    return 1;
  double due = due_in(client);
  if (client->finished.last != last)
    seconds = 0;
  else if (due >= 0 && (seconds < 0 || due < seconds))
    seconds = due;
  int count = sora_pollset_wait(&client->set, seconds, events, EVENTS_PER_STEP);
  if (count < 0 && errno == EINTR)
    return 0;
  if (count < 0) {
    int failure = errno;
    start_over(client, sora_pollset_lost(&client->set) ? LOST : strerror(failure));
    return 1;
  }
  double over = sora_now() + SLICE;
  for (int i = 0; i < count && !client->broken && (i == 0 || sora_now() < over); i++) {
    const struct pollset_event *event = &events[client->acts++ % (unsigned)count];
    act(client, event->fd, event->events);
  }
  run_timers(client);
  if (client->exported)
    arm(client, due_in(client));
  return 1;
}

void sora_client_announce(struct client *client) {
  if (client->exported)
    arm(client, sora_client_timeout(client));
}

/* ---- life ---- */

int sora_client_ready(struct client *client) {
  if (client->worn && client->live.first == NULL)
    close_multi(client);
  return client->multi != NULL || open_multi(client);
}

static void wipe(const char **text) {
  if (*text != NULL)
    explicit_bzero((char *)(size_t)*text, strlen(*text));
  free((char *)(size_t)*text);
  *text = NULL;
}

static void wipe_settings(struct client *client) {
  struct settings *own = &client->settings;
  sora_headers_free(client->headers);
  client->headers = NULL;
  sora_url_free_base(&client->base);
#define X(name) wipe(&own->name);
  SETTINGS_STRINGS(X)
#undef X
}

/* Without the key, what a server said can't be told to anybody any more: it may quote the key. */
void sora_client_close(struct client *client) {
  sora_client_enter(client);
  client->closed = 1;
  start_over(client, sora_client_closed);
  sora_timers_free(&client->timers);
  for (struct request *request = client->finished.first; request != NULL; request = request->next)
    sora_request_void(request, sora_client_closed);
  wipe_settings(client);
}

void sora_client_free(struct client *client) {
  sora_client_close(client);
  while (client->finished.first != NULL) {
    struct request *request = client->finished.first;
    sora_request_claim(request);
    request->client = NULL;
  }
}

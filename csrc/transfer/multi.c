#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transfer/address.h"
#include "transfer/client_parts.h"
#include "transfer/libcurl.h"
#include "transfer/process.h"

enum {
  HOSTS_KEPT = 4 /* idle connections are kept for so many hosts with as many each as allowed */
};

/* ---- libcurl's sockets and timer ---- */

/* Notes that a socket did not become a connection, after which it is the next address's turn: see
   sora_libcurl_forgets_addresses. */
static void note_lost_socket(struct client *client, CURL *easy) {
  struct handle *handle = NULL;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&handle);
  struct request *request = handle != NULL ? handle->request : NULL;
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
  const struct handle *handle = argument;
  struct request *request = handle->request;
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

int sora_multi_set_sockets(struct client *client, struct handle *handle) {
  CURL *easy = handle->easy;
  return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, handle) == CURLE_OK &&
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

void sora_multi_close(struct client *client) {
  struct sigpipe_guard guard = sora_libcurl_enter();
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
  sora_multi_close(client);
  errno = failure;
  return 0;
}

int sora_multi_ready(struct client *client) {
  if (client->short_of_memory && client->live.first == NULL)
    sora_multi_close(client);
  return client->multi != NULL || open_multi(client);
}

void sora_multi_forget_hosts(struct client *client) {
  for (struct host *host = client->hosts; host != NULL; host = host->next) {
    host->stands = 0;
    host->tried = 0;
  }
}

/*
 * The bare C program that sora is measured against: libcurl with its handles kept, sending the same
 * bytes, the answers not decoded.
 *
 *   libcurl sequence N URL CA                one after the other, curl_easy_perform
 *   libcurl many N IN_FLIGHT URL CA [naive]  a multi handle over epoll; naive: no limits set
 *   libcurl hold N URL CA                    N in flight that are never answered, for a second
 *   libcurl fresh N URL system               new connections, with the system's CAs, as libcurl
 *                                            comes, and those of the folder $SSL_CERT_DIR
 *
 * URL is a base URL; each request asks for another task. Prints what it received.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#ifndef ON_START /* floor.c does more */
#define ON_START(url, authorities)
#define ON_ANSWER(number, keep)
#endif

enum { QUIET = 500 /* milliseconds after which all that can be sent was */ };

static const char *base, *authorities, *prefix = "";
static struct curl_slist *headers;
static size_t received;
static int started, ended, total;

static size_t on_body(char *bytes, size_t size, size_t count, void *unused) {
  (void)bytes, (void)unused;
  received += size * count;
  return size * count;
}

static CURL *new_handle(void) {
  CURL *easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "lua-sora/0.1.0");
  if (*authorities == '/') {
    curl_easy_setopt(easy, CURLOPT_CAINFO, authorities);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
  } else {
    curl_easy_setopt(easy, CURLOPT_CAPATH, getenv("SSL_CERT_DIR"));
  }
  return easy;
}

static void aim(CURL *easy, int number) {
  char url[512];
  snprintf(url, sizeof url, "%s/v1/video/query?id=sora-2%%3A%stask_%d", base, prefix, number);
  curl_easy_setopt(easy, CURLOPT_URL, url);
}

static void check(CURLcode code) {
  if (code != CURLE_OK) {
    fprintf(stderr, "libcurl: %s\n", curl_easy_strerror(code));
    exit(1);
  }
}

static void sequence(void) {
  CURL *easy = new_handle();
  for (int i = 0; i < total; i++) {
    aim(easy, i);
    check(curl_easy_perform(easy));
    ON_ANSWER(i, 0);
  }
  curl_easy_cleanup(easy);
}

static int poller;

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *multi, void *known) {
  struct epoll_event event = {0};
  int how = what == CURL_POLL_REMOVE ? EPOLL_CTL_DEL : known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  (void)easy;
  event.data.fd = fd;
  event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
  epoll_ctl(poller, how, fd, &event);
  curl_multi_assign(multi, fd, what == CURL_POLL_REMOVE ? NULL : &poller);
  return 0;
}

static int on_timer(CURLM *multi, long milliseconds, void *due) {
  (void)multi;
  *(long *)due = milliseconds;
  return 0;
}

static void launch(CURLM *multi, CURL *easy) {
  if (started == total)
    return;
  aim(easy, started++);
  curl_multi_add_handle(multi, easy);
}

static void collect(CURLM *multi) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(multi, &left)) != NULL) {
    CURL *easy = message->easy_handle;
    check(message->data.result);
    ON_ANSWER(ended, 1);
    ended++;
    curl_multi_remove_handle(multi, easy);
    launch(multi, easy);
  }
}

static CURLM *new_multi(long *due, int naive) {
  CURLM *multi = curl_multi_init();
  poller = epoll_create1(EPOLL_CLOEXEC);
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, multi);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, due);
  if (!naive) {
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, 8L);
    curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS, 10000L);
  }
  return multi;
}

/* Does what is due, after waiting for it; with `hold` for half a second at most. Returns 0 when
   nothing happened in that time. */
static int turn(CURLM *multi, long *due, int hold) {
  struct epoll_event events[64];
  int running, wait = (int)*due;
  int limited = hold && (wait < 0 || wait > QUIET);
  int count = wait == 0 ? 0 : epoll_wait(poller, events, 64, limited ? QUIET : wait);
  if (count == 0 && limited)
    return 0;
  if (count == 0) {
    *due = -1;
    curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
  }
  for (int i = 0; i < count; i++) {
    int bits = (events[i].events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
               (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
               (events[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0);
    curl_multi_socket_action(multi, events[i].data.fd, bits, &running);
  }
  return 1;
}

static void many(int in_flight, int naive, int hold) {
  long due = -1;
  CURLM *multi = new_multi(&due, naive);
  for (int i = 0; i < in_flight; i++)
    launch(multi, new_handle());
  while (ended < total && turn(multi, &due, hold))
    collect(multi);
}

int main(int count, char **arguments) {
  if (count < 5) {
    fputs("usage: see the head of this file\n", stderr);
    return 2;
  }
  const char *mode = arguments[1];
  int is_many = strcmp(mode, "many") == 0, hold = strcmp(mode, "hold") == 0;
  total = atoi(arguments[2]);
  base = arguments[3 + is_many];
  authorities = arguments[4 + is_many];
  curl_global_init(CURL_GLOBAL_DEFAULT);
  ON_START(base, authorities);
  headers = curl_slist_append(headers, "Authorization: Bearer bench");
  headers = curl_slist_append(headers, "Content-Type: application/json");
  headers = curl_slist_append(headers, "Accept: application/json");
  if (hold)
    prefix = "hold_";
  if (is_many || hold)
    many(is_many ? atoi(arguments[3]) : total, count > 6, hold);
  else
    sequence();
  printf("%zu bytes\n", received);
  return 0;
}

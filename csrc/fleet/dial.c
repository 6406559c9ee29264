#include "fleet/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fleet/lookup.h"
#include "transfer/timers.h"

static const int QUIET = 15; /* seconds until the kernel asks whether the other side is there … */
static const int PROBES = 3; /* … so often, five seconds apart */

static void fail(struct dial *dial, enum error_kind kind, const char *message) {
  dial->state = DIAL_FAILED;
  dial->kind = kind;
  snprintf(dial->message, sizeof dial->message, "%s", message);
}

/* Closes the socket that is being connected. */
static void drop(struct dial *dial, struct pollset *set) {
  if (dial->fd < 0)
    return;
  sora_pollset_want(set, dial->fd, 0);
  close(dial->fd);
  dial->fd = -1;
}

static void free_addresses(struct dial *dial) {
  if (dial->found != NULL)
    freeaddrinfo(dial->found);
  dial->found = dial->next = NULL;
}

/* A socket that blocks nobody, is closed by exec, and finds out when the other side has gone. */
static int open_socket(int family) {
  int fd = socket(family, SOCK_STREAM, 0), on = 1;
  if (fd < 0)
    return -1;
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  if (family == AF_UNIX)
    return fd;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
#ifdef TCP_KEEPIDLE
  const int every = QUIET / PROBES;
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &QUIET, sizeof QUIET);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &PROBES, sizeof PROBES);
#endif
  return fd;
}

/* Connects to one address; `share`: seconds for it. Returns 0 when that has failed already. */
static int try_address(struct dial *dial, struct pollset *set, const struct sockaddr *address,
                       socklen_t length, double share) {
  dial->fd = open_socket(address->sa_family);
  if (dial->fd >= 0 && connect(dial->fd, address, length) == 0) {
    dial->state = DIAL_CONNECTED;
    return 1;
  }
  if (dial->fd >= 0 && (errno == EINPROGRESS || errno == EINTR)) {
    if (sora_pollset_want(set, dial->fd, POLLSET_OUT)) {
      dial->due = sora_now() + share;
      return 1;
    }
    errno = ENOMEM;
  }
  fail(dial, ERROR_connect, strerror(errno));
  drop(dial, set);
  return 0;
}

/* Connects to the next address that does not fail at once; after the last one the dial has failed
   as that did. */
static void try_next(struct dial *dial, struct pollset *set) {
  while (dial->next != NULL) {
    const struct addrinfo *address = dial->next;
    int left = 0;
    for (const struct addrinfo *other = address; other != NULL; other = other->ai_next)
      left++;
    dial->next = address->ai_next;
    dial->state = DIAL_WAITING;
    if (try_address(dial, set, address->ai_addr, address->ai_addrlen,
                    (dial->over - sora_now()) / left))
      return;
  }
}

static void start_unix(struct dial *dial, const char *path, struct pollset *set) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    fail(dial, ERROR_connect, strerror(ENAMETOOLONG));
    return;
  }
  strcpy(address.sun_path, path);
  try_address(dial, set, (const struct sockaddr *)&address, sizeof address,
              dial->over - sora_now());
}

void sora_dial_start(struct dial *dial, const struct address *address, struct pollset *set,
                     double over) {
  dial->state = DIAL_WAITING;
  dial->over = dial->due = over;
  if (address->host == NULL) {
    start_unix(dial, address->path, set);
    return;
  }
  dial->found = dial->next = sora_lookup_literal(address->host, address->port);
  if (dial->found != NULL) {
    try_next(dial, set);
    return;
  }
  dial->lookup = sora_lookup_start(address->host, address->port);
  if (dial->lookup == NULL)
    fail(dial, ERROR_dns, strerror(errno));
  else if (!sora_pollset_want(set, sora_lookup_fd(dial->lookup), POLLSET_IN))
    fail(dial, ERROR_memory, strerror(ENOMEM));
}

static void end_lookup(struct dial *dial, struct pollset *set) {
  if (dial->lookup == NULL)
    return;
  sora_pollset_want(set, sora_lookup_fd(dial->lookup), 0);
  sora_lookup_free(dial->lookup);
  dial->lookup = NULL;
}

static void go_on_with_name(struct dial *dial, struct pollset *set) {
  const char *failure;
  if (!sora_lookup_is_over(dial->lookup)) {
    if (sora_now() >= dial->over)
      fail(dial, ERROR_timeout, "the name service did not answer in time");
    return;
  }
  dial->found = dial->next = sora_lookup_take(dial->lookup, &failure);
  end_lookup(dial, set);
  if (dial->found == NULL)
    fail(dial, ERROR_dns, failure != NULL ? failure : "the name has no address");
  else
    try_next(dial, set);
}

static void go_on_with_socket(struct dial *dial, struct pollset *set) {
  struct pollfd asked = {.fd = dial->fd, .events = POLLOUT};
  int failure = 0;
  socklen_t size = sizeof failure;
  if (poll(&asked, 1, 0) == 1) {
    if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &failure, &size) != 0)
      failure = errno;
    if (failure == 0) {
      dial->state = DIAL_CONNECTED;
      return;
    }
    fail(dial, ERROR_connect, strerror(failure));
  } else if (sora_now() >= dial->due) {
    fail(dial, ERROR_timeout, "no connection in time");
  } else {
    return;
  }
  drop(dial, set);
  try_next(dial, set);
}

void sora_dial_go_on(struct dial *dial, struct pollset *set) {
  if (dial->state == DIAL_WAITING && dial->lookup != NULL)
    go_on_with_name(dial, set);
  else if (dial->state == DIAL_WAITING)
    go_on_with_socket(dial, set);
}

double sora_dial_due(const struct dial *dial) {
  return dial->due < dial->over ? dial->due : dial->over;
}

int sora_dial_take(struct dial *dial, struct pollset *set) {
  int fd = dial->fd;
  sora_pollset_want(set, fd, 0);
  dial->fd = -1;
  sora_dial_stop(dial, set);
  return fd;
}

void sora_dial_stop(struct dial *dial, struct pollset *set) {
  end_lookup(dial, set);
  drop(dial, set);
  free_addresses(dial);
  dial->state = DIAL_IDLE;
}

void sora_dial_forget(struct dial *dial) {
  free_addresses(dial);
  dial->lookup = NULL; /* its thread is the parent's, and what it has of it in an unknown state */
  dial->fd = -1;
  dial->state = DIAL_IDLE;
}

#include "transfer/pollset.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transfer/array.h"
#include "transfer/timers.h"

#if defined(__linux__) && !defined(SORA_POLLSET_POLL)
#define USE_EPOLL 1
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#else
#define USE_EPOLL 0
#endif

struct pollset_socket {
  unsigned char owned;      /* opened for this set, and its closing will be told */
  unsigned char wanted;     /* the events that are wanted of it */
  unsigned char registered; /* the events that the kernel was asked for */
};

void sora_pollset_preinit(struct pollset *set) {
  memset(set, 0, sizeof *set);
  set->epoll = set->timer = -1;
}

static struct pollset_socket *socket_of(struct pollset *set, int fd) {
  size_t index = (size_t)fd, known = set->socket_count;
  struct pollset_socket *sockets =
      sora_array_reserve(set->sockets, &set->socket_count, index + 1, sizeof *sockets);
  if (sockets == NULL)
    return NULL;
  memset(sockets + known, 0, (set->socket_count - known) * sizeof *sockets);
  set->sockets = sockets;
  return &set->sockets[index];
}

/* poll(2) and epoll count in milliseconds. Rounded up: who wakes before the time has nothing to do
   yet. */
static int milliseconds(double seconds) {
  if (seconds < 0)
    return -1;
  double rounded = ceil(seconds * 1000);
  return rounded > INT_MAX ? INT_MAX : (int)rounded;
}

#if USE_EPOLL

int sora_pollset_init(struct pollset *set) {
  if (set->epoll >= 0)
    return 1;
  set->epoll = epoll_create1(EPOLL_CLOEXEC);
  set->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  event.data.fd = set->timer;
  if (set->epoll >= 0 && set->timer >= 0 &&
      epoll_ctl(set->epoll, EPOLL_CTL_ADD, set->timer, &event) == 0)
    return 1;
  int failure = errno;
  sora_pollset_close(set);
  errno = failure;
  return 0;
}

static int change(struct pollset *set, int fd, struct pollset_socket *socket, int events) {
  struct epoll_event event = {0};
  event.data.fd = fd;
  if (events & POLLSET_IN)
    event.events |= EPOLLIN;
  if (events & POLLSET_OUT)
    event.events |= EPOLLOUT;
  int how = socket->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (!events)
    how = EPOLL_CTL_DEL;
  socket->registered = (unsigned char)events;
  if (epoll_ctl(set->epoll, how, fd, &event) == 0 || how == EPOLL_CTL_DEL)
    return 1;
  /* The descriptor may have been closed, and its number given out again, without our being told. */
  if (how == EPOLL_CTL_MOD && errno == ENOENT)
    return epoll_ctl(set->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
  if (how == EPOLL_CTL_ADD && errno == EEXIST)
    return epoll_ctl(set->epoll, EPOLL_CTL_MOD, fd, &event) == 0;
  return 0;
}

int sora_pollset_want(struct pollset *set, int fd, int events) {
  struct pollset_socket *socket = socket_of(set, fd);
  if (socket == NULL)
    return 0;
  socket->wanted = (unsigned char)events;
  if (socket->owned &&
      (socket->registered == events || (!events && socket->registered == POLLSET_IN)))
    return 1;
  return change(set, fd, socket, events);
}

int sora_pollset_fd(const struct pollset *set) {
  return set->epoll;
}

void sora_pollset_arm(struct pollset *set, double due) {
  if (set->epoll < 0 || due <= 0 || (set->armed > 0 && set->armed <= due))
    return;
  struct itimerspec spec = {0};
  spec.it_value.tv_sec = (time_t)due;
  spec.it_value.tv_nsec = (long)((due - (double)spec.it_value.tv_sec) * 1e9);
  if (spec.it_value.tv_sec == 0 && spec.it_value.tv_nsec == 0)
    spec.it_value.tv_nsec = 1;
  timerfd_settime(set->timer, TFD_TIMER_ABSTIME, &spec, NULL);
  set->armed = due;
}

/* Writes the events of sockets that something is wanted of; the rest (our timer, a kept connection
   that its server closed) is dealt with here. */
static int sift(struct pollset *set, const struct epoll_event *ready, int count,
                struct pollset_event *events) {
  int kept = 0;
  for (int i = 0; i < count; i++) {
    int fd = ready[i].data.fd;
    if (fd == set->timer) {
      uint64_t expirations;
      if (read(set->timer, &expirations, sizeof expirations) == sizeof expirations)
        set->armed = 0;
      continue;
    }
    if (fd < 0 || (size_t)fd >= set->socket_count)
      continue; /* the number of our descriptor has become somebody else's set */
    struct pollset_socket *socket = &set->sockets[fd];
    if (!socket->wanted) {
      change(set, fd, socket, 0);
      continue;
    }
    events[kept].fd = fd;
    events[kept].events = (ready[i].events & (EPOLLIN | EPOLLHUP) ? POLLSET_IN : 0) |
                          (ready[i].events & EPOLLOUT ? POLLSET_OUT : 0) |
                          (ready[i].events & EPOLLERR ? POLLSET_ERROR : 0);
    kept++;
  }
  return kept;
}

int sora_pollset_wait(struct pollset *set, double seconds, struct pollset_event *events, int most) {
  struct epoll_event ready[64];
  int count = epoll_wait(set->epoll, ready, most < 64 ? most : 64, milliseconds(seconds));
  return count < 0 ? -1 : sift(set, ready, count, events);
}

int sora_pollset_lost(struct pollset *set) {
  struct epoll_event ready;
  if (set->epoll < 0 || epoll_wait(set->epoll, &ready, 1, 0) >= 0 || errno == EINTR)
    return 0;
  set->epoll = -1;
  return 1;
}

#else

int sora_pollset_init(struct pollset *set) {
  set->epoll = 0; /* open, though there is no such descriptor */
  return 1;
}

static struct pollfd *polled(struct pollset *set, int fd) {
  for (size_t i = 0; i < set->polled_count; i++)
    if (set->polled[i].fd == fd)
      return &set->polled[i];
  return NULL;
}

int sora_pollset_want(struct pollset *set, int fd, int events) {
  struct pollset_socket *socket = socket_of(set, fd);
  if (socket == NULL)
    return 0;
  struct pollfd *entry = socket->registered ? polled(set, fd) : NULL;
  if (events == 0) {
    if (entry != NULL)
      *entry = set->polled[--set->polled_count];
  } else {
    if (entry == NULL) {
      struct pollfd *list = sora_array_reserve(set->polled, &set->polled_capacity,
                                               set->polled_count + 1, sizeof *list);
      if (list == NULL)
        return 0;
      set->polled = list;
      entry = &set->polled[set->polled_count++];
      entry->fd = fd;
    }
    entry->events =
        (short)((events & POLLSET_IN ? POLLIN : 0) | (events & POLLSET_OUT ? POLLOUT : 0));
  }
  socket->wanted = socket->registered = (unsigned char)events;
  return 1;
}

int sora_pollset_fd(const struct pollset *set) {
  (void)set;
  return -1;
}

void sora_pollset_arm(struct pollset *set, double due) {
  set->armed = due;
}

int sora_pollset_lost(struct pollset *set) {
  (void)set;
  return 0;
}

int sora_pollset_wait(struct pollset *set, double seconds, struct pollset_event *events, int most) {
  int ready = poll(set->polled, (nfds_t)set->polled_count, milliseconds(seconds));
  if (ready < 0)
    return -1;
  int kept = 0;
  for (size_t i = 0; i < set->polled_count && kept < most && ready > 0; i++) {
    short bits = set->polled[i].revents;
    if (bits == 0)
      continue;
    ready--;
    events[kept].fd = set->polled[i].fd;
    events[kept].events = (bits & (POLLIN | POLLHUP) ? POLLSET_IN : 0) |
                          (bits & POLLOUT ? POLLSET_OUT : 0) |
                          (bits & (POLLERR | POLLNVAL) ? POLLSET_ERROR : 0);
    kept++;
  }
  return kept;
}

#endif

int sora_pollset_own(struct pollset *set, int fd, int owned) {
  struct pollset_socket *socket = socket_of(set, fd);
  if (socket == NULL)
    return 0;
  socket->owned = 0;
  if (socket->registered)
    sora_pollset_want(set, fd, 0);
  set->sockets[fd].owned = (unsigned char)owned;
  return 1;
}

void sora_pollset_close(struct pollset *set) {
#if USE_EPOLL
  if (set->timer >= 0)
    close(set->timer);
  if (set->epoll >= 0)
    close(set->epoll);
#endif
  sora_pollset_forget(set);
}

void sora_pollset_forget(struct pollset *set) {
  free(set->sockets);
  free(set->polled);
  sora_pollset_preinit(set);
}
